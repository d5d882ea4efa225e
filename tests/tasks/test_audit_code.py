"""AUDIT_CODE: every test says something about its item, and mutants show how much."""

import pytest

from schemas.base import SourceFile
from schemas.failure import Cause, Evidence
from schemas.full import Held
from schemas.lite import Green
from schemas.stateflow import State
from schemas.verdict import Candidate, Suite
from schemas.wbs import item_spec
from services.judge import Judge
from tasks.audit_code import audit_code
from tasks.implement_code import Foundation
from tasks.stage import StageFailed
from tests.plans import (
    MONEY,
    MONEY_FILE,
    PRINTED,
    RECEIPT_CODE,
    RECEIPT_TESTS,
    UNITS,
    receipt_suite,
    specification,
    wbs,
)
from tests.tasks.builders import the_failure, verdict, work_in

pytestmark = pytest.mark.services

BELOW = "test_receipt.py::test_the_money_below"
IDLE = (
    RECEIPT_TESTS.replace("import Line, receipt", "import Line, receipt, total")
    + """

@pytest.mark.proves("FR-2.1")
def test_the_money_below():
    assert total([Line("tea", 2)]) == 2
"""
)
WEAK = RECEIPT_TESTS.replace('== "tea 250\\njam 399\\ntotal 649"', "")


async def audited(
    judge: Judge, suite: Suite | None = None, code: str = RECEIPT_CODE, mutants: int = 6
) -> Held:
    candidate = Candidate(files=(SourceFile(path="src/shop/receipt.py", text=code),))
    return await audit_code.body(
        work_in(State.AUDIT_CODE, judge=judge, item="WI-3"),
        item=item_spec(wbs(), specification(), "WI-3"),
        suite=suite or receipt_suite(),
        green=Green(candidate=candidate, verdict=verdict(), attempts=1),
        foundation=Foundation(contracts=(UNITS, MONEY), code=(MONEY_FILE,)),
        mutants=mutants,
    )


async def failure_of(judge: Judge, suite: Suite | None = None, code: str = RECEIPT_CODE) -> Evidence:
    with pytest.raises(StageFailed) as failure:
        await audited(judge, suite, code)
    return the_failure(failure)


async def test_mutants_are_recorded_with_the_tests_that_noticed_them(judge: Judge) -> None:
    held = await audited(judge)
    assert held.outcome == "held"
    assert held.mutants
    assert {m.path for m in held.mutants} == {"src/shop/receipt.py"}
    assert all(m.killed_by in ((), (PRINTED,), ("*",)) for m in held.mutants)
    assert any(m.killed_by == (PRINTED,) for m in held.mutants)
    assert held.score() == f"{sum(bool(m.killed_by) for m in held.mutants)}/{len(held.mutants)}"


async def test_a_suite_that_checks_no_value_lets_mutants_live(judge: Judge) -> None:
    code = RECEIPT_CODE.replace("    shown =", '    if not lines:\n        return "nothing"\n    shown =')
    strong = await audited(judge, code=code)
    weak = await audited(judge, receipt_suite(WEAK), code)
    killed = [sum(bool(m.killed_by) for m in held.mutants) for held in (strong, weak)]
    assert killed[0] > killed[1]
    assert [m.id for m in strong.mutants] == [m.id for m in weak.mutants]


async def test_without_mutants_there_is_no_score(judge: Judge) -> None:
    held = await audited(judge, mutants=0)
    assert (held.mutants, held.score()) == ((), None)


async def test_a_test_that_passes_on_the_stub_with_the_code_below_in_place_is_bad(judge: Judge) -> None:
    found = await failure_of(judge, receipt_suite(IDLE, (PRINTED, BELOW)))
    assert (found.cause, found.item) == (Cause.BAD_TEST, "WI-3")
    assert found.summary == "1 test(s) say nothing about WI-3"
    assert found.details.startswith(f"{BELOW}: passes on the stub")


async def test_code_that_does_not_pass_a_second_time_is_bad(judge: Judge) -> None:
    found = await failure_of(judge, code=RECEIPT_CODE.replace('f"total {', 'f"sum {'))
    assert found.cause is Cause.UNCLEAR, "who is wrong, an agent has to tell"
    assert found.summary == "1 test(s) of WI-3 fail when the suite runs again, in reverse order"
    assert "- total 649" in found.details


async def test_code_that_ends_the_session_is_bad(judge: Judge) -> None:
    ends = RECEIPT_CODE.replace("    shown =", "    import os\n\n    os.kill(os.getppid(), 9)\n    shown =")
    found = await failure_of(judge, code=ends)
    assert found.cause is Cause.BAD_CODE
    assert "do not hold a second time" in found.summary
