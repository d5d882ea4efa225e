"""PERFORMANCE_VALIDATION: what was seen of each measured requirement, and what was not."""

from schemas.stages import Checked
from schemas.stateflow import State
from schemas.verdict import Status, Verdict
from tasks.performance_validation import validate_performance
from tests.plans import PRINTED, SUMMED, THOUSAND, assembly, specification
from tests.tasks.builders import passed, verdict, work_in

WHOLE = verdict(passed(SUMMED, "FR-1.1"), passed(THOUSAND, "NFR-1.1"), passed(PRINTED, "FR-2.1"))
WITHOUT = verdict(passed(SUMMED, "FR-1.1"), passed(PRINTED, "FR-2.1"))


async def validated(unit: Verdict) -> Checked:
    return await validate_performance.body(
        work_in(State.PERFORMANCE_VALIDATION), specification=specification(), assembly=assembly(), unit=unit
    )


async def test_a_measured_requirement_whose_tests_passed_is_passed() -> None:
    bound, quick = (await validated(WHOLE)).verdicts
    assert bound.reason.startswith("3 tests within ")
    assert bound.confinement == WHOLE.confinement
    assert (quick.subject, quick.status) == ("NFR-1: seconds for 1,000 lines: at most 1", Status.PASSED)
    assert quick.reason == "1 test(s) that claim it passed"


async def test_a_measured_requirement_without_tests_is_not_run() -> None:
    _, quick = (await validated(WITHOUT)).verdicts
    assert (quick.status, quick.reason) == (Status.NOT_RUN, "no test measures it")


async def test_functional_requirements_are_not_measured() -> None:
    assert [v.subject.split(":")[0] for v in (await validated(WHOLE)).verdicts[1:]] == ["NFR-1"]
