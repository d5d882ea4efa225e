"""FAILURE_ANALYSIS: every cause has a way that the table allows, and repairs end."""

from typing import Any

import pytest

from schemas.answers import CauseAnswer
from schemas.failure import Cause, Evidence
from schemas.stages import Diagnosis
from schemas.stateflow import State, allowed, route
from tasks.failure_analysis import FULL, LITE, ROUTES, Path, analyse_failure
from tests.plans import ITEMS
from tests.tasks.builders import Script, evidence, work_in

OWNERS = {item.id: item.contract for item in ITEMS}
CLEAR = sorted(set(Cause) - {Cause.UNCLEAR})


async def diagnosed(
    *failures: Evidence,
    earlier: tuple[Evidence, ...] = (),
    repairs: int = 2,
    rethinks: int = 0,
    path: Path = "lite",
    script: Script | None = None,
) -> Diagnosis:
    return await analyse_failure.body(
        work_in(State.FAILURE_ANALYSIS, script),
        failures=failures,
        earlier=earlier,
        repairs=repairs,
        rethinks=rethinks,
        path=path,
        owners=OWNERS if path == "full" else {},
    )


def seen(cause: Cause = Cause.BAD_CODE, state: State = State.UNIT_TESTING, **changes: Any) -> Evidence:
    """A failure of the full path."""
    return evidence(cause, state=state, **changes)


def says(cause: str, *items: str, reason: str = "649 is demanded") -> Script:
    """A verification engineer who gives this cause."""
    found = CauseAnswer.model_validate({"cause": cause, "items": items, "reason": reason})
    return Script(verification=[found.model_dump_json()])


@pytest.mark.parametrize("path", ["lite", "full"])
def test_every_cause_has_a_route(path: Path) -> None:
    assert set(ROUTES[path]) == set(Cause)


@pytest.mark.parametrize("cause", Cause)
async def test_a_first_failure_takes_a_way_that_the_table_allows(cause: Cause) -> None:
    found = await diagnosed(evidence(cause))
    [taken] = found.routes
    assert taken.cause is cause
    target = LITE[cause]
    assert taken.target is target
    assert found.outcome == ("repair" if target else "halt")
    steps = route(State.FAILURE_ANALYSIS, found.outcome, target or State.HALTED)
    assert all(allowed(s.origin, s.outcome, s.target) for s in steps)


@pytest.mark.parametrize("cause", CLEAR)
async def test_a_first_failure_of_the_full_path_takes_a_way_that_the_table_allows(cause: Cause) -> None:
    found = await diagnosed(seen(cause, item="WI-2"), path="full")
    [taken] = found.routes
    assert (taken.cause, taken.target, taken.items) == (cause, FULL[cause], ("WI-2",))
    steps = route(State.FAILURE_ANALYSIS, found.outcome, taken.target or State.HALTED)
    assert all(allowed(s.origin, s.outcome, s.target) for s in steps)


@pytest.mark.parametrize("cause", [Cause.PACKAGING, Cause.MODEL])
@pytest.mark.parametrize("path", ["lite", "full"])
async def test_a_failure_that_no_state_can_mend_needs_a_human(cause: Cause, path: Path) -> None:
    found = await diagnosed(evidence(cause), path=path, rethinks=3)
    assert (found.outcome, found.reason) == ("halt", f"a {cause} failure needs a human")


async def test_one_failure_that_needs_a_human_halts_the_others_too() -> None:
    found = await diagnosed(seen(item="WI-2"), seen(Cause.MODEL, item="WI-3"), path="full", rethinks=1)
    assert found.outcome == "halt"
    assert [r.target for r in found.routes] == [State.IMPLEMENT_CODE, None]


async def test_the_same_evidence_again_halts() -> None:
    earlier = (evidence(), evidence(summary="another"))
    found = await diagnosed(evidence(), earlier=earlier, repairs=5)
    assert found.outcome == "halt"
    assert "no progress" in found.reason


async def test_another_failure_of_the_same_cause_is_repaired() -> None:
    found = await diagnosed(evidence(details="test_b failed"), earlier=(evidence(details="test_a failed"),))
    assert (found.outcome, found.routes[0].target) == ("repair", State.IMPLEMENT_AND_FIX)


@pytest.mark.parametrize(("made", "repairs", "outcome"), [(0, 0, "halt"), (1, 2, "repair"), (2, 2, "halt")])
async def test_repairs_are_bounded_by_the_policy(made: int, repairs: int, outcome: str) -> None:
    earlier = tuple(evidence(summary=f"failure {n}") for n in range(made))
    found = await diagnosed(evidence(summary="the next"), earlier=earlier, repairs=repairs)
    assert found.outcome == outcome


@pytest.mark.parametrize(
    ("path", "rethinks", "outcome"),
    [("full", 1, "rethink"), ("full", 0, "halt"), ("lite", 1, "halt")],
)
@pytest.mark.parametrize("repairs", [1, 5])
async def test_without_a_repair_left_or_progress_the_full_path_rethinks_and_then_halts(
    path: Path, rethinks: int, outcome: str, repairs: int
) -> None:
    failure = seen(item="WI-2")
    found = await diagnosed(failure, earlier=(failure,), repairs=repairs, rethinks=rethinks, path=path)
    assert found.outcome == outcome


@pytest.mark.parametrize(
    ("paths", "items"),
    [
        (("test_money.py",), ("WI-2",)),
        (("tests/test_receipt.py", "src/shop/money.py"), ("WI-2", "WI-3")),
        (("src/shop/units_types.py",), ("WI-1",)),
        (("src/shop/units.py",), ("WI-1",)),
    ],
)
async def test_the_owners_of_the_files_repair_what_no_item_reported(
    paths: tuple[str, ...], items: tuple[str, ...]
) -> None:
    found = await diagnosed(seen(paths=paths), path="full")
    assert [(r.target, r.items) for r in found.routes] == [(State.IMPLEMENT_CODE, items)]


@pytest.mark.parametrize("cause", [Cause.BAD_CODE, Cause.BAD_TEST, Cause.SECURITY])
@pytest.mark.parametrize("paths", [(), ("test_integration_receipt.py",), ("README.md",)])
async def test_a_failure_whose_owner_nobody_knows_goes_back_to_the_plan(
    cause: Cause, paths: tuple[str, ...]
) -> None:
    found = await diagnosed(seen(cause, paths=paths), path="full")
    assert [(r.target, r.items) for r in found.routes] == [(State.DECOMPOSITION, ())]


@pytest.mark.parametrize(
    ("cause", "items", "target"),
    [
        ("bad_code", ("WI-2",), State.IMPLEMENT_CODE),
        ("bad_test", ("WI-3",), State.GENERATE_TESTS),
        ("bad_test", (), State.INTEGRATION_TESTING),
        ("bad_code", (), State.DECOMPOSITION),
        ("bad_plan", (), State.DECOMPOSITION),
        ("bad_spec", (), State.REQUIREMENT_INGESTION),
    ],
)
async def test_an_unclear_failure_is_judged_by_an_agent(
    cause: str, items: tuple[str, ...], target: State
) -> None:
    script = says(cause, *items)
    failure = seen(Cause.UNCLEAR, State.INTEGRATION_TESTING, details="assert 1 == 2")
    found = await diagnosed(failure, path="full", script=script)
    [taken] = found.routes
    assert (taken.cause, taken.items, taken.target) == (Cause(cause), items, target)
    assert "649 is demanded" in taken.reason
    assert allowed(State.FAILURE_ANALYSIS, "repair", target)
    [shown] = script.told("verification", "evidence")
    assert "assert 1 == 2" in shown and "WI-2: module money" in shown


async def test_items_that_there_are_not_are_left_out_of_a_judgement() -> None:
    found = await diagnosed(seen(Cause.UNCLEAR), path="full", script=says("bad_code", "WI-9", "WI-2"))
    assert found.routes[0].items == ("WI-2",)


async def test_a_clear_failure_asks_nobody() -> None:
    script = Script()
    await diagnosed(seen(item="WI-2"), seen(Cause.BAD_TEST, item="WI-3"), path="full", script=script)
    assert script.asked == []


async def test_each_failure_has_its_own_route_and_the_reason_names_all() -> None:
    found = await diagnosed(seen(item="WI-2"), seen(Cause.BAD_TEST, item="WI-3"), path="full")
    assert [(r.target, r.items) for r in found.routes] == [
        (State.IMPLEMENT_CODE, ("WI-2",)),
        (State.GENERATE_TESTS, ("WI-3",)),
    ]
    assert "IMPLEMENT_CODE" in found.reason and "GENERATE_TESTS" in found.reason
