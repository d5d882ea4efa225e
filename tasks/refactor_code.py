"""REFACTOR_CODE: the same behaviour in better code, asked for only where the measures see room."""

from agents.lite import REFACTORING
from schemas.full import Refactored
from schemas.lite import Green
from schemas.stages import Measures
from schemas.stateflow import State
from schemas.verdict import Suite
from schemas.wbs import ItemSpec
from tasks.context import Work
from tasks.implement_code import Foundation, assignment_of
from tasks.refactoring import refactor
from tasks.stage import stage

CLEAR = Measures(lines=250, complexity=8, lint=0)
"""Code that is within these is clear enough."""


@stage(State.REFACTOR_CODE, agents=(REFACTORING,), tools=True, ignored=("foundation",))
async def refactor_code(
    work: Work, *, item: ItemSpec, suite: Suite, green: Green, foundation: Foundation
) -> Refactored:
    """Refactor where it helps."""
    made = await refactor(work, assignment_of(item, suite, foundation), green, clear=CLEAR)
    return Refactored(
        candidate=made.candidate,
        refactoring=made.story,
        before=made.before,
        after=made.after,
        verdict=made.verdict,
    )
