"""What a person, or a log, sees while a run goes on."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.status import Status


class Progress:
    """One live line on a terminal; elsewhere one greppable line for each stage."""

    def __init__(self) -> None:
        self.run: str | None = None
        self.path: str | None = None
        """The release's folder, once there is one."""
        self.programs: list[tuple[str, float]] = []
        """What ran in the sandbox, and for how many seconds."""
        self.place = ""
        self._live: Status | None = None

    def __call__(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Take note of what happened."""
        if kind == "opened":
            self.run = facts["run"]
            self._line(f"run {self.run} of project {facts['project']}")
        elif kind == "entered":
            self._show(facts["state"])
        elif kind == "left":
            self._left(facts)
        elif kind == "program":
            self.programs.append((facts["program"], facts["seconds"]))
            self.place = facts["place"]
        elif kind == "note":
            self._line(facts["text"])

    def close(self) -> None:
        """End the live line."""
        if self._live:
            self._live.stop()
            self._live = None

    def _left(self, facts: Mapping[str, Any]) -> None:
        from tasks.describe import headline

        self.close()
        told = headline(facts["answer"])
        if sys.stderr.isatty():
            mark = "✗" if facts["outcome"] == "failed" else "✓"
            known = " (known)" if facts["cached"] else ""
            self._line(f"{mark} {facts['stage']:<30} {facts['seconds']:6.1f} s{known}  {told}")
        else:
            cached = "yes" if facts["cached"] else "no"
            self._line(
                f"stage={facts['stage']} outcome={facts['outcome']} cached={cached} "
                f"seconds={facts['seconds']:.1f} {told}"
            )

    def _show(self, state: str) -> None:
        if not sys.stderr.isatty():
            return
        from rich.console import Console

        self.close()
        self._live = Console(stderr=True).status(state)
        self._live.start()

    def _line(self, text: str) -> None:
        with suppress(BrokenPipeError):
            click.echo(f"phoenix: {text}", err=True)
