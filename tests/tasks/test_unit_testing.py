"""UNIT_TESTING: every suite on the assembled tree."""

import pytest

from schemas.failure import Cause
from schemas.stateflow import State
from schemas.verdict import Status
from services.judge import Judge
from tasks.stage import StageFailed
from tasks.unit_testing import unit_testing
from tests.plans import MONEY_CODE, PRINTED, SUMMED, THOUSAND, assembly
from tests.tasks.builders import the_failure, work_in

pytestmark = pytest.mark.services


async def test_every_suite_passes_on_the_whole(judge: Judge) -> None:
    found = await unit_testing.body(work_in(State.UNIT_TESTING, judge=judge), assembly=assembly())
    [verdict] = found.verdicts
    assert verdict.status is Status.PASSED
    assert {t.id for t in verdict.tests} == {SUMMED, THOUSAND, PRINTED}


async def test_a_wrong_module_fails_with_the_files_of_the_tests_that_noticed(judge: Judge) -> None:
    broken = assembly(money=MONEY_CODE.replace("line.cents", "abs(line.cents) + 1"))
    with pytest.raises(StageFailed, match="assembled: 3 of 3 tests failed") as failure:
        await unit_testing.body(work_in(State.UNIT_TESTING, judge=judge), assembly=broken)
    found = the_failure(failure)
    assert (found.cause, found.paths) == (Cause.BAD_CODE, ("test_money.py", "test_receipt.py"))
    assert "assert 651 == 649" in found.details
