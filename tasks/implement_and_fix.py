"""IMPLEMENT_AND_FIX: a candidate for which every test is green."""

from agents.lite import IMPLEMENTATION
from schemas.failure import Notes, notes_text
from schemas.lite import Green, Plan
from schemas.stateflow import State
from tasks.candidates import Assignment, write_candidate
from tasks.context import Work
from tasks.stage import stage


@stage(State.IMPLEMENT_AND_FIX, agents=(IMPLEMENTATION,), tools=True)
async def implement_and_fix(work: Work, *, plan: Plan, attempts: int, feedback: Notes) -> Green:
    """Write the bodies; show the failures to the next attempt."""
    return await write_candidate(work, assignment_of(plan), attempts, notes_text(feedback))


def assignment_of(plan: Plan) -> Assignment:
    """The one module of the Lite path."""
    return Assignment("run", plan.contract, plan.suite)
