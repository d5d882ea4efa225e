"""The Lite story: one module, from plan to a complete release tree."""

from collections.abc import Callable
from dataclasses import dataclass

from prefect import flow

from flows.order import BuildOrder, Ending
from flows.versions import next_version
from schemas.failure import Notes
from schemas.lite import Plan, Polished
from schemas.stages import Build, ReleaseTree, Review, SecurityAudit
from schemas.stateflow import State
from services.local.results import REFERENCE
from tasks.aggregation import aggregate
from tasks.deployment_artifacts import generate_deployment_artifacts
from tasks.final_review import final_review
from tasks.implement_and_fix import implement_and_fix
from tasks.plan_and_test import plan_and_test
from tasks.refactor_and_document import refactor_and_document
from tasks.security_audit import security_audit
from tasks.stage import Telling


@dataclass(frozen=True)
class Finished:
    """All that a release gate shows and a release is made of."""

    plan: Plan
    polished: Polished
    audit: SecurityAudit
    build: Build
    review: Review
    tree: ReleaseTree
    version: str


async def lite(telling: Telling, feedback: Callable[[State], Notes]) -> Finished:
    """Plan and test, implement and fix, refactor and document, audit, aggregate, review, complete."""
    brief, policy = telling.context.brief, telling.context.policy
    version = await next_version(telling.context)
    plan = await plan_and_test(telling, brief=brief, feedback=feedback(State.PLAN_AND_TEST))
    green = await implement_and_fix(
        telling, plan=plan, attempts=policy.attempts, feedback=feedback(State.IMPLEMENT_AND_FIX)
    )
    polished = await refactor_and_document(
        telling, plan=plan, green=green, feedback=feedback(State.REFACTOR_AND_DOCUMENT)
    )
    audit = await security_audit(telling, plan=plan, polished=polished, allowlist=policy.allowlist)
    built = await aggregate(telling, plan=plan, polished=polished, python=policy.python, version=version)
    review = await final_review(telling, plan=plan, build=built)
    tree = await generate_deployment_artifacts(
        telling,
        brief=brief,
        plan=plan,
        polished=polished,
        build=built,
        review=review,
        python=policy.python,
        version=version,
    )
    return Finished(plan, polished, audit, built, review, tree, version)


@flow(name="lite", flow_run_name="{order.brief.slug}", persist_result=False, result_storage=REFERENCE)
async def lite_flow(order: BuildOrder) -> Ending:
    """Build a brief on the Lite path, whatever triage would say."""
    from flows.build import build_flow

    policy = order.policy.model_copy(update={"mode": "lite"})
    ending: Ending = await build_flow.fn(order.model_copy(update={"policy": policy}))
    return ending
