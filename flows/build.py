"""The build story: from a brief to a release, told again after every failure that can be mended."""

from prefect import flow

from flows.budgets import CapRaised, within_budgets
from flows.context import current_settings, telling_of
from flows.crashes import LIVES, crash_loop
from flows.endings import ended, halt
from flows.finish import Finished, renewed
from flows.full import full
from flows.gates import release_gate
from flows.learning import learn
from flows.lessons import Lessons
from flows.lite import lite
from flows.order import BuildOrder, Ending
from flows.release import release
from schemas.errors import Halted
from schemas.failure import Feedback
from schemas.stages import Triage
from schemas.stateflow import State
from services.local.results import REFERENCE
from tasks.stage import StageFailed
from tasks.telling import Telling
from tasks.triage import initialize, triage


async def build(telling: Telling, output: str | None) -> Ending:
    """Tell the story until it ends."""
    brief, policy = telling.context.brief, telling.context.policy
    if telling.context.crashes >= LIVES:
        return await halt(telling, crash_loop(telling.context.crashes))
    intake = await initialize(telling, brief=brief)
    path = await triage(telling, brief=brief, intake=intake, mode=policy.mode, lite_up_to=policy.lite_up_to)
    if path.outcome == "unclear":
        questions = " ".join(f"({n}) {q}" for n, q in enumerate(path.questions, 1))
        return await halt(
            telling, f"the brief is unclear: {questions} Answer them in the brief and run it again."
        )
    lessons = Lessons()
    while True:
        try:
            told = await _story(telling, path, lessons, output)
        except StageFailed as failure:
            told = await learn(telling, lessons, failure.failures, path.outcome)
        except Halted as stopped:
            return await halt(telling, str(stopped))
        if isinstance(told, Ending):
            return told
        lessons = told


async def _story(telling: Telling, path: Triage, lessons: Lessons, output: str | None) -> Ending | Lessons:
    told = await (full(telling, lessons) if path.outcome == "full" else lite(telling, lessons))
    if not isinstance(told, Finished):
        return told
    while (decided := await release_gate(telling, told)) is None:
        ending = await release(telling, told, output)
        if ending is not None:
            return ending
        told = await renewed(telling, told)
    if not isinstance(decided, Feedback):
        return decided
    target = State.REQUIREMENT_INGESTION if path.outcome == "full" else State.PLAN_AND_TEST
    if decided in lessons.to(target):
        message = "the revision changed nothing. Run it again for another try, or say it in the brief."
        return await halt(telling, message, again=target)
    return lessons.with_note(target, decided)


@flow(name="build", flow_run_name="{order.brief.slug}", persist_result=False, result_storage=REFERENCE)
async def build_flow(order: BuildOrder) -> Ending:
    """Build a brief into a release."""
    while True:
        try:
            async with telling_of(order) as telling:
                story = build(telling, order.output)
                return await ended(within_budgets(telling, current_settings(), story))
        except CapRaised:
            continue
