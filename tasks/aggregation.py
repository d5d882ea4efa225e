"""AGGREGATION: one tree that builds as a wheel, installs cleanly and passes its tests as installed."""

from schemas.failure import Cause
from schemas.lite import Plan, Polished
from schemas.project import package_tree
from schemas.render import rendered_files
from schemas.stages import Build
from schemas.stateflow import State
from schemas.verdict import Status
from services.judge import IMPORT_FAILED
from tasks.context import Work
from tasks.implement_and_fix import failure_lines
from tasks.stage import failed, stage


@stage(State.AGGREGATION, tools=True)
async def aggregate(work: Work, *, plan: Plan, polished: Polished, python: str, version: str) -> Build:
    """Build, install, and judge the installed wheel."""
    code = (*rendered_files(plan.contract), *polished.candidate.files)
    tree = package_tree(plan.contract, plan.srs, plan.suite, code, polished.readme, python, version)
    wheel, verdict = await work.judge.judge_wheel(
        plan.contract.package, tree, plan.suite.files, plan.suite.tests
    )
    if verdict.status is not Status.PASSED:
        ours = not wheel and not verdict.reason.startswith(IMPORT_FAILED)
        cause = Cause.PACKAGING if ours else Cause.BAD_CODE
        raise failed(work, cause, f"the installed wheel: {verdict.reason}", failure_lines(verdict))
    return Build(files=tree, wheel=wheel, verdict=verdict)
