"""REQUIREMENT_INGESTION: a specification that takes up every statement of the brief."""

from agents.ask import Question
from agents.full import REQUIREMENTS
from schemas.brief import Brief
from schemas.failure import Cause, Notes, notes_text
from schemas.full import Specified
from schemas.specification import Specification, numbered_statements, statements_of
from schemas.stateflow import State
from tasks.context import Work
from tasks.stage import failed, stage
from tasks.suites import ROUNDS, bullets


@stage(State.REQUIREMENT_INGESTION, agents=(REQUIREMENTS,))
async def ingest_requirements(work: Work, *, brief: Brief, feedback: Notes) -> Specified:
    """Specify what the brief wants; a statement that is neither served nor set aside sends it back."""
    statements = statements_of(brief.text)
    inputs = {"statements": numbered_statements(brief.text)}
    problems: list[str] = []
    for _ in range(ROUNDS):
        told = "\n\n".join(part for part in (notes_text(feedback), bullets(problems)) if part)
        question = Question(REQUIREMENTS, "run", {**inputs, "feedback": told}, work.sample)
        specification = await work.desk.ask_json(question, Specification)
        problems = specification.uncovered(statements)
        if not problems:
            return Specified(specification=specification, statements=statements)
    raise failed(work, Cause.MODEL, f"no complete specification: {problems[0]}", problems)
