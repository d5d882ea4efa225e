"""The story of one work item: tests, code, audit, refactoring."""

from dataclasses import dataclass

from flows.items import accept_item
from flows.lessons import Lessons
from schemas.full import ItemDone
from schemas.stateflow import State
from schemas.verdict import Candidate, Status, Suite, Verdict
from schemas.wbs import ItemSpec
from tasks.audit_code import audit_code
from tasks.generate_tests import generate_tests
from tasks.implement_code import Foundation, implement_code
from tasks.refactor_code import refactor_code
from tasks.telling import Telling


@dataclass(frozen=True)
class Item:
    """A work item in development."""

    telling: Telling
    spec: ItemSpec
    lessons: Lessons


async def write_tests(item: Item) -> Suite:
    """The item's suite, red on its stub."""
    feedback = item.lessons.to(State.GENERATE_TESTS, item.spec.id)
    return (await generate_tests(item.telling, item=item.spec, feedback=feedback)).suite


async def write_code(item: Item, suite: Suite, foundation: Foundation) -> ItemDone:
    """The accepted item."""
    spec, policy = item.spec, item.telling.context.policy
    telling, feedback = item.telling, item.lessons.to(State.IMPLEMENT_CODE, spec.id)
    green = await implement_code(
        telling,
        item=spec,
        suite=suite,
        foundation=foundation,
        attempts=policy.attempts,
        feedback=feedback,
    )
    held = await audit_code(
        telling, item=spec, suite=suite, green=green, foundation=foundation, mutants=policy.mutants
    )
    refactored = await refactor_code(telling, item=spec, suite=suite, green=green, foundation=foundation)
    if telling.state is not State.GENERATION_CYCLE:
        await telling.move(State.GENERATION_CYCLE)
    done = ItemDone(
        id=spec.id,
        title=spec.title,
        key=spec.key(),
        suite=suite,
        candidate=refactored.candidate,
        attempts=green.attempts,
        mutants=held.mutants,
        verdict=refactored.verdict,
        refactoring=refactored.refactoring,
    )
    repaired = tuple(f for f in item.lessons.failures if spec.id == f.item)
    await accept_item(telling, done, spec.contract, spec.srs, repaired)
    return done


def rendered_item(spec: ItemSpec) -> ItemDone:
    """An item without bodies: all of it is rendered, and nothing is there to be tested."""
    nothing = Verdict(subject=spec.id, status=Status.NOT_RUN, reason="it has no bodies; Phoenix renders it")
    return ItemDone(
        id=spec.id,
        title=spec.title,
        key=spec.key(),
        suite=Suite(files=(), tests=()),
        candidate=Candidate(files=()),
        attempts=0,
        mutants=(),
        verdict=nothing,
        refactoring="rendered",
    )
