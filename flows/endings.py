"""How a story ends: halted with what it needs, or with the error that becomes an exit code."""

from collections.abc import Awaitable

from flows.order import Ending
from schemas.errors import Halted, Rejected
from schemas.events import EventKind
from schemas.stateflow import State
from services.database import ledger
from tasks.telling import ACTOR, Telling


async def halt(
    telling: Telling, message: str, again: State | None = None, items: tuple[str, ...] = ()
) -> Ending:
    """Stop and say why; the next execution takes a new sample in the state named `again`, for these items."""
    context = telling.context
    await telling.move(State.HALTED, "unclear" if telling.outcome == "unclear" else "halt")
    async with context.database.transaction() as conn:
        await ledger.append(
            conn,
            project=context.project,
            run=context.run,
            execution=context.execution,
            kind=EventKind.HALTED,
            actor=ACTOR,
            payload={"message": message, "again": again.value if again else None, "items": list(items)},
            from_state=State.HALTED,
        )
    return Ending(run=context.run, state=State.HALTED, message=message)


async def ended(story: Awaitable[Ending]) -> Ending:
    """The ending of a story that reached its release.

    Raises:
        Halted: it stopped and says what it needs.
        Rejected: a human rejected it.
    """
    ending = await story
    if ending.state == State.HALTED:
        raise Halted(f"run {ending.run} halted. {ending.message}")
    if ending.state == State.REJECTED:
        raise Rejected(f"run {ending.run} was rejected. {ending.message}")
    return ending
