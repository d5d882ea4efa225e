"""GENERATE_TESTS: an item's suite, which claims its criteria and is red on its stub."""

from agents.lite import TEST_ENGINEER
from schemas.failure import Notes, notes_text
from schemas.full import Red
from schemas.stateflow import State
from schemas.wbs import ItemSpec
from tasks.context import Work
from tasks.stage import stage
from tasks.suites import Target, write_suite


@stage(State.GENERATE_TESTS, agents=(TEST_ENGINEER,), tools=True)
async def generate_tests(work: Work, *, item: ItemSpec, feedback: Notes) -> Red:
    """Write the tests of an item before its code exists."""
    if item.srs is None:
        raise ValueError(f"{item.id} has no bodies and needs no suite")
    path = f"tests/test_{item.contract.module}.py"
    target = Target(item.id, item.srs, item.contract, item.needs, path, item.complexity)
    suite, verdict = await write_suite(work, target, notes_text(feedback))
    return Red(suite=suite, verdict=verdict)
