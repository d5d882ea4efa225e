"""FINAL_REVIEW: requirement, criterion, test and verdict in one matrix."""

from schemas.failure import Cause
from schemas.lite import Plan
from schemas.srs import SRS
from schemas.stages import Build, Review, Trace
from schemas.stateflow import State
from schemas.verdict import Status, Verdict
from tasks.context import Work
from tasks.stage import failed, stage


def trace(srs: SRS, verdict: Verdict) -> tuple[Trace, ...]:
    """The traceability matrix: a criterion is claimed when tests marked with it exist and all passed."""
    rows = []
    for requirement in srs.requirements:
        for criterion in requirement.criteria:
            tests = [t for t in verdict.tests if criterion.id in t.proves]
            passed = all(t.outcome == "passed" for t in tests)
            claimed = Status.NOT_RUN if not tests else Status.PASSED if passed else Status.FAILED
            rows.append(
                Trace(
                    requirement=requirement.id,
                    criterion=criterion.id,
                    text=criterion.text,
                    tests=tuple(t.id for t in tests),
                    claimed=claimed,
                    shown=Status.NOT_RUN,
                )
            )
    return tuple(rows)


@stage(State.FINAL_REVIEW)
async def final_review(work: Work, *, plan: Plan, build: Build) -> Review:
    """Refuse a release with a criterion that no passed test claims."""
    matrix = trace(plan.srs, build.verdict)
    open_ones = [f"{row.criterion}: {row.claimed}" for row in matrix if row.claimed is not Status.PASSED]
    if open_ones:
        raise failed(
            work, Cause.BAD_TEST, f"criteria without a passed test: {', '.join(open_ones)}", open_ones
        )
    return Review(matrix=matrix)
