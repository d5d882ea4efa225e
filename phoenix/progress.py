"""What a person, or a log, sees while a run goes on."""

import asyncio
import signal
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
        self._work: asyncio.Task[Any] | None = None
        self._terminated = False

    def heed_sigterm(self) -> None:
        """Let SIGTERM cancel this task; an exception out of a signal handler may hit what swallows it."""
        self._work = self._work or asyncio.current_task()
        signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, *_: object) -> None:
        self._terminated = True
        if self._work and not self._work.done():
            self._work.get_loop().call_soon_threadsafe(self._work.cancel)

    def __call__(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Take note of what happened.

        Raises:
            asyncio.CancelledError: SIGTERM came, and its cancellation was lost on the way.
        """
        if self._terminated:
            raise asyncio.CancelledError
        if kind == "opened":
            self.heed_sigterm()  # a flow has just put Prefect's handler in place
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
