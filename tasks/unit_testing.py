"""UNIT_TESTING: every item's suite on the assembled tree."""

from schemas.failure import Cause
from schemas.stages import Assembly, Checked
from schemas.stateflow import State
from schemas.verdict import Status
from tasks.candidates import failure_lines
from tasks.context import Work
from tasks.stage import failed, stage


@stage(State.UNIT_TESTING, tools=True)
async def unit_testing(work: Work, *, assembly: Assembly) -> Checked:
    """Run every suite on the code of all items together."""
    suite = assembly.suite
    verdict = await work.judge.judge("all unit tests", assembly.code, suite.files, suite.tests)
    if verdict.status is not Status.PASSED:
        paths = [test.id.partition("::")[0] for test in verdict.failures()]
        raise failed(
            work, Cause.BAD_CODE, f"assembled: {verdict.reason}", failure_lines(verdict), paths=paths
        )
    return Checked(verdicts=(verdict,))
