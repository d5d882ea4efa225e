"""The events of the append-only ledger."""

from enum import StrEnum
from typing import Any, Literal

from schemas.base import Digest, Value, digest
from schemas.stateflow import State

GENESIS = "0" * 64
"""The previous hash of a project's first event."""


class EventKind(StrEnum):
    """What an event announces."""

    RUN_OPENED = "run_opened"
    EXECUTION_OPENED = "execution_opened"
    ENTERED = "entered"
    LEFT = "left"
    GATE_ASKED = "gate_asked"
    GATE_DECIDED = "gate_decided"
    HALTED = "halted"
    RELEASED = "released"
    ENDED = "ended"
    ITEM_TAKEN = "item_taken"
    """A worker has begun to develop an item that a run sent to it."""
    ITEM_ENDED = "item_ended"
    """What that came to."""
    NOTED = "noted"


class Event(Value):
    """One link of a project's chain; its hash covers everything in it and the previous hash."""

    project: str
    sequence: int
    run: str
    execution: str
    kind: EventKind
    from_state: State | None
    to_state: State | None
    actor: str
    payload: dict[str, Any]
    at: str
    """UTC, ISO 8601 with microseconds."""
    previous: Digest

    def hash(self) -> str:
        """The event's hash, which the next event names as its previous one."""
        return digest(self)


Decision = Literal["approve", "revise", "reject"]
