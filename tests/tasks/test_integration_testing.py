"""INTEGRATION_TESTING: tests from the topmost items down, and which lower items they notice."""

import pytest

from schemas.failure import Cause, Evidence
from schemas.full import Integrated
from schemas.stages import Assembly
from schemas.stateflow import State
from schemas.verdict import Status
from schemas.wbs import WBS
from services.judge import Judge
from tasks.integration_testing import ROUNDS, integration_testing
from tasks.stage import StageFailed
from tests.plans import ITEMS, MONEY, RECEIPT_CODE, assembly, item, wbs
from tests.tasks.builders import Script, block, the_failure, work_in

PATH = "tests/test_integration_receipt.py"
TESTS = """import pytest

from shop import Line, receipt


@pytest.mark.proves("FR-2.1")
def test_a_purchase_is_printed():
    assert receipt([Line("tea", 250)]).splitlines() == ["tea 250", "total 250"]
"""
PURCHASE = "test_integration_receipt.py::test_a_purchase_is_printed"
GOOD = block(PATH, TESTS)
NO_MONEY = RECEIPT_CODE.replace("total(lines)", "sum(line.cents for line in lines)").replace(
    "from shop.money import total\n", ""
)
WRONG = block(PATH, TESTS.replace("total 250", "total 251"))


async def integrated(
    judge: Judge | None, *answers: str, whole: Assembly | None = None, plan: WBS | None = None
) -> tuple[Integrated, Script]:
    script = Script(integration_engineer=list(answers))
    answer = await integration_testing.body(
        work_in(State.INTEGRATION_TESTING, script, judge),
        wbs=plan or wbs(),
        assembly=whole or assembly(),
        feedback=(),
    )
    return answer, script


async def failure_of(judge: Judge | None, *answers: str) -> Evidence:
    with pytest.raises(StageFailed) as failure:
        await integrated(judge, *answers)
    return the_failure(failure)


@pytest.mark.services
async def test_each_lower_item_with_bodies_is_tried_as_a_stub_and_noticed(judge: Judge) -> None:
    found, script = await integrated(judge, GOOD)
    assert (found.suite.tests, found.verdict.status) == ((PURCHASE,), Status.PASSED)
    assert [(e.id, e.path, e.killed_by) for e in found.edges] == [("WI-2", "src/shop/money.py", (PURCHASE,))]
    [asked] = script.asked
    assert asked.subject == "WI-3"
    assert asked.values["edges"] == "money uses units\nreceipt uses units\nreceipt uses money"


@pytest.mark.services
async def test_an_edge_that_no_test_notices_is_listed(judge: Judge) -> None:
    found, _ = await integrated(judge, GOOD, whole=assembly(receipt=NO_MONEY))
    assert [(e.id, e.killed_by) for e in found.edges] == [("WI-2", ())]


@pytest.mark.services
async def test_failing_tests_are_shown_once_and_then_left_to_failure_analysis(judge: Judge) -> None:
    found = await failure_of(judge, WRONG, WRONG.replace("251", "252"))
    assert found.cause is Cause.UNCLEAR
    assert "integration of WI-3: 1 of 1 tests failed" in found.summary
    assert PURCHASE in found.details and "def test_a_purchase_is_printed" in found.details


@pytest.mark.services
@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (block("tests/test_receipt.py", TESTS), f"return exactly one file, {PATH}"),
        (block(PATH, "import requests\n" + TESTS), "import of 'requests' is not allowed"),
        (block(PATH, TESTS.replace("FR-2.1", "FR-9.9")), "FR-9.9 is claimed but is not a criterion"),
        (WRONG, "1 of 1 tests failed"),
    ],
)
async def test_unusable_tests_are_shown_and_written_anew(judge: Judge, bad: str, problem: str) -> None:
    found, script = await integrated(judge, bad, GOOD)
    assert found.suite.tests == (PURCHASE,)
    assert problem in script.told("integration_engineer", "feedback")[1]


async def test_tests_that_never_come_are_the_models_failure() -> None:
    found = await failure_of(None, *[block("tests/test_x.py", TESTS)] * ROUNDS)
    assert found.cause is Cause.MODEL
    assert "no usable integration tests of WI-3" in found.summary


async def test_a_plan_without_edges_needs_no_integration_test() -> None:
    alone = wbs(item("WI-1", MONEY, ("FR-1.1",)))
    found, script = await integrated(None, plan=alone)
    assert (found.verdict.status, found.edges, script.asked) == (Status.NOT_RUN, (), [])


def test_the_shop_of_these_tests_has_one_topmost_item() -> None:
    assert wbs().sinks() == (ITEMS[2].id,)
