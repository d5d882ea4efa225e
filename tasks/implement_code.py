"""IMPLEMENT_CODE: a candidate for which every test is green, on the accepted code that it builds on."""

from agents.lite import IMPLEMENTATION
from schemas.base import SourceFile, Value
from schemas.contract import Contract
from schemas.failure import Notes, notes_text
from schemas.lite import Green
from schemas.memory import HintKind
from schemas.stateflow import State
from schemas.verdict import Suite
from schemas.wbs import ItemSpec
from services.memory.derive import contract_text
from tasks.candidates import Assignment, write_candidate
from tasks.context import Work
from tasks.stage import stage


class Foundation(Value):
    """What an item stands on: the contracts and accepted code of all that it builds on."""

    contracts: tuple[Contract, ...]
    code: tuple[SourceFile, ...]


@stage(State.IMPLEMENT_CODE, agents=(IMPLEMENTATION,), tools=True, ignored=("foundation",))
async def implement_code(
    work: Work, *, item: ItemSpec, suite: Suite, foundation: Foundation, attempts: int, feedback: Notes
) -> Green:
    """Write the bodies; show the failures to the next attempt."""
    assignment = assignment_of(item, suite, foundation)
    hints = await work.hints(HintKind.CODE, contract_text(item.contract))
    return await write_candidate(work, assignment, attempts, notes_text(feedback), hints)


def assignment_of(item: ItemSpec, suite: Suite, foundation: Foundation) -> Assignment:
    """An item as it is written and judged."""
    below = foundation.contracts, foundation.code
    return Assignment(item.id, item.contract, suite, item.srs, item.needs, *below, item.complexity)
