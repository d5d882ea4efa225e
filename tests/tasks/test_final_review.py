"""FINAL_REVIEW: no criterion without a passed test."""

import pytest

from schemas.failure import Cause
from schemas.stateflow import State
from schemas.verdict import Status, TestOutcome
from tasks.final_review import final_review
from tasks.stage import StageFailed
from tests.tasks.builders import ADDED, REFUSED, a_build, a_plan, passed, verdict, work_in

RED = TestOutcome(id=REFUSED, outcome="failed", phase="call", error="E", message="m", proves=("FR-1.2",))


async def test_the_matrix_names_the_tests_and_has_claimed_and_shown_as_two_columns() -> None:
    review = await final_review.body(work_in(State.FINAL_REVIEW), plan=a_plan(), build=a_build())
    rows = [(r.requirement, r.criterion, r.tests, r.claimed, r.shown) for r in review.matrix]
    assert rows == [
        ("FR-1", "FR-1.1", (ADDED,), Status.PASSED, Status.NOT_RUN),
        ("FR-1", "FR-1.2", (REFUSED,), Status.PASSED, Status.NOT_RUN),
    ]


@pytest.mark.parametrize(
    ("tests", "open_one"),
    [
        ((passed(ADDED, "FR-1.1"),), "FR-1.2: not_run"),
        ((passed(ADDED, "FR-1.1"), passed(REFUSED)), "FR-1.2: not_run"),
        ((passed(ADDED, "FR-1.1"), RED), "FR-1.2: failed"),
        ((passed(ADDED, "FR-1.1"), passed("test_x.py::test_x", "FR-1.2"), RED), "FR-1.2: failed"),
        ((passed(ADDED, "FR-1.1", "FR-1.20"),), "FR-1.2: not_run"),
    ],
)
async def test_a_criterion_without_a_passed_test_fails(tests: tuple[TestOutcome, ...], open_one: str) -> None:
    with pytest.raises(StageFailed, match=f"criteria without a passed test: {open_one}$") as failure:
        await final_review.body(work_in(State.FINAL_REVIEW), plan=a_plan(), build=a_build(verdict(*tests)))
    assert failure.value.evidence.cause is Cause.BAD_TEST
