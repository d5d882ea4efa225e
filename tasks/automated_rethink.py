"""AUTOMATED_RETHINK: a strategy that was not tried before, or the end of trying."""

from agents.ask import Question
from agents.full import SUPERVISOR
from schemas.answers import StrategyAnswer
from schemas.failure import Evidence, Strategy
from schemas.stages import Rethought
from schemas.stateflow import State
from tasks.context import Work
from tasks.stage import stage

TARGETS = {"replan": State.DECOMPOSITION, "regenerate": State.GENERATION_CYCLE}


@stage(State.AUTOMATED_RETHINK, agents=(SUPERVISOR,))
async def rethink(
    work: Work, *, failures: tuple[Evidence, ...], tried: tuple[Strategy, ...], items: tuple[str, ...]
) -> Rethought:
    """Ask the supervisor once; what was tried already, or names no item that there is, ends the trying."""
    inputs = {
        "failures": "\n\n".join(f"{f.state} {f.item}: {f.summary}\n{f.details}" for f in failures),
        "tried": "\n".join(f"- {s.text}" for s in tried),
    }
    answer = await work.desk.ask_json(Question(SUPERVISOR, "run", inputs, work.sample), StrategyAnswer)
    if answer.action == "give_up":
        return Rethought(outcome="exhausted", strategy=None, reason=answer.strategy)
    named = tuple(i for i in answer.items if i in items)
    strategy = Strategy(target=TARGETS[answer.action], items=named, text=answer.strategy)
    if strategy.digest() in {s.digest() for s in tried}:
        return Rethought(outcome="exhausted", strategy=None, reason="this strategy was tried before")
    if answer.action == "regenerate" and not named:
        return Rethought(outcome="exhausted", strategy=None, reason="the strategy names no work item")
    return Rethought(outcome=answer.action, strategy=strategy, reason=answer.strategy)
