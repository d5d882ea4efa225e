"""The Lite story: one module, from plan to a complete release tree."""

from prefect import flow

from flows.finish import Finished, finish
from flows.items import accept_lite_item
from flows.lessons import Lessons
from flows.order import BuildOrder, Ending
from schemas.base import digest
from schemas.full import ItemDone
from schemas.lite import Plan, Polished
from schemas.render import rendered_files
from schemas.stages import Assembly
from schemas.stateflow import State
from services.local.results import REFERENCE
from tasks.implement_and_fix import implement_and_fix
from tasks.plan_and_test import plan_and_test
from tasks.refactor_and_document import refactor_and_document
from tasks.telling import Telling

ITEM = "WI-1"


async def lite(telling: Telling, lessons: Lessons) -> Finished:
    """Plan and test, implement and fix, refactor and document; then as on the full path."""
    brief, policy = telling.context.brief, telling.context.policy
    plan = await plan_and_test(telling, brief=brief, feedback=lessons.to(State.PLAN_AND_TEST))
    green = await implement_and_fix(
        telling, plan=plan, attempts=policy.attempts, feedback=lessons.to(State.IMPLEMENT_AND_FIX)
    )
    polished = await refactor_and_document(
        telling, plan=plan, green=green, feedback=lessons.to(State.REFACTOR_AND_DOCUMENT)
    )
    item = _item(plan, polished, green.attempts)
    finished = await finish(telling, _assembly(plan, polished), (item,), (polished.examples,), full=False)
    await accept_lite_item(telling, item, plan.contract, plan.srs)
    return finished


def _item(plan: Plan, polished: Polished, attempts: int) -> ItemDone:
    return ItemDone(
        id=ITEM,
        title=plan.srs.title,
        key=digest({"contract": plan.contract.digest(), "requirements": plan.srs.digest()}),
        suite=plan.suite,
        candidate=polished.candidate,
        attempts=attempts,
        mutants=(),
        verdict=polished.verdict,
        refactoring=polished.refactoring,
    )


def _assembly(plan: Plan, polished: Polished) -> Assembly:
    return Assembly(
        srs=plan.srs,
        contracts=(plan.contract,),
        suite=plan.suite,
        code=(*rendered_files(plan.contract), *polished.candidate.files),
        readme=polished.readme,
        killed={},
    )


@flow(name="lite", flow_run_name="{order.brief.slug}", persist_result=False, result_storage=REFERENCE)
async def lite_flow(order: BuildOrder) -> Ending:
    """Build a brief on the Lite path, whatever triage would say."""
    from flows.build import build_flow

    policy = order.policy.model_copy(update={"mode": "lite"})
    ending: Ending = await build_flow.fn(order.model_copy(update={"policy": policy}))
    return ending
