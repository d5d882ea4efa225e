"""IMPLEMENT_CODE: code that is green on the accepted code below it."""

import pytest

from schemas.failure import Cause
from schemas.lite import Green
from schemas.stateflow import State
from schemas.verdict import Status
from schemas.wbs import item_spec
from services.judge import Judge
from tasks.implement_code import Foundation, implement_code
from tasks.stage import StageFailed
from tests.plans import (
    MONEY,
    MONEY_FILE,
    RECEIPT_CODE,
    RECEIPT_TESTS,
    UNITS,
    receipt_suite,
    specification,
    wbs,
)
from tests.tasks.builders import Script, block, the_failure, work_in

pytestmark = pytest.mark.services

FOUNDATION = Foundation(contracts=(UNITS, MONEY), code=(MONEY_FILE,))
GOOD = block("src/shop/receipt.py", RECEIPT_CODE)
WRONG = block("src/shop/receipt.py", RECEIPT_CODE.replace('f"total {', 'f"sum {'))


async def implemented(
    judge: Judge, *answers: str, attempts: int = 2, complexity: int = 3
) -> tuple[Green, Script]:
    script = Script(implementation=list(answers))
    green = await implement_code.body(
        work_in(State.IMPLEMENT_CODE, script, judge, item="WI-3"),
        item=item_spec(wbs(), specification(), "WI-3").model_copy(update={"complexity": complexity}),
        suite=receipt_suite(),
        foundation=FOUNDATION,
        attempts=attempts,
        feedback=(),
    )
    return green, script


async def test_a_candidate_is_judged_on_the_code_that_it_builds_on(judge: Judge) -> None:
    green, script = await implemented(judge, GOOD)
    assert (green.attempts, green.verdict.status) == (1, Status.PASSED)
    [asked] = script.asked
    assert asked.subject == "WI-3"
    assert asked.values["tests"].endswith(RECEIPT_TESTS.rstrip())
    assert '"module":"money"' in asked.values["needs"] and '"module":"units"' in asked.values["needs"]
    assert "FR-2.1" in asked.values["srs"]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (WRONG, "AssertionError: assert 'tea 250\\njam"),
        (
            block("src/shop/receipt.py", RECEIPT_CODE.replace("from shop.money", "from shop")),
            "receipt.py:5: import from the module that has the name (shop.module), not from the package",
        ),
        (GOOD + block("src/shop/money.py", "x = 1\n"), "return exactly one file, src/shop/receipt.py"),
    ],
)
async def test_a_bad_candidate_is_shown_its_failure(judge: Judge, bad: str, problem: str) -> None:
    green, script = await implemented(judge, bad, GOOD)
    assert green.attempts == 2
    assert problem in script.told("implementation", "failures")[1]


async def test_a_complex_item_starts_at_the_strong_tier(judge: Judge) -> None:
    for complexity, tier, reason in ((7, "standard", "agent's own tier"), (8, "strong", "complexity 8")):
        _, script = await implemented(judge, GOOD, complexity=complexity)
        assert [(r.tier, r.reason) for r in script.asked] == [(tier, reason)]


async def test_code_that_stays_wrong_is_the_items_failure(judge: Judge) -> None:
    with pytest.raises(StageFailed) as failure:
        await implemented(judge, WRONG, attempts=1)
    found = the_failure(failure)
    assert (found.cause, found.item) == (Cause.BAD_CODE, "WI-3")
