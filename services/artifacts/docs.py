"""Builds the documentation in the sandbox."""

from collections.abc import Iterable
from pathlib import Path

from schemas.base import SourceFile
from schemas.documentation import DocsTool
from schemas.verdict import Verdict
from services.artifacts.verdicts import verdict_of
from services.sandbox import Job, Limits, Outcome, Sandbox, escape

_PYTHON = ("/venv/bin/python", "-P", "-s", "-m")
_SITE = "/tmp/site"  # nosec B108 - private to the sandbox
_BUILDS = {
    "mkdocs": (*_PYTHON, "mkdocs", "build", "--strict", "--site-dir", _SITE),
    "sphinx": (*_PYTHON, "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", _SITE),
}
_LIMITS = Limits(wall_s=120, cpu_s=120)


async def check_docs(
    sandbox: Sandbox,
    environment: Path,
    files: Iterable[SourceFile],
    tool: DocsTool,
    limits: Limits = _LIMITS,
) -> Verdict:
    """Whether the tool of the environment builds the documentation of a tree without a warning."""
    sources = {f.path: f.text.encode() for f in files if f.path.startswith("docs/") or f.path == "mkdocs.yml"}
    job = Job(argv=_BUILDS[tool], code=sources, environment=environment, limits=limits)
    outcome = await sandbox.run(job)
    good = f"{tool} built {_pages(sources)} page(s) without a warning"
    return verdict_of("documentation", _problems(outcome, tool), good, outcome.confinement)


def _pages(sources: Iterable[str]) -> int:
    return sum(path.endswith((".md", ".rst")) for path in sources)


def _problems(outcome: Outcome, tool: str) -> list[str]:
    said = escape(outcome.stdout + outcome.stderr).splitlines()
    loud = [line.strip()[:300] for line in said if "WARNING" in line or "ERROR" in line]
    if outcome.exit_code == 0 and not loud:
        return []
    hit = f" ({', '.join(outcome.limits_hit)} limit)" if outcome.limits_hit else ""
    return loud or [f"{tool} ended with {outcome.exit_code}{hit}: {said[-1][:300] if said else 'no output'}"]
