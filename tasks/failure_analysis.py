"""FAILURE_ANALYSIS: the cause of a failure and the state that can mend it; rules only on the Lite path."""

from schemas.failure import Cause, Evidence
from schemas.stages import Diagnosis
from schemas.stateflow import State
from tasks.context import Work
from tasks.stage import stage

ROUTES: dict[Cause, State | None] = {
    Cause.BAD_SPEC: State.PLAN_AND_TEST,
    Cause.BAD_TEST: State.PLAN_AND_TEST,
    Cause.BAD_CODE: State.IMPLEMENT_AND_FIX,
    Cause.SECURITY: State.IMPLEMENT_AND_FIX,
    Cause.BAD_DOCUMENT: State.REFACTOR_AND_DOCUMENT,
    Cause.PACKAGING: None,
    Cause.MODEL: None,
}
"""Which state mends which cause; None needs a human."""


@stage(State.FAILURE_ANALYSIS)
async def analyse_failure(
    work: Work, *, evidence: Evidence, earlier: tuple[Evidence, ...], repairs: int
) -> Diagnosis:
    """Repair while the policy allows it and there is progress; else halt."""
    target = ROUTES[evidence.cause]
    if target is None:
        reason = f"a {evidence.cause} failure needs a human"
    elif evidence in earlier:
        target, reason = None, "the same failure came back after a repair: no progress"
    elif len(earlier) >= repairs:
        target, reason = None, f"{len(earlier)} repair(s) were made, the policy allows {repairs}"
    else:
        reason = f"cause {evidence.cause}: back to {target}"
    return Diagnosis(
        outcome="repair" if target else "halt", cause=evidence.cause, target=target, reason=reason
    )
