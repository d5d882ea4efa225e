"""What an execution has learnt: its failures, and what each state is told about them."""

from dataclasses import dataclass, replace

from schemas.failure import Evidence, Feedback, Notes, Strategy
from schemas.stateflow import State


@dataclass(frozen=True)
class Note:
    """Feedback for a state; for one work item there, or for the whole run."""

    target: State
    item: str
    feedback: Feedback


@dataclass(frozen=True)
class Lessons:
    """What went wrong in this execution, and who is told."""

    failures: tuple[Evidence, ...] = ()
    """Since the last new strategy."""
    notes: tuple[Note, ...] = ()
    tried: tuple[Strategy, ...] = ()

    def to(self, state: State, item: str = "") -> Notes:
        """The feedback for one state."""
        return tuple(n.feedback for n in self.notes if (n.target, n.item) == (state, item))

    def of(self, item: str) -> "Lessons":
        """What concerns one work item."""
        return Lessons(
            failures=tuple(f for f in self.failures if f.item == item),
            notes=tuple(n for n in self.notes if n.item == item),
        )

    def about(self, item: str) -> bool:
        """Whether anything was said about a work item."""
        return any(n.item == item for n in self.notes)

    def with_note(self, target: State, feedback: Feedback, item: str = "") -> "Lessons":
        """These lessons and one more."""
        return replace(self, notes=(*self.notes, Note(target, item, feedback)))
