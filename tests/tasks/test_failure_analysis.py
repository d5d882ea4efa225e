"""FAILURE_ANALYSIS: every cause has a way that the table allows, and repairs end."""

import pytest

from schemas.failure import Cause, Evidence
from schemas.stages import Diagnosis
from schemas.stateflow import State, allowed, route
from tasks.failure_analysis import ROUTES, analyse_failure
from tests.tasks.builders import evidence, work_in


async def diagnosed(found: Evidence, *earlier: Evidence, repairs: int = 2) -> Diagnosis:
    work = work_in(State.FAILURE_ANALYSIS)
    return await analyse_failure.body(work, evidence=found, earlier=earlier, repairs=repairs)


def test_every_cause_has_a_route() -> None:
    assert set(ROUTES) == set(Cause)


@pytest.mark.parametrize("cause", Cause)
async def test_a_first_failure_takes_a_way_that_the_table_allows(cause: Cause) -> None:
    found = await diagnosed(evidence(cause))
    assert found.cause is cause
    target = ROUTES[cause]
    assert found.target is target
    assert found.outcome == ("repair" if target else "halt")
    steps = route(State.FAILURE_ANALYSIS, found.outcome, target or State.HALTED)
    assert all(allowed(s.origin, s.outcome, s.target) for s in steps)


@pytest.mark.parametrize("cause", [Cause.PACKAGING, Cause.MODEL])
async def test_a_failure_that_no_state_can_mend_needs_a_human(cause: Cause) -> None:
    assert (await diagnosed(evidence(cause))).reason == f"a {cause} failure needs a human"


async def test_the_same_evidence_again_halts() -> None:
    found = await diagnosed(evidence(), evidence(), evidence(summary="another"), repairs=5)
    assert (found.outcome, found.target) == ("halt", None)
    assert "no progress" in found.reason


async def test_another_failure_of_the_same_cause_is_repaired() -> None:
    found = await diagnosed(evidence(details="test_b failed"), evidence(details="test_a failed"))
    assert (found.outcome, found.target) == ("repair", State.IMPLEMENT_AND_FIX)


@pytest.mark.parametrize(("made", "repairs", "outcome"), [(0, 0, "halt"), (1, 2, "repair"), (2, 2, "halt")])
async def test_repairs_are_bounded_by_the_policy(made: int, repairs: int, outcome: str) -> None:
    earlier = [evidence(summary=f"failure {n}") for n in range(made)]
    found = await diagnosed(evidence(summary="the next"), *earlier, repairs=repairs)
    assert found.outcome == outcome
