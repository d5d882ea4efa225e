"""Failures: what went wrong, why, and where the run goes next."""

from enum import StrEnum

from schemas.audit import Found
from schemas.base import Value
from schemas.stateflow import State


class Cause(StrEnum):
    """The class of a failure's cause."""

    BAD_SPEC = "bad_spec"
    BAD_PLAN = "bad_plan"
    BAD_TEST = "bad_test"
    BAD_CODE = "bad_code"
    BAD_DOCUMENT = "bad_document"
    SECURITY = "security"
    PACKAGING = "packaging"
    MODEL = "model"
    UNCLEAR = "unclear"
    """Only a look at the evidence can tell; failure analysis asks an agent."""


class Evidence(Value):
    """What a stage saw when it failed."""

    state: State
    cause: Cause
    summary: str
    """One line for people."""
    details: str
    """What the agent that repairs it needs to see."""
    item: str = ""
    """The work item whose stage it was; empty for a stage of the whole run."""
    paths: tuple[str, ...] = ()
    """The files that it is about, below the project's root or below tests/."""
    found: tuple[Found, ...] = ()
    """Inputs that an audit drew and on which properties fail."""


class Feedback(Value):
    """What a stage is told when it is visited again."""

    source: str
    cause: Cause | None
    """None when a human asked for a change."""
    text: str
    found: tuple[Found, ...] = ()
    """Inputs that become examples of the item's suite."""


Notes = tuple[Feedback, ...]


class Route(Value):
    """Where one failure goes."""

    cause: Cause
    target: State | None
    """The state that can mend it; None when only a human can."""
    items: tuple[str, ...]
    reason: str


class Strategy(Value):
    """What the supervisor would do differently."""

    target: State
    items: tuple[str, ...]
    """The work items to generate anew; empty for all that failed."""
    text: str
    """What is told to the agents."""


def notes_text(notes: Notes, *causes: Cause) -> str:
    """Feedback as an agent reads it: a human's, and that of the given causes (all when none is given)."""
    heard = [n for n in notes if not causes or n.cause is None or n.cause in causes]
    return "\n\n".join(f"From {note.source}:\n{note.text}" for note in heard)
