"""The build story: from a brief to a release, told again after every failure that can be mended."""

from dataclasses import dataclass, replace

from prefect import flow

from flows.context import telling_of
from flows.endings import ended, halt
from flows.gates import Revision, release
from flows.lite import lite
from flows.order import BuildOrder, Ending
from schemas.failure import Evidence, Feedback, Notes
from schemas.stateflow import State
from services.local.results import REFERENCE
from tasks.failure_analysis import ROUTES, analyse_failure
from tasks.stage import StageFailed, Telling
from tasks.triage import initialize, triage


@dataclass(frozen=True)
class Lessons:
    """What went wrong in this execution, and what each state is told about it."""

    failures: tuple[Evidence, ...] = ()
    notes: tuple[tuple[State, Feedback], ...] = ()

    def to(self, state: State) -> Notes:
        """The feedback for one state."""
        return tuple(note for target, note in self.notes if target is state)

    def with_note(self, target: State, note: Feedback) -> "Lessons":
        """These lessons and one more."""
        return replace(self, notes=(*self.notes, (target, note)))


async def build(telling: Telling, output: str | None) -> Ending:
    """Tell the story until it ends."""
    lessons = Lessons()
    while True:
        try:
            told = await _story(telling, lessons, output)
        except StageFailed as failure:
            told = await _learn(telling, lessons, failure.evidence)
        if isinstance(told, Ending):
            return told
        lessons = told


async def _story(telling: Telling, lessons: Lessons, output: str | None) -> Ending | Lessons:
    brief, policy = telling.context.brief, telling.context.policy
    intake = await initialize(telling, brief=brief)
    path = await triage(telling, brief=brief, intake=intake, mode=policy.mode, lite_up_to=policy.lite_up_to)
    if path.outcome == "unclear":
        questions = " ".join(f"({n}) {q}" for n, q in enumerate(path.questions, 1))
        return await halt(
            telling, f"the brief is unclear: {questions} Answer them in the brief and run it again."
        )
    if path.outcome == "full":
        return await halt(
            telling,
            f"the brief needs the full path ({path.reasons[0]}), which this version does not have yet. "
            "Shorten the brief, or try --mode lite.",
        )
    finished = await lite(telling, lessons.to)
    decided = await release(telling, finished, output)
    if not isinstance(decided, Revision):
        return decided
    if decided.feedback in lessons.to(State.PLAN_AND_TEST):
        message = "the revision changed nothing. Run it again for another try, or say it in the brief."
        return await halt(telling, message, again=State.PLAN_AND_TEST)
    return lessons.with_note(State.PLAN_AND_TEST, decided.feedback)


async def _learn(telling: Telling, lessons: Lessons, evidence: Evidence) -> Ending | Lessons:
    diagnosis = await analyse_failure(
        telling, evidence=evidence, earlier=lessons.failures, repairs=telling.context.policy.repairs
    )
    if diagnosis.target is None:
        message = f"{evidence.state}: {evidence.summary} ({diagnosis.reason})"
        return await halt(telling, message, again=ROUTES[evidence.cause] or evidence.state)
    note = Feedback(
        source=evidence.state, cause=evidence.cause, text=f"{evidence.summary}\n{evidence.details}".strip()
    )
    return replace(lessons.with_note(diagnosis.target, note), failures=(*lessons.failures, evidence))


@flow(name="build", flow_run_name="{order.brief.slug}", persist_result=False, result_storage=REFERENCE)
async def build_flow(order: BuildOrder) -> Ending:
    """Build a brief into a release."""
    async with telling_of(order) as telling:
        return await ended(build(telling, order.output))
