"""DECOMPOSITION: a plan without a broken rule, whose stubs import; or the reason why there is none."""

from typing import Any

import pytest

from schemas.answers import DecompositionAnswer
from schemas.failure import Cause
from schemas.full import Planned
from schemas.stateflow import State
from schemas.wbs import WBS
from services.judge import Judge
from tasks.decomposition import decompose, estimate
from tasks.stage import StageFailed
from tasks.suites import ROUNDS
from tests.plans import ITEMS, MONEY, RECEIPT, USES_LINE, blueprint, face, graph, item, specification, wbs
from tests.tasks.builders import Script, the_failure, work_in

CYCLE = wbs(ITEMS[0], item("WI-2", MONEY, ("FR-1.1", "NFR-1.1"), "WI-3"), ITEMS[2])
ROUND = "the dependencies form a cycle: WI-"


def answer(plan: WBS, *gaps: str) -> str:
    return DecompositionAnswer(epics=plan.epics, items=plan.items, gaps=gaps).model_dump_json()


async def planned(*answers: str, judge: Judge | None = None, **changes: Any) -> tuple[Planned, Script]:
    script = Script(decomposition=list(answers))
    found = await decompose.body(
        work_in(State.DECOMPOSITION, script, judge),
        specification=specification(),
        blueprint=blueprint(**changes),
        attempts=4,
        feedback=(),
    )
    return found, script


async def complaint(plan: WBS, **changes: Any) -> str:
    """The first problem of a plan, which stays as it is."""
    with pytest.raises(StageFailed) as failure:
        await planned(*[answer(plan)] * ROUNDS, **changes)
    assert the_failure(failure).cause is Cause.BAD_PLAN
    return the_failure(failure).summary


@pytest.mark.services
async def test_a_plan_by_the_rules_whose_stubs_import_is_the_answer(judge: Judge) -> None:
    found, script = await planned(answer(wbs()), judge=judge)
    assert (found.outcome, found.wbs) == ("planned", wbs())
    assert found.estimate == estimate(wbs(), 4)
    assert len(script.asked) == 1


@pytest.mark.services
async def test_a_cycle_is_shown_as_a_path_and_mended(judge: Judge) -> None:
    found, script = await planned(answer(CYCLE), answer(wbs()), judge=judge)
    assert found.wbs == wbs()
    first, second = script.told("decomposition", "feedback")
    assert (first, ROUND in second) == ("", True)


@pytest.mark.services
async def test_stubs_that_cannot_be_imported_are_a_problem_too(judge: Judge) -> None:
    bad = face("money", imports=(*USES_LINE, "from decimal import Decimall"), functions=MONEY.functions)
    plan = wbs(ITEMS[0], item("WI-2", bad, ("FR-1.1", "NFR-1.1"), "WI-1", premises=("A1",)), ITEMS[2])
    assert "cannot import name 'Decimall'" in await complaint(plan, judge=judge)


async def test_a_cycle_that_stays_is_a_bad_plan_with_the_violation() -> None:
    assert f"no valid plan after {ROUNDS} tries: {ROUND}" in await complaint(CYCLE)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"package": "store"}, "units: the package is store, not shop"),
        ({"command": "shop"}, "one contract has the command shop; found []"),
        ({"modules": [{"module": "taxes", "responsibility": "Taxes.", "needs": []}]},
         "module taxes of the blueprint is made by no item"),
    ],
)  # fmt: skip
async def test_a_plan_keeps_to_its_blueprint(changes: dict[str, Any], problem: str) -> None:
    assert problem in await complaint(wbs(), **changes)


async def test_a_plan_that_leaves_a_criterion_out_is_refused() -> None:
    plan = wbs(ITEMS[0], item("WI-2", MONEY, ("FR-1.1",), "WI-1"), ITEMS[2])
    assert "NFR-1.1 is served by no item" in await complaint(plan)


async def test_gaps_go_back_without_a_plan() -> None:
    found, _ = await planned(answer(WBS(epics=(), items=()), "Which currency?"))
    assert (found.outcome, found.gaps, found.wbs.items) == ("gap", ("Which currency?",), ())


def test_an_estimate_is_a_range_that_grows_with_the_work_and_the_attempts() -> None:
    small, large = graph(w1=()), graph(w1=(), w2=(1,), w3=(2,))
    for plan in (small, large):
        found = estimate(plan, 4)
        for least, most in (found.calls, found.input_tokens, found.output_tokens):
            assert 0 < least < most
    assert estimate(small, 4).calls[0] < estimate(large, 4).calls[0]
    assert estimate(small, 4).calls[1] < estimate(small, 9).calls[1]
    assert estimate(small, 4).calls[0] == estimate(small, 9).calls[0]


def test_an_item_without_bodies_costs_no_call() -> None:
    with_types = wbs(*ITEMS)
    alone = wbs(item("WI-2", MONEY, ("FR-1.1",)), item("WI-3", RECEIPT, ("FR-2.1",), "WI-2"))
    assert estimate(with_types, 4) == estimate(alone, 4)
