"""What follows a failure: a repair, another strategy, or a halt."""

from dataclasses import replace

from flows.endings import halt
from flows.lessons import Lessons
from flows.order import Ending
from schemas.failure import Evidence, Feedback, Route
from schemas.stages import Diagnosis
from schemas.stateflow import State
from tasks.automated_rethink import rethink
from tasks.failure_analysis import Path, analyse_failure
from tasks.telling import Telling

CODED = (State.GENERATE_TESTS, State.IMPLEMENT_CODE)


async def learn(
    telling: Telling, lessons: Lessons, failures: tuple[Evidence, ...], path: Path
) -> Ending | Lessons:
    """The lessons with what was learnt from the failures; or the end."""
    policy = telling.context.policy
    telling.outcome = "failed"
    items = telling.wbs.items if telling.wbs else ()
    diagnosis = await analyse_failure(
        telling,
        failures=failures,
        earlier=lessons.failures,
        repairs=policy.repairs,
        rethinks=policy.rethinks - len(lessons.tried),
        path=path,
        owners={item.id: item.contract for item in items},
    )
    if diagnosis.outcome == "repair":
        for failure, route in zip(failures, diagnosis.routes, strict=True):
            lessons = _repair(telling, lessons, failure, route)
            if route.target in CODED:
                await _take_along(telling, route.items)
        return replace(lessons, failures=(*lessons.failures, *failures))
    if diagnosis.outcome == "rethink":
        return await _rethink(telling, lessons, failures, diagnosis)
    return await _stop(telling, failures, diagnosis, diagnosis.reason)


async def _take_along(telling: Telling, items: tuple[str, ...]) -> None:
    """Let each work item's own path go through the analysis as well."""
    for name in items:
        item = telling.of_item(name)
        if item.state is not State.FAILURE_ANALYSIS:
            await item.move(State.FAILURE_ANALYSIS, "failed")
            item.outcome = "repair"


def _repair(telling: Telling, lessons: Lessons, failure: Evidence, route: Route) -> Lessons:
    if route.target is None:
        raise ValueError(f"a repair needs a target: {route}")
    text = f"{failure.summary}\n{failure.details}".strip()
    for item in (route.items if route.target in CODED else ()) or ("",):
        note = text
        if route.target is State.IMPLEMENT_CODE and item in telling.done:
            code = telling.done[item].candidate.files
            note += "\n\nThe code that this is about:\n" + "\n".join(f.text for f in code)
        feedback = Feedback(source=failure.state, cause=route.cause, text=note, found=failure.found)
        lessons = lessons.with_note(route.target, feedback, item)
    return lessons


async def _rethink(
    telling: Telling, lessons: Lessons, failures: tuple[Evidence, ...], diagnosis: Diagnosis
) -> Ending | Lessons:
    items = tuple(item.id for item in telling.wbs.items) if telling.wbs else ()
    thought = await rethink(telling, failures=failures, tried=lessons.tried, items=items)
    strategy = thought.strategy
    if strategy is None:
        return await _stop(telling, failures, diagnosis, f"{diagnosis.reason}; {thought.reason}", "exhausted")
    feedback = Feedback(source="the supervisor", cause=None, text=strategy.text)
    if strategy.target is State.DECOMPOSITION:
        lessons = lessons.with_note(State.DECOMPOSITION, feedback)
    if strategy.target is State.GENERATION_CYCLE:
        await _take_along(telling, strategy.items)
        for item in strategy.items:
            await telling.of_item(item).move(State.AUTOMATED_RETHINK, "rethink")
            await telling.of_item(item).move(State.GENERATION_CYCLE, "regenerate")
            telling.of_item(item).outcome = "begin"
            found = tuple(one for f in failures if f.item == item for one in f.found)
            for state in CODED:
                lessons = lessons.with_note(state, feedback.model_copy(update={"found": found}), item)
    return replace(lessons, failures=(), tried=(*lessons.tried, strategy))


async def _stop(
    telling: Telling, failures: tuple[Evidence, ...], diagnosis: Diagnosis, why: str, outcome: str = "halt"
) -> Ending:
    first, route = failures[0], diagnosis.routes[0]
    about = f" {first.item}" if first.item else ""
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    telling.outcome = outcome
    again = route.target or first.state
    items = route.items if again in CODED else ()
    return await halt(telling, f"{first.state}{about}: {first.summary}{more} ({why})", again, items)
