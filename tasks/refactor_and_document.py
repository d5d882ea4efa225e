"""REFACTOR_AND_DOCUMENT: the same behaviour in better code, and a README whose examples were run."""

from agents.lite import DOCUMENTATION, REFACTORING
from schemas.failure import Notes, notes_text
from schemas.lite import Green, Plan, Polished
from schemas.prose import sources_text
from schemas.render import rendered_files
from schemas.stateflow import State
from tasks.context import Work
from tasks.implement_and_fix import assignment_of
from tasks.readmes import write_readme
from tasks.refactoring import refactor
from tasks.stage import stage


@stage(State.REFACTOR_AND_DOCUMENT, agents=(REFACTORING, DOCUMENTATION), tools=True)
async def refactor_and_document(work: Work, *, plan: Plan, green: Green, feedback: Notes) -> Polished:
    """Refactor where it helps, then write the README."""
    made = await refactor(work, assignment_of(plan), green)
    rendered = rendered_files(plan.contract)
    types = tuple(f for f in rendered if f.path == plan.contract.types_path())
    shown = sources_text((*types, *made.candidate.files))
    tree = (*rendered, *made.candidate.files)
    readme, examples = await write_readme(work, plan.srs, shown, tree, notes_text(feedback))
    return Polished(
        candidate=made.candidate,
        readme=readme,
        refactoring=made.story,
        before=made.before,
        after=made.after,
        verdict=made.verdict,
        examples=examples,
    )
