"""REQUIREMENT_INGESTION: no statement of a brief is lost."""

import pytest

from schemas.failure import Cause, Feedback
from schemas.full import Specified
from schemas.specification import Specification
from schemas.stateflow import State
from tasks.requirement_ingestion import ingest_requirements
from tasks.stage import StageFailed
from tasks.suites import ROUNDS
from tests.plans import BRIEF, specification
from tests.tasks.builders import Script, the_failure, work_in

LOST = specification(unserved=[])
"""Nobody took up S4."""
INVENTED = specification(unserved=[{"statements": ["S4", "S9"], "why": "Background."}])


async def ingested(*answers: Specification, text: str = "") -> tuple[Specified, Script]:
    script = Script(requirements_analyst=[a.model_dump_json() for a in answers])
    notes = (Feedback(source="a human", cause=None, text=text),) if text else ()
    work = work_in(State.REQUIREMENT_INGESTION, script)
    return await ingest_requirements.body(work, brief=BRIEF, feedback=notes), script


async def test_a_specification_that_takes_up_every_statement_is_the_answer() -> None:
    found, script = await ingested(specification(), text="Say more of receipts.")
    assert found.specification == specification()
    assert len(found.statements) == 4
    assert script.told("requirements_analyst", "statements") == [
        "# Shop\nS1: Sum the lines of a purchase.\nS2: Print a receipt of them.\n"
        "S3: - A thousand lines take at most a second.\nS4: Our shop opened in 1999."
    ]
    assert "Say more of receipts." in script.told("requirements_analyst", "feedback")[0]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (LOST, "S4 is served by no requirement and not listed as unserved: 'Our shop opened in 1999.'"),
        (INVENTED, "S9 is no statement of the brief"),
    ],
)
async def test_a_lost_or_invented_statement_is_shown_and_mended(bad: Specification, problem: str) -> None:
    found, script = await ingested(bad, specification())
    assert found.specification == specification()
    first, second = script.told("requirements_analyst", "feedback")
    assert (first, problem in second) == ("", True)


async def test_a_human_is_heard_in_every_round() -> None:
    _, script = await ingested(LOST, specification(), text="Shorter.")
    assert ["Shorter." in told for told in script.told("requirements_analyst", "feedback")] == [True, True]


async def test_a_statement_that_stays_lost_fails() -> None:
    with pytest.raises(StageFailed, match="no complete specification: S4 is served") as failure:
        await ingested(*[LOST] * ROUNDS)
    assert the_failure(failure).cause is Cause.MODEL
