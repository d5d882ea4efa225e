"""AUDIT_CODE: the suite must fail without the code, and is tried on mutants of it."""

from schemas.base import SourceFile
from schemas.failure import Cause
from schemas.full import Held, Mutant
from schemas.lite import Green
from schemas.mutants import mutants_of
from schemas.render import render_stub
from schemas.stateflow import State
from schemas.verdict import Status, Suite
from schemas.wbs import ItemSpec
from tasks.context import Work
from tasks.implement_code import Foundation, assignment_of
from tasks.stage import failed, stage

STUB = "stub"


@stage(State.AUDIT_CODE, tools=True, ignored=("foundation",))
async def audit_code(
    work: Work, *, item: ItemSpec, suite: Suite, green: Green, foundation: Foundation, mutants: int
) -> Held:
    """Try the suite on the bare stub, where every test must fail, and on mutants of the candidate."""
    tree = assignment_of(item, suite, foundation).tree(green.candidate)
    [source] = green.candidate.files
    changes = mutants_of(source, mutants)
    variants = {change.id: (SourceFile(path=change.path, text=change.text),) for change in changes}
    stub = SourceFile(path=source.path, text=render_stub(item.contract))
    trial = await work.judge.trial(tree, suite.files, suite.tests, {STUB: (stub,), **variants})
    if trial.trouble or trial.base.status is not Status.PASSED:
        reason = trial.trouble or trial.base.reason
        raise failed(work, Cause.BAD_CODE, f"the tests do not hold a second time: {reason}", [reason])
    noticed = trial.failed[STUB]
    idle = [] if "*" in noticed else [t for t in suite.tests if t not in noticed]
    if idle:
        lines = [f"{t}: passes on the stub, with the code that the item builds on in place" for t in idle]
        raise failed(work, Cause.BAD_TEST, f"{len(idle)} test(s) say nothing about {item.id}", lines)
    tried = tuple(
        Mutant(id=c.id, path=c.path, line=c.line, change=c.change, killed_by=trial.failed[c.id])
        for c in changes
    )
    return Held(mutants=tried, verdict=trial.base)
