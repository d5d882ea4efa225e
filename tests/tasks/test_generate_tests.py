"""GENERATE_TESTS: one file for each item, red on its stub."""

import pytest

from schemas.failure import Cause, Feedback
from schemas.full import Red
from schemas.stateflow import State
from schemas.verdict import Status
from schemas.wbs import item_spec
from services.judge import Judge
from tasks.generate_tests import generate_tests
from tasks.stage import StageFailed
from tests.plans import MONEY_TESTS, RECEIPT_TESTS, SUMMED, THOUSAND, specification, wbs
from tests.tasks.builders import Script, block, the_failure, work_in

GOOD = block("tests/test_money.py", MONEY_TESTS)
MONEY = item_spec(wbs(), specification(), "WI-2")


async def written(judge: Judge, *answers: str, text: str = "") -> tuple[Red, Script]:
    script = Script(test_engineer=list(answers))
    notes = (Feedback(source="AUDIT_CODE", cause=Cause.BAD_TEST, text=text),) if text else ()
    work = work_in(State.GENERATE_TESTS, script, judge, item="WI-2")
    return await generate_tests.body(work, item=MONEY, feedback=notes), script


@pytest.mark.services
async def test_tests_that_claim_the_items_criteria_and_are_red_on_its_stub_are_the_answer(
    judge: Judge,
) -> None:
    red, script = await written(judge, GOOD, text="idle before")
    assert red.suite.tests == (THOUSAND, SUMMED)
    assert red.verdict.status is Status.FAILED
    assert {t.error for t in red.verdict.tests} == {"NotImplementedError"}
    [asked] = script.asked
    assert asked.subject == "WI-2"
    assert "idle before" in asked.values["feedback"]
    assert '"module":"units"' in asked.values["needs"]
    assert "FR-2.1" not in asked.values["srs"]


@pytest.mark.services
@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (
            block("tests/test_sums.py", MONEY_TESTS),
            "exactly one file, tests/test_money.py; found tests/",
        ),
        (GOOD + block("tests/test_more.py", MONEY_TESTS), "return exactly one file, tests/test_money.py"),
        (
            block("tests/test_money.py", MONEY_TESTS.replace('total([Line("tea", 1)] * 1000)', "1000")),
            f"{THOUSAND}: passes on the stub",
        ),
        (block("tests/test_money.py", MONEY_TESTS.replace("NFR-1.1", "FR-2.1")), "no test claims NFR-1.1"),
    ],
)
async def test_unusable_tests_are_shown_and_written_anew(judge: Judge, bad: str, problem: str) -> None:
    red, script = await written(judge, bad, GOOD)
    assert red.suite.tests == (THOUSAND, SUMMED)
    assert problem in script.told("test_engineer", "feedback")[1]


async def test_tests_that_stay_unusable_are_the_items_failure() -> None:
    wrong = block("tests/test_receipt.py", RECEIPT_TESTS)
    script = Script(test_engineer=[wrong] * 3)
    with pytest.raises(StageFailed) as failure:
        await generate_tests.body(work_in(State.GENERATE_TESTS, script, item="WI-2"), item=MONEY, feedback=())
    found = the_failure(failure)
    assert (found.cause, found.item) == (Cause.BAD_TEST, "WI-2")


async def test_a_complex_item_is_tested_by_the_strong_tier_and_failed_checks_raise_it() -> None:
    for complexity, tiers in ((9, ["strong"] * 3), (7, ["standard", "standard", "strong"])):
        script = Script(test_engineer=[block("tests/test_receipt.py", RECEIPT_TESTS)] * 3)
        item = MONEY.model_copy(update={"complexity": complexity})
        with pytest.raises(StageFailed):
            await generate_tests.body(
                work_in(State.GENERATE_TESTS, script, item="WI-2"), item=item, feedback=()
            )
        assert [r.tier for r in script.asked] == tiers


async def test_an_item_without_bodies_has_no_suite() -> None:
    types = item_spec(wbs(), specification(), "WI-1")
    with pytest.raises(ValueError, match="WI-1 has no bodies"):
        await generate_tests.body(work_in(State.GENERATE_TESTS, item="WI-1"), item=types, feedback=())
