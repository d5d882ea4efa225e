"""FINAL_REVIEW: requirement, criterion, test and verdict in one matrix, and a reviewer's words."""

from agents.ask import Question
from agents.full import REVIEWER
from schemas.answers import ReviewAnswer
from schemas.failure import Cause
from schemas.srs import SRS
from schemas.stages import Assembly, Build, Review, Trace
from schemas.stateflow import State
from schemas.verdict import Status, TestOutcome, Verdict
from tasks.context import Work
from tasks.stage import failed, stage
from tasks.suites import contracts_text


def trace(srs: SRS, verdict: Verdict, killed: dict[str, tuple[str, ...]]) -> tuple[Trace, ...]:
    """The traceability matrix: a criterion is claimed when tests marked with it exist and all passed, and
    shown when one of them killed a mutant."""
    rows = []
    for requirement in srs.requirements:
        for criterion in requirement.criteria:
            tests = [t for t in verdict.tests if criterion.id in t.proves]
            rows.append(
                Trace(
                    requirement=requirement.id,
                    criterion=criterion.id,
                    text=criterion.text,
                    tests=tuple(t.id for t in tests),
                    claimed=_status(bool(tests), all(t.outcome == "passed" for t in tests)),
                    shown=_status(bool(killed and tests), _any_killer(tests, killed)),
                )
            )
    return tuple(rows)


def _status(ran: bool, good: bool) -> Status:
    return (Status.PASSED if good else Status.FAILED) if ran else Status.NOT_RUN


def _any_killer(tests: list[TestOutcome], killed: dict[str, tuple[str, ...]]) -> bool:
    return any(killed.get(test.id) for test in tests)


@stage(State.FINAL_REVIEW, version=2, agents=(REVIEWER,))
async def final_review(work: Work, *, assembly: Assembly, build: Build, reviewed: bool) -> Review:
    """Refuse a release with a criterion that no passed test claims; else hear the reviewer, where one is."""
    matrix = trace(assembly.srs, build.verdict, assembly.killed)
    open_ones = [f"{row.criterion}: {row.claimed}" for row in matrix if row.claimed is not Status.PASSED]
    if open_ones:
        raise failed(
            work, Cause.BAD_TEST, f"criteria without a passed test: {', '.join(open_ones)}", open_ones
        )
    if not reviewed:
        return Review(matrix=matrix)
    inputs = {
        "srs": assembly.srs.model_dump_json(),
        "contracts": contracts_text(assembly.contracts),
        "matrix": "\n".join(map(_line, matrix)),
    }
    # Which mutants were noticed may differ by a hair between machines, so it is told beside the inputs.
    question = Question(REVIEWER, "run", inputs, work.sample, hints=_not_shown(matrix))
    answer = await work.desk.ask_json(question, ReviewAnswer)
    return Review(matrix=matrix, summary=answer.summary, risks=answer.risks)


def _line(row: Trace) -> str:
    names = sorted({t.split("::")[-1].split("[")[0] for t in row.tests})
    return f"{row.criterion}: claimed {row.claimed} by {', '.join(names)}"


def _not_shown(matrix: tuple[Trace, ...]) -> str:
    open_ones = [row.criterion for row in matrix if row.shown is Status.FAILED]
    return f"Claimed, not shown: {', '.join(open_ones)}" if open_ones else ""
