"""FINAL_REVIEW: no criterion without a passed test."""

import pytest

from schemas.answers import ReviewAnswer
from schemas.failure import Cause
from schemas.stages import Build, Review
from schemas.stateflow import State
from schemas.verdict import Status, TestOutcome
from tasks.final_review import final_review
from tasks.stage import StageFailed
from tests.tasks.builders import (
    ADDED,
    REFUSED,
    Script,
    a_build,
    an_assembly,
    passed,
    the_failure,
    verdict,
    work_in,
)

RED = TestOutcome(id=REFUSED, outcome="failed", phase="call", error="E", message="m", proves=("FR-1.2",))


async def reviewed(build: Build | None = None, *answers: str, **killed: tuple[str, ...]) -> Review:
    """The review of the small project; with an answer, by a reviewer."""
    work = work_in(State.FINAL_REVIEW, Script(reviewer=list(answers)))
    names = {"added": ADDED, "refused": REFUSED}
    assembly = an_assembly(killed={names[test]: mutants for test, mutants in killed.items()})
    return await final_review.body(work, assembly=assembly, build=build or a_build(), reviewed=bool(answers))


async def test_the_matrix_names_the_tests_and_has_claimed_and_shown_as_two_columns() -> None:
    review = await reviewed()
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
        await reviewed(a_build(verdict(*tests)))
    assert the_failure(failure).cause is Cause.BAD_TEST


async def test_a_criterion_is_shown_when_one_of_its_tests_killed_a_mutant() -> None:
    review = await reviewed(added=("WI-1 M1",))
    assert [(r.criterion, r.claimed, r.shown) for r in review.matrix] == [
        ("FR-1.1", Status.PASSED, Status.PASSED),
        ("FR-1.2", Status.PASSED, Status.FAILED),
    ]


async def test_without_a_reviewer_nobody_is_asked() -> None:
    review = await reviewed()
    assert (review.summary, review.risks) == ("", ())


async def test_a_reviewer_sees_the_matrix_and_is_quoted() -> None:
    answer = ReviewAnswer(summary="Adds as asked.", risks=("Large numbers.",)).model_dump_json()
    script = Script(reviewer=[answer])
    work = work_in(State.FINAL_REVIEW, script)
    review = await final_review.body(
        work, assembly=an_assembly(killed={ADDED: ("M1",)}), build=a_build(), reviewed=True
    )
    assert (review.summary, review.risks) == ("Adds as asked.", ("Large numbers.",))
    assert script.told("reviewer", "matrix") == [
        "FR-1.1: claimed passed by test_two_numbers_are_added\n"
        "FR-1.2: claimed passed by test_a_sum_above_the_limit_is_refused"
    ]
    assert "Claimed, not shown: FR-1.2" in script.asked[0].messages[-1].content


async def test_a_release_that_lacks_a_test_is_refused_before_a_reviewer_is_asked() -> None:
    with pytest.raises(StageFailed, match=r"FR-1\.2: not_run"):
        await final_review.body(
            work_in(State.FINAL_REVIEW),
            assembly=an_assembly(),
            build=a_build(verdict(passed(ADDED, "FR-1.1"))),
            reviewed=True,
        )
