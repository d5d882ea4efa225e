"""PERFORMANCE_VALIDATION: the tree against its non-functional requirements."""

from schemas.specification import SourcedRequirement, Specification
from schemas.stages import Assembly, Checked
from schemas.stateflow import State
from schemas.verdict import Status, Verdict
from services.judge import LIMITS
from tasks.context import Work
from tasks.stage import stage


@stage(State.PERFORMANCE_VALIDATION)
async def validate_performance(
    work: Work, *, specification: Specification, assembly: Assembly, unit: Verdict
) -> Checked:
    """Say for each non-functional requirement what was seen of it, and what nobody measured."""
    bound = Verdict(
        subject="time and memory of the whole suite",
        status=Status.PASSED,
        reason=f"{len(unit.tests)} tests within {LIMITS.wall_s:g} s and {LIMITS.memory_mb} MiB",
        confinement=unit.confinement,
    )
    demands = [r for r in specification.requirements if r.metric]
    return Checked(verdicts=(bound, *(_verdict(r, unit) for r in demands)))


def _verdict(requirement: SourcedRequirement, unit: Verdict) -> Verdict:
    criteria = {c.id for c in requirement.criteria}
    claiming = [t for t in unit.tests if criteria & set(t.proves)]
    subject = f"{requirement.id}: {requirement.metric}: {requirement.target}"
    if not claiming:
        return Verdict(subject=subject, status=Status.NOT_RUN, reason="no test measures it")
    return Verdict(
        subject=subject, status=Status.PASSED, reason=f"{len(claiming)} test(s) that claim it passed"
    )
