"""FAILURE_ANALYSIS: each failure's cause and the state that can mend it; rules first, an agent second."""

from pathlib import PurePosixPath
from typing import Literal

from agents.ask import Question
from agents.full import VERIFICATION
from schemas.answers import CauseAnswer
from schemas.contract import Contract
from schemas.failure import Cause, Evidence, Route
from schemas.stages import Diagnosis
from schemas.stateflow import State
from tasks.context import Work
from tasks.stage import stage
from tasks.suites import contracts_text

Path = Literal["lite", "full"]

LITE: dict[Cause, State | None] = {
    Cause.BAD_SPEC: State.PLAN_AND_TEST,
    Cause.BAD_PLAN: State.PLAN_AND_TEST,
    Cause.BAD_TEST: State.PLAN_AND_TEST,
    Cause.BAD_CODE: State.IMPLEMENT_AND_FIX,
    Cause.SECURITY: State.IMPLEMENT_AND_FIX,
    Cause.BAD_DOCUMENT: State.REFACTOR_AND_DOCUMENT,
    Cause.UNCLEAR: State.IMPLEMENT_AND_FIX,
    Cause.PACKAGING: None,
    Cause.MODEL: None,
}
FULL: dict[Cause, State | None] = {
    Cause.BAD_SPEC: State.REQUIREMENT_INGESTION,
    Cause.BAD_PLAN: State.DECOMPOSITION,
    Cause.BAD_TEST: State.GENERATE_TESTS,
    Cause.BAD_CODE: State.IMPLEMENT_CODE,
    Cause.SECURITY: State.IMPLEMENT_CODE,
    Cause.BAD_DOCUMENT: State.GENERATE_DEPLOYMENT_ARTIFACTS,
    Cause.UNCLEAR: None,
    Cause.PACKAGING: None,
    Cause.MODEL: None,
}
"""Which state mends which cause; None needs a human."""
ROUTES: dict[Path, dict[Cause, State | None]] = {"lite": LITE, "full": FULL}


@stage(State.FAILURE_ANALYSIS, agents=(VERIFICATION,))
async def analyse_failure(
    work: Work,
    *,
    failures: tuple[Evidence, ...],
    earlier: tuple[Evidence, ...],
    repairs: int,
    rethinks: int,
    path: Path,
    owners: dict[str, Contract],
) -> Diagnosis:
    """Repair while the policy allows it and there is progress; then rethink while that is left; else halt."""
    routes = tuple([await _route(work, failure, path, owners) for failure in failures])
    stuck = next((r for r in routes if r.target is None), None)
    again = [f for f in failures if f in earlier]
    if stuck:
        return Diagnosis(outcome="halt", routes=routes, reason=stuck.reason)
    if again:
        reason = "the same failure came back after a repair: no progress"
    elif len(earlier) >= repairs:
        reason = f"{len(earlier)} repair(s) were made, the policy allows {repairs}"
    else:
        reason = "; ".join(sorted({r.reason for r in routes}))
        return Diagnosis(outcome="repair", routes=routes, reason=reason)
    outcome: Literal["rethink", "halt"] = "rethink" if path == "full" and rethinks else "halt"
    return Diagnosis(outcome=outcome, routes=routes, reason=reason)


async def _route(work: Work, failure: Evidence, path: Path, owners: dict[str, Contract]) -> Route:
    """The route of one failure: its cause's, once cause and items are known."""
    cause, items, why = failure.cause, _items(failure, owners), ""
    if path == "full" and cause is Cause.UNCLEAR:
        answer = await _judged(work, failure, owners)
        cause, items, why = Cause(answer.cause), answer.items, f": {answer.reason}"
    target = ROUTES[path][cause]
    if path == "full" and target in (State.GENERATE_TESTS, State.IMPLEMENT_CODE) and not items:
        at_edge = failure.state is State.INTEGRATION_TESTING and cause is Cause.BAD_TEST
        target = State.INTEGRATION_TESTING if at_edge else State.DECOMPOSITION
    if target is None:
        return Route(cause=cause, target=None, items=items, reason=f"a {cause} failure needs a human")
    return Route(cause=cause, target=target, items=items, reason=f"cause {cause}: back to {target}{why}")


def _items(failure: Evidence, owners: dict[str, Contract]) -> tuple[str, ...]:
    """The items that a failure is about: its own, or the owners of the files that it names."""
    if failure.item:
        return (failure.item,)
    modules = {PurePosixPath(p).stem.removeprefix("test_").removesuffix("_types") for p in failure.paths}
    return tuple(item for item, contract in owners.items() if contract.module in modules)


async def _judged(work: Work, failure: Evidence, owners: dict[str, Contract]) -> CauseAnswer:
    listed = "\n".join(f"{item}: module {contract.module}" for item, contract in owners.items())
    inputs = {
        "evidence": f"{failure.summary}\n\n{failure.details}\n\nWork items:\n{listed}",
        "contracts": contracts_text(tuple(owners.values())),
    }
    question = Question(VERIFICATION, "run", inputs, work.sample)
    answer = await work.desk.ask_json(question, CauseAnswer)
    return answer.model_copy(update={"items": tuple(i for i in answer.items if i in owners)})
