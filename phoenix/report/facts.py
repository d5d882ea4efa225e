"""What the report's tables say, worked out from a run's story; what was not measured is None."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from phoenix.report.data import Story, Visit
from schemas.answered import verdicts_of
from schemas.audit import Audit
from schemas.base import SourceFile
from schemas.events import EventKind
from schemas.full import Analysed, Held, Planned, Red, Refactored, Specified
from schemas.lite import Green, Plan, Polished
from schemas.srs import SRS
from schemas.stages import Build, Diagnosis, Rethought, Review, Trace
from schemas.stateflow import State
from schemas.verdict import Status, Verdict


@dataclass(frozen=True)
class VerdictLine:
    """One verdict, and the stage that gave it."""

    state: State
    item: str | None
    verdict: Verdict


@dataclass(frozen=True)
class ItemLine:
    """A work item and what became of it."""

    id: str
    title: str
    status: str
    needs: tuple[str, ...]
    reason: str | None
    attempts: int | None
    tests: int | None
    mutants: str | None
    """Killed over made."""
    audit: Audit | None
    complexity: int | None


@dataclass(frozen=True)
class Episode:
    """Failures that one analysis looked at, and what was done about them."""

    failures: tuple[Visit, ...]
    diagnosis: Diagnosis | None
    rethought: Rethought | None


@dataclass(frozen=True)
class Requirement:
    """A requirement with its lines of the matrix."""

    id: str
    text: str
    traces: tuple[Trace, ...]


def specification(story: Story) -> SRS | None:
    """The newest specification."""
    told = story.answers()
    plan = told.get((State.PLAN_AND_TEST, None))
    specified = told.get((State.REQUIREMENT_INGESTION, None))
    if isinstance(specified, Specified):
        return specified.specification
    return plan.srs if isinstance(plan, Plan) else None


def verdict_lines(story: Story) -> list[VerdictLine]:
    """The verdicts of the newest answers, the last stage's first."""
    told = list(story.answers().items())[::-1]
    return [VerdictLine(state, item, v) for (state, item), answer in told for v in verdicts_of(answer)]


def wheel_verdict(story: Story) -> Verdict | None:
    """What the tests said of the installed wheel."""
    build = story.answers().get((State.AGGREGATION, None))
    return build.verdict if isinstance(build, Build) else None


def requirements(story: Story) -> list[Requirement]:
    """The traceability matrix by requirement; empty as long as nobody made it."""
    review = story.answers().get((State.FINAL_REVIEW, None))
    if not isinstance(review, Review):
        return []
    srs = specification(story)
    texts = {r.id: r.text for r in srs.requirements} if srs else {}
    ids = dict.fromkeys(t.requirement for t in review.matrix)
    return [
        Requirement(i, texts.get(i, ""), tuple(t for t in review.matrix if t.requirement == i)) for i in ids
    ]


def item_lines(story: Story) -> list[ItemLine]:
    """The work items in the plan's order."""
    told = story.answers()
    planned, plan = told.get((State.DECOMPOSITION, None)), told.get((State.PLAN_AND_TEST, None))
    if isinstance(planned, Planned) and planned.wbs.items:
        return [_full_item(story, w.id, w.title, w.depends_on, w.complexity) for w in planned.wbs.items]
    if isinstance(plan, Plan):
        return [_lite_item(story, plan)]
    return [_full_item(story, p.id, p.title, (), None) for p in story.planned]


def _full_item(
    story: Story, identity: str, title: str, needs: tuple[str, ...], complexity: int | None
) -> ItemLine:
    told = story.answers()
    red, green = told.get((State.GENERATE_TESTS, identity)), told.get((State.IMPLEMENT_CODE, identity))
    held = told.get((State.AUDIT_CODE, identity))
    row = next((p for p in story.planned if p.id == identity), None)
    return ItemLine(
        id=identity,
        title=title,
        status=_status(story, identity, row.key if row else None),
        needs=needs,
        reason=row.reason if row else None,
        attempts=green.attempts if isinstance(green, Green) else None,
        tests=len(red.suite.tests) if isinstance(red, Red) else None,
        mutants=held.score() if isinstance(held, Held) else None,
        audit=held.audit if isinstance(held, Held) else None,
        complexity=complexity,
    )


def _status(story: Story, identity: str, key: str | None) -> str:
    mine = [v for v in story.visits if v.item == identity]
    if key and key in story.accepted:
        return "accepted" if mine or story.accepted[key].run == story.run.id else "kept"
    if not mine:
        return "waiting"
    if mine[-1].failed:
        return "failed"
    return "accepted" if mine[-1].state is State.REFACTOR_CODE and mine[-1].outcome else "working"


def _lite_item(story: Story, plan: Plan) -> ItemLine:
    green = story.answers().get((State.IMPLEMENT_AND_FIX, None))
    row = story.planned[0] if story.planned else None
    ended = {State.COMPLETED: "accepted", State.HALTED: "failed", State.REJECTED: "failed"}
    return ItemLine(
        id=row.id if row else "WI-1",
        title=plan.srs.title,
        status=ended.get(story.run.state, "working"),
        needs=(),
        reason=row.reason if row else None,
        attempts=green.attempts if isinstance(green, Green) else None,
        tests=len(plan.suite.tests),
        mutants=None,
        audit=None,
        complexity=None,
    )


def episodes(story: Story) -> list[Episode]:
    """The failures of the run in order; a failure that a later execution only replayed is told once."""
    found: list[Episode] = []
    waiting: list[Visit] = []
    seen: set[str | None] = set()
    for visit in story.visits:
        if visit.cached and visit.key in seen:
            continue
        seen.add(visit.key)
        if visit.failed:
            waiting.append(visit)
        elif isinstance(visit.answer, Diagnosis):
            found.append(Episode(tuple(waiting), visit.answer, None))
            waiting = []
        elif isinstance(visit.answer, Rethought) and found:
            found[-1] = Episode(found[-1].failures, found[-1].diagnosis, visit.answer)
    return [*found, Episode(tuple(waiting), None, None)] if waiting else found


def halts(story: Story) -> list[str]:
    """What the run said each time it halted."""
    return [str(e.payload["message"]) for e in story.events if e.kind is EventKind.HALTED]


def worked(story: Story) -> timedelta:
    """The time in which at least one stage was at work."""
    total, until = timedelta(), None
    for visit in sorted(story.visits, key=lambda v: v.began):
        begins = max(visit.began, until) if until else visit.began
        total += max(visit.ended - begins, timedelta())
        until = max(until, visit.ended) if until else visit.ended
    return total


def open_questions(story: Story) -> list[str]:
    """What is not shown by anything in this report, each in one line."""
    return list(_unmeasured(story))


def _unmeasured(story: Story) -> Iterator[str]:
    lines = verdict_lines(story)
    if wheel_verdict(story) is None:
        yield "Tests on the installed wheel: not run, the run did not come to it."
    yield "Test coverage: not measured."
    items = item_lines(story)
    if not any(line.mutants for line in items):
        yield "Mutation score: not measured, no mutant was made."
    yield from (f"{i.id}: unaudited on fresh inputs, {i.audit.unaudited}." for i in items
                if i.audit and i.audit.unaudited)  # fmt: skip
    if items and not any(i.audit for i in items):
        yield "Audit on fresh inputs: not run."
    traces = [t for r in requirements(story) for t in r.traces]
    if not traces:
        yield "Traceability: no matrix, the run did not come to its final review."
    blank = [t.criterion for t in traces if t.shown is Status.NOT_RUN]
    if blank:
        yield f"Shown by a killed mutant: not run for {len(blank)} of {len(traces)} criteria."
    yield from (f"{v.verdict.subject}: not run. {v.verdict.reason}".strip() for v in lines
                if v.verdict.status is Status.NOT_RUN)  # fmt: skip
    if any(v.verdict.level == "reported" and v.verdict.status is Status.PASSED for v in lines):
        yield "Verdicts marked “reported” rest on what the code’s own test process said, unverified."
    uncounted = story.spent.uncounted
    if uncounted:
        yield f"Tokens of {uncounted} answer(s): the provider reported none; they were charged at estimates."


_LATER = {
    State.IMPLEMENT_AND_FIX: State.REFACTOR_AND_DOCUMENT,
    State.IMPLEMENT_CODE: State.REFACTOR_CODE,
}
"""Where a candidate is answered once more, in better shape."""


def documents(story: Story) -> list[tuple[str, str]]:
    """The long texts behind the run, each with its name: brief, code and tests as they were answered."""
    told = story.answers()
    found = [("Brief", story.brief.text)]
    for (state, item), answer in told.items():
        files: tuple[SourceFile, ...] = ()
        if isinstance(answer, Plan | Red):
            files = answer.suite.files
        elif isinstance(answer, Polished):
            files = (*answer.candidate.files, answer.readme)
        elif isinstance(answer, Refactored) or (
            isinstance(answer, Green) and (_LATER[state], item) not in told
        ):
            files = answer.candidate.files
        found += [(f"{item}: {f.path}" if item else f.path, f.text) for f in files]
    return found


def blueprint(story: Story) -> Analysed | None:
    """The newest analysis of the specification."""
    found = story.answers().get((State.SPECIFICATION_ANALYSIS, None))
    return found if isinstance(found, Analysed) else None
