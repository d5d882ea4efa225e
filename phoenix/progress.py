"""What a person, or a log, sees while a run goes on."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from services.telemetry import logger

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
            self._note(f"run {self.run} of {facts['project']}")
        elif kind == "entered":
            self._show(facts["state"])
        elif kind == "left":
            self._left(facts)
        elif kind == "program":
            self.programs.append((facts["program"], facts["seconds"]))
            self.place = facts["place"]
        elif kind == "note":
            self._note(facts["text"])

    def close(self) -> None:
        """End the live line."""
        if self._live:
            self._live.stop()
            self._live = None

    def _note(self, text: str) -> None:
        if sys.stderr.isatty():
            click.echo(text, err=True)
        else:
            logger().info(text)

    def _left(self, facts: Mapping[str, Any]) -> None:
        from tasks.describe import headline

        self.close()
        told = headline(facts["answer"])
        if not sys.stderr.isatty():
            shown = {key: facts[key] for key in ("item", "outcome", "cached") if key in facts}
            logger().info(facts["stage"], **shown, seconds=round(facts["seconds"], 1), told=told)
            return
        mark = "✗" if facts["outcome"] == "failed" else "✓"
        known = " known" if facts["cached"] else f"{facts['seconds']:5.1f}s"
        name = f"{facts.get('item', '')} {facts['stage']}".strip()
        click.echo(f"{mark} {name:<30} {known}  {told}", err=True)

    def _show(self, state: str) -> None:
        if not sys.stderr.isatty():
            return
        from rich.console import Console

        self.close()
        self._live = Console(stderr=True).status(state)
        self._live.start()
