"""When a run that is started again by itself has died too often without getting any further."""

from collections.abc import Iterable

from schemas.events import Event, EventKind

LIVES = 3
"""How often in a row a process may die without an answer before a human is asked."""


def crashes(events: Iterable[Event], flow_run: str | None) -> int:
    """How many of the last executions that a flow run carried, in a row, died without a word or an answer.

    Whoever starts the run anew, in another flow run, begins to count anew.
    """
    mine: list[str] = []
    alive: set[str] = set()
    for event in events:
        if event.kind is EventKind.EXECUTION_OPENED and event.payload["flow_run"] == flow_run is not None:
            mine.append(event.execution)
        if event.kind is EventKind.ENDED or is_answer(event):
            alive.add(event.execution)
    fruitless = 0
    for execution in reversed(mine):
        if execution in alive:
            break
        fruitless += 1
    return fruitless


def is_answer(event: Event) -> bool:
    """Whether an event announces an answer that was not known before."""
    return event.kind is EventKind.LEFT and not event.payload["cached"]


def crash_loop(times: int) -> str:
    """What a human is told."""
    return (
        f"its process died {times} times in a row without finishing any stage, so it is not started again. "
        "See the log of the flow run in Prefect and the machine's memory, then type the command again."
    )
