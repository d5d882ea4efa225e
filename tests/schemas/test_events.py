"""Events hang together: each hash covers the whole event and the hash before it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import GENESIS, Event, EventKind
from schemas.stateflow import State

OTHER: dict[str, Any] = {
    "project": "other",
    "sequence": 2,
    "run": "r2",
    "execution": "e2",
    "kind": EventKind.LEFT,
    "from_state": State.TRIAGE,
    "to_state": State.LITE_CYCLE,
    "actor": "somebody",
    "payload": {"a": 2},
    "at": "2026-01-01T00:00:00.000001Z",
    "previous": "1" * 64,
}


def event(**changes: Any) -> Event:
    first: dict[str, Any] = {
        "project": "twice",
        "sequence": 1,
        "run": "r1",
        "execution": "e1",
        "kind": EventKind.ENTERED,
        "from_state": None,
        "to_state": State.TRIAGE,
        "actor": "phoenix",
        "payload": {"a": 1, "b": [None, "é"]},
        "at": "2026-01-01T00:00:00.000000Z",
        "previous": GENESIS,
    }
    return Event.model_validate({**first, **changes})


def test_the_test_changes_every_part_of_an_event() -> None:
    assert set(OTHER) == set(Event.model_fields)


@pytest.mark.parametrize("part", OTHER)
def test_every_part_of_an_event_is_in_its_hash(part: str) -> None:
    assert event(**{part: OTHER[part]}).hash() != event().hash()


@given(st.permutations(["a", "b", "c"]))
def test_the_order_of_a_payload_is_not_in_the_hash(keys: list[str]) -> None:
    assert event(payload=dict.fromkeys(keys, 1)).hash() == event(payload=dict.fromkeys("abc", 1)).hash()


def chain(length: int) -> list[Event]:
    events, previous = [], GENESIS
    for number in range(length):
        events.append(event(sequence=number, previous=previous))
        previous = events[-1].hash()
    return events


def holds(events: list[Event]) -> bool:
    before = [GENESIS, *(e.hash() for e in events)]
    return all(e.previous == known for e, known in zip(events, before, strict=False))


@given(st.integers(0, 4), st.sampled_from(sorted(set(OTHER) - {"previous", "sequence"})))
def test_a_changed_event_breaks_the_chain_behind_it(place: int, part: str) -> None:
    events = chain(6)
    assert holds(events)
    events[place] = events[place].model_copy(update={part: OTHER[part]})
    assert not holds(events)


@given(st.integers(0, 4))
def test_a_missing_event_breaks_the_chain(place: int) -> None:
    events = chain(6)
    del events[place]
    assert not holds(events)


@pytest.mark.parametrize("previous", ["", "0" * 63, "g" * 64, "0" * 64 + "\n"])
def test_the_previous_hash_is_a_digest(previous: str) -> None:
    with pytest.raises(ValidationError):
        event(previous=previous)


def test_an_event_that_was_stored_as_json_has_the_same_hash() -> None:
    assert Event.model_validate_json(event().model_dump_json()).hash() == event().hash()
