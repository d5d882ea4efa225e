"""The table of transitions: complete, without a trap, and what its diagram shows."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import TransitionRefused
from schemas.stateflow import (
    CHILDREN,
    PER_ITEM,
    RESTING,
    STAGES,
    TERMINAL,
    TRANSITIONS,
    State,
    allowed,
    mermaid,
    route,
)
from schemas.stateflow import State as S

STATES = st.sampled_from(list(State))
OUTCOMES = st.sampled_from(sorted({t.outcome for t in TRANSITIONS}))


def reachable(start: State, without: Iterable[str] = ()) -> set[State]:
    seen, todo = {start}, [start]
    while todo:
        here = todo.pop()
        fresh = {t.target for t in TRANSITIONS if t.origin is here and t.outcome not in without} - seen
        seen |= fresh
        todo += fresh
    return seen


@given(STATES, OUTCOMES, STATES)
def test_a_transition_is_allowed_if_the_table_holds_it(origin: State, outcome: str, target: State) -> None:
    held = [t for t in TRANSITIONS if (t.origin, t.outcome, t.target) == (origin, outcome, target)]
    assert allowed(origin, outcome, target) is bool(held)


@given(STATES, OUTCOMES, STATES)
def test_a_route_is_made_of_allowed_transitions_or_refused(
    origin: State, outcome: str, target: State
) -> None:
    try:
        way = route(origin, outcome, target)
    except TransitionRefused as error:
        assert f"{origin} --{outcome}--> {target}" in str(error)
        assert not allowed(origin, outcome, target)
        return
    assert (way[0].origin, way[0].outcome, way[-1].target) == (origin, outcome, target)
    assert all(allowed(t.origin, t.outcome, t.target) for t in way)
    assert all(a.target is b.origin and a.target in CHILDREN for a, b in itertools.pairwise(way))


@pytest.mark.parametrize(
    ("origin", "outcome", "target", "through"),
    [
        (S.INITIALIZING, "ready", S.TRIAGE, []),
        (S.TRIAGE, "lite", S.PLAN_AND_TEST, [S.LITE_CYCLE]),
        (S.REFACTOR_AND_DOCUMENT, "done", S.SECURITY_AUDIT, [S.LITE_CYCLE]),
        (S.DECOMPOSITION, "planned", S.GENERATE_TESTS, [S.GENERATION_CYCLE]),
        (S.REFACTOR_CODE, "done", S.UNIT_TESTING, [S.GENERATION_CYCLE, S.VERIFICATION_CYCLE]),
        (S.PERFORMANCE_VALIDATION, "passed", S.SECURITY_AUDIT, [S.VERIFICATION_CYCLE]),
        (S.FAILURE_ANALYSIS, "repair", S.IMPLEMENT_AND_FIX, []),
        (S.GENERATE_DEPLOYMENT_ARTIFACTS, "revise", S.PLAN_AND_TEST, [S.LITE_CYCLE]),
        (S.HALTED, "again", S.INITIALIZING, []),
        (S.SPECIFICATION_ANALYSIS, "unsound", S.REQUIREMENT_INGESTION, []),
        (S.DECOMPOSITION, "gap", S.REQUIREMENT_INGESTION, []),
        (S.GENERATION_CYCLE, "generated", S.UNIT_TESTING, [S.VERIFICATION_CYCLE]),
        (S.FAILURE_ANALYSIS, "repair", S.GENERATE_TESTS, []),
        (S.FAILURE_ANALYSIS, "repair", S.INTEGRATION_TESTING, []),
        (S.FAILURE_ANALYSIS, "repair", S.GENERATION_CYCLE, []),
        (S.AUTOMATED_RETHINK, "replan", S.DECOMPOSITION, []),
        (S.AUTOMATED_RETHINK, "regenerate", S.GENERATE_TESTS, [S.GENERATION_CYCLE]),
        (S.GENERATE_DEPLOYMENT_ARTIFACTS, "revise", S.REQUIREMENT_INGESTION, []),
    ],
)
def test_a_route_leads_into_and_out_of_composite_states(
    origin: State, outcome: str, target: State, through: list[State]
) -> None:
    assert [t.target for t in route(origin, outcome, target)] == [*through, target]


@pytest.mark.parametrize(
    ("origin", "outcome", "target"),
    [
        (S.INITIALIZING, "ready", S.COMPLETED),
        (S.TRIAGE, "lite", S.SECURITY_AUDIT),
        (S.DECOMPOSITION, "planned", S.SECURITY_AUDIT),
        (S.REFACTOR_AND_DOCUMENT, "done", S.PLAN_AND_TEST),
        (S.TRIAGE, "ready", S.TRIAGE),
        (S.PLAN_AND_TEST, "red", S.REFACTOR_AND_DOCUMENT),
        (S.SECURITY_AUDIT, "approve", S.COMPLETED),
        (S.GENERATE_TESTS, "red", S.AUDIT_CODE),
        (S.REFACTOR_CODE, "done", S.SECURITY_AUDIT),
        (S.DECOMPOSITION, "planned", S.IMPLEMENT_CODE),
        (S.UNIT_TESTING, "passed", S.SECURITY_AUDIT),
        (S.AUTOMATED_RETHINK, "exhausted", S.DECOMPOSITION),
        *((state, "again", S.INITIALIZING) for state in sorted(TERMINAL)),
    ],
)
def test_a_way_that_the_diagram_does_not_show_is_refused(origin: State, outcome: str, target: State) -> None:
    with pytest.raises(TransitionRefused):
        route(origin, outcome, target)


def test_every_state_is_reached_from_the_first_one() -> None:
    assert reachable(State.INITIALIZING) == set(State)


def test_every_stage_is_reached_without_failing_first() -> None:
    calm = reachable(State.INITIALIZING, without=("failed", "repair", "halt", "cancel", "again"))
    assert calm >= STAGES - {State.FAILURE_ANALYSIS, State.AUTOMATED_RETHINK}


@pytest.mark.parametrize("state", list(State))
def test_every_state_comes_to_rest_without_a_cancellation(state: State) -> None:
    assert reachable(state, without=("cancel", "again")) & RESTING


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_a_terminal_state_has_no_way_out(state: State) -> None:
    assert reachable(state) == {state}


@pytest.mark.parametrize("state", [S.GENERATION_CYCLE, S.VERIFICATION_CYCLE, S.LITE_CYCLE])
def test_a_composite_state_is_entered_at_its_first_state_and_left_from_its_last(state: State) -> None:
    inside = CHILDREN[state]
    entries = {t.target for t in TRANSITIONS if t.origin is state and t.target in inside}
    exits = {t.origin for t in TRANSITIONS if t.target is state and t.origin in inside}
    assert (entries, exits) == ({inside[0]}, {inside[-1]})
    steps = {(t.origin, t.target) for t in TRANSITIONS if t.outcome not in ("failed", "repair")}
    assert set(itertools.pairwise(inside)) <= steps


def test_only_the_release_gate_completes_a_run() -> None:
    assert {(t.origin, t.outcome) for t in TRANSITIONS if t.target is State.COMPLETED} == {
        (State.GENERATE_DEPLOYMENT_ARTIFACTS, "approve")
    }


def test_every_state_that_works_may_fail_halt_or_be_cancelled() -> None:
    for state in STAGES - {State.FAILURE_ANALYSIS, State.AUTOMATED_RETHINK}:
        outcomes = {t.outcome for t in TRANSITIONS if t.origin is state}
        assert outcomes >= {"failed", "halt", "cancel", "again"}, state


def test_a_failure_can_go_back_to_every_state_that_it_came_from() -> None:
    failing = {t.origin for t in TRANSITIONS if t.outcome == "failed"} - {State.INITIALIZING}
    assert failing <= {t.target for t in TRANSITIONS if t.outcome == "repair"}


def test_states_are_stages_composites_or_places_to_rest() -> None:
    assert STAGES | set(CHILDREN) | RESTING == set(State)
    assert not STAGES & RESTING
    assert not set(CHILDREN) & STAGES
    assert {child for children in CHILDREN.values() for child in children} <= STAGES
    assert set(CHILDREN[State.GENERATION_CYCLE]) == PER_ITEM


def test_the_diagram_names_every_main_transition_and_the_path_taken() -> None:
    lines = mermaid((State.TRIAGE, State.HALTED, State.TRIAGE)).splitlines()
    assert lines[0] == "stateDiagram-v2"
    extra = ("failed", "repair", "halt", "reject", "again", "cancel")
    main = {f"    {t.origin} --> {t.target}: {t.outcome}" for t in TRANSITIONS if t.outcome not in extra}
    assert main <= set(lines)
    assert [line for line in lines if line.startswith("    class ")] == [
        "    class TRIAGE taken",
        "    class HALTED taken",
    ]
