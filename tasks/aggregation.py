"""AGGREGATION: one tree that builds as a wheel, installs cleanly and passes its tests as installed."""

from schemas.failure import Cause
from schemas.project import package_tree
from schemas.stages import Assembly, Build
from schemas.stateflow import State
from schemas.verdict import Status
from services.judge import IMPORT_FAILED
from tasks.candidates import failure_lines
from tasks.context import Work
from tasks.stage import failed, stage


@stage(State.AGGREGATION, tools=True)
async def aggregate(work: Work, *, assembly: Assembly, python: str, version: str) -> Build:
    """Build, install, and judge the installed wheel."""
    tree = package_tree(assembly, python, version)
    suite = assembly.suite
    wheel, verdict = await work.judge.judge_wheel(assembly.package, tree, suite.files, suite.tests)
    if verdict.status is not Status.PASSED:
        ours = not wheel and not verdict.reason.startswith(IMPORT_FAILED)
        cause = Cause.PACKAGING if ours else Cause.BAD_CODE
        paths = [test.id.partition("::")[0] for test in verdict.failures()]
        raise failed(
            work, cause, f"the installed wheel: {verdict.reason}", failure_lines(verdict), paths=paths
        )
    return Build(files=tree, wheel=wheel, verdict=verdict)
