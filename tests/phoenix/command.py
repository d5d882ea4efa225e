"""Runs the phoenix command: in this process, as click does, or in one of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The last line on stderr, where an error stands alone."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment with changes; None removes a variable."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "OPENAI_", "PHOENIX_MODEL"))}
    merged = {**kept, **changes}
    return {k: v for k, v in merged.items() if v is not None}


def phoenix(*arguments: str, stdin: bytes = b"", env: Mapping[str, str]) -> Done:
    """The command in this process, run to its end."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from phoenix.main import main

    url = env.get("PREFECT_API_URL", "http://127.0.0.1:1/api")
    with _environ(env), temporary_settings({PREFECT_API_URL: url}):
        done = CliRunner().invoke(main, list(arguments), input=stdin)
    unexpected = done.exception if not isinstance(done.exception, SystemExit) else None
    if unexpected:
        raise unexpected
    return Done(done.exit_code, done.stdout, done.stderr)


def phoenix_process(
    *arguments: str, env: Mapping[str, str], under: Sequence[str] = ()
) -> "subprocess.Popen[bytes]":
    """The command in a process of its own, started, perhaps under another one such as nohup."""
    return subprocess.Popen(
        [*under, sys.executable, "-m", "phoenix.main", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(env), cwd=ROOT,
    )  # fmt: skip


@contextmanager
def _environ(env: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
