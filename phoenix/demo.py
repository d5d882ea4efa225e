"""phoenix demo: an example built from its recorded answers, from an empty home."""

import shutil
import tempfile
from collections import Counter
from importlib.resources import files
from pathlib import Path

import click

from phoenix.build import Wishes, run_build, start, to_its_end
from phoenix.progress import Progress
from schemas.brief import parse_brief
from schemas.errors import InputError
from schemas.policy import Policy
from services.settings import Settings, read_settings

DEFAULT = "shared-expenses"


def examples() -> list[str]:
    """The names of the examples that have a recording."""
    return sorted(p.name for p in files("examples").iterdir() if p.joinpath("recording.json").is_file())


def demo_command(output: Path, example: str | None, keep: bool, as_json: bool) -> int:
    """Build the example, say what ran in the sandbox, and clean up."""
    name = example or DEFAULT
    if name not in examples():
        raise InputError(f"no example {name!r}. Choose one of: {', '.join(examples())}.")
    home = Path(tempfile.mkdtemp(prefix="phoenix-demo-"))
    home.chmod(0o755)
    alone = {"home": home, "database_url": None, "prefect_api_url": None, "redis_url": None}
    settings = start(read_settings().model_copy(update=alone))
    progress = Progress()
    try:
        code = to_its_end(_demo(settings, name, output / name, as_json, progress))
        if not as_json:
            click.echo(sandbox_summary(progress))
        if keep:
            click.echo(
                f"phoenix: PHOENIX_HOME={home} phoenix up   shows this run in the Prefect UI", err=True
            )
        return code
    finally:
        if not keep:
            shutil.rmtree(home, ignore_errors=True)


async def _demo(settings: Settings, name: str, output: Path, as_json: bool, progress: Progress) -> int:
    from flows.order import BuildOrder
    from services.models import recording_name

    place = files("examples").joinpath(name)
    brief = parse_brief(place.joinpath("brief.md").read_text(encoding="utf-8"), f"example {name}")
    models = settings.models(recording_name(Path(str(place.joinpath("recording.json")))))
    policy = Policy(models=models, release_gate="auto").tightened_by(brief.asks)
    order = BuildOrder(brief=brief, policy=policy, output=str(output.absolute()))
    return await run_build(settings, Wishes(order, None, as_json), progress)


def sandbox_summary(progress: Progress) -> str:
    """What really ran in the sandbox, and for how long."""
    counts = Counter(program for program, _ in progress.programs)
    total = sum(seconds for _, seconds in progress.programs)
    lines = [f"ran in the sandbox ({progress.place}): {len(progress.programs)} programs, {total:.1f} s"]
    for program, count in counts.most_common():
        seconds = sum(s for p, s in progress.programs if p == program)
        lines.append(f"  {count:3} × {program:<32} {seconds:5.1f} s")
    return "\n".join(lines)
