"""The story of one work item: tests, code, audit, refactoring."""

from dataclasses import dataclass

from flows.items import accept_item, accepted_items
from flows.lessons import Lessons
from schemas.audit import locked
from schemas.full import ItemDone
from schemas.stateflow import State
from schemas.verdict import Candidate, Status, Suite, Verdict
from schemas.wbs import ItemSpec
from tasks.audit_code import audit_code
from tasks.generate_tests import generate_tests
from tasks.implement_code import Foundation, implement_code
from tasks.refactor_code import refactor_code
from tasks.telling import Telling

ELSEWHERE_S = 0.5
"""How long an item that another process works on is left alone before the next look."""


class Blocked(Exception):
    """An item cannot go on because another one, or the run, has stopped."""


@dataclass(frozen=True)
class Item:
    """A work item in development."""

    telling: Telling
    spec: ItemSpec
    lessons: Lessons


async def taken_over(item: Item) -> ItemDone | None:
    """What somebody else has made of the item meanwhile, unless it must become another."""
    if item.lessons.about(item.spec.id):
        return None
    return (await accepted_items(item.telling, {item.spec.id: item.spec})).get(item.spec.id)


async def write_tests(item: Item) -> Suite:
    """The item's suite, red on its stub, and with what audits have found."""
    feedback = item.lessons.to(State.GENERATE_TESTS, item.spec.id)
    red = await generate_tests(item.telling, item=item.spec, feedback=feedback)
    notes = item.lessons.to(State.IMPLEMENT_CODE, item.spec.id)
    return locked(red.suite, tuple(found for note in notes for found in note.found))


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
        audit=held.audit,
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
