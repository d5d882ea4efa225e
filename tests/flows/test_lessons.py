"""What is learnt is told to the state and item that it is for, and to no other."""

from flows.lessons import Lessons
from schemas.failure import Cause, Feedback
from schemas.stateflow import State

WRONG = Feedback(source="UNIT_TESTING", cause=Cause.BAD_CODE, text="649, not 650")
SHORTER = Feedback(source="a human", cause=None, text="shorter")
TOLD = (
    Lessons()
    .with_note(State.IMPLEMENT_CODE, WRONG, "WI-2")
    .with_note(State.IMPLEMENT_CODE, SHORTER, "WI-2")
    .with_note(State.DECOMPOSITION, SHORTER)
)


def test_notes_are_told_in_order_to_their_state_and_item_alone() -> None:
    assert TOLD.to(State.IMPLEMENT_CODE, "WI-2") == (WRONG, SHORTER)
    assert TOLD.to(State.DECOMPOSITION) == (SHORTER,)
    for state, item in (
        (State.IMPLEMENT_CODE, "WI-3"),
        (State.IMPLEMENT_CODE, ""),
        (State.GENERATE_TESTS, "WI-2"),
        (State.DECOMPOSITION, "WI-2"),
    ):
        assert TOLD.to(state, item) == ()


def test_an_item_is_spoken_of_when_any_state_was_told_about_it() -> None:
    assert [TOLD.about(item) for item in ("WI-2", "WI-3", "WI-22")] == [True, False, False]


def test_a_note_leaves_the_lessons_before_it_as_they_were() -> None:
    before = Lessons()
    before.with_note(State.DECOMPOSITION, WRONG)
    assert before == Lessons()
