"""AUDIT_CODE: the suite must fail without the code and notice mutants; its properties get fresh inputs."""

from schemas.audit import Audit, Property, found_in
from schemas.base import SourceFile
from schemas.failure import Cause
from schemas.full import Held, Mutant
from schemas.lite import Green
from schemas.mutants import mutants_of
from schemas.render import render_stub
from schemas.stateflow import State
from schemas.verdict import Status, Suite, TestOutcome
from schemas.wbs import ItemSpec
from services.judge import NOT_RUN, Trial
from tasks.candidates import failure_lines
from tasks.context import Work
from tasks.implement_code import Foundation, assignment_of
from tasks.stage import failed, stage

STUB = "stub"
AGAIN = "They passed before: a test leans on another one or on chance, or the code keeps what it should not."
NO_AUDIT = frozenset({"Unsatisfiable", "FailedHealthCheck", "Flaky", "FlakyFailure", "InvalidArgument"})
"""What Hypothesis says of a property that cannot be asked, which is not about the code."""


@stage(State.AUDIT_CODE, tools=True, ignored=("foundation",))
async def audit_code(
    work: Work, *, item: ItemSpec, suite: Suite, green: Green, foundation: Foundation, mutants: int
) -> Held:
    """Try the suite again in reverse order, on the bare stub, where every test must fail, and on mutants of
    the candidate; draw inputs for its properties by a seed that its author cannot know.
    """
    tree = assignment_of(item, suite, foundation).tree(green.candidate)
    [source] = green.candidate.files
    changes = mutants_of(source, mutants)
    variants = {change.id: (SourceFile(path=change.path, text=change.text),) for change in changes}
    stub = SourceFile(path=source.path, text=render_stub(item.contract))
    seed = work.seed(item.key(), green.candidate.digest())
    trial = await work.judge.trial(tree, suite.files, suite.tests, {STUB: (stub,), **variants}, seed)
    if again := [t for t in trial.base.failures() if t.error != NOT_RUN]:
        summary = f"{len(again)} test(s) of {item.id} fail when the suite runs again, in reverse order"
        raise failed(work, Cause.UNCLEAR, summary, [AGAIN, *failure_lines(trial.base)])
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
    return Held(mutants=tried, verdict=trial.base, audit=_audit(work, item, trial))


def _audit(work: Work, item: ItemSpec, trial: Trial) -> Audit:
    """The audit on drawn inputs.

    Raises:
        StageFailed: a property fails on one of them, which is to become an example in its suite.
    """
    drawn = trial.drawn
    if drawn.trouble:
        return Audit(properties=(), unaudited=drawn.trouble)
    told = {test: drawn.outcome_of(test) for test in drawn.drawn}
    wrong = [t for t in told.values() if t.outcome != "passed" and t.error not in NO_AUDIT]
    if wrong:
        found = {t.id: found_in(t.id, t.message) for t in wrong}
        lines = [f"{t.id}: {t.error}: {t.message}" if found[t.id] else _unnamed(t) for t in wrong]
        summary = f"{len(wrong)} of {len(told)} properties fail on inputs that were drawn for the audit"
        examples = tuple(f for f in found.values() if f)
        raise failed(work, Cause.BAD_CODE, f"{item.id}: {summary}", lines, found=examples)
    properties = tuple(
        Property(id=test, cases=cases, every=every) for test, (cases, every) in drawn.drawn.items()
    )
    short = [p.id for p in properties if told[p.id].outcome != "passed" or not p.enough()]
    if short:
        return Audit(properties=properties, unaudited=f"too few inputs can be drawn for {', '.join(short)}")
    return Audit(properties=properties, unaudited="" if properties else "its suite has no property")


def _unnamed(test: TestOutcome) -> str:
    """A failure without its input, which no example can keep: what only an audit knows is told to nobody."""
    return (
        f"{test.id}: fails with {test.error} on an input that was drawn afresh. Think about what it claims."
    )
