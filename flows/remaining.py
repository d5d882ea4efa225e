"""What the rest of a run takes, by its plan."""

from sqlalchemy.ext.asyncio import AsyncConnection

from agents.full import ARCHITECT, DECOMPOSITION, REQUIREMENTS
from agents.lite import TRIAGE
from schemas.budget import Range, Remaining
from schemas.calls import Usage
from schemas.events import EventKind
from schemas.full import Estimate, Planned
from schemas.stateflow import TERMINAL, State
from services.database import ledger, runs, store, usage
from services.models import price_range
from services.settings import Settings

BEFORE_THE_PLAN = {agent.name for agent in (TRIAGE, REQUIREMENTS, ARCHITECT, DECOMPOSITION)}
NOTHING = Estimate(calls=(0, 0), input_tokens=(0, 0), output_tokens=(0, 0))


async def remaining(conn: AsyncConnection, run: runs.Run, settings: Settings) -> Remaining | None:
    """What is still to come; None while no plan says so, as always on the Lite path."""
    estimate = NOTHING if run.state in TERMINAL else await _planned(conn, run.id)
    if estimate is None:
        return None
    asked = [a for a in await usage.usage_by_agent(conn, run.id) if a.agent not in BEFORE_THE_PLAN]
    rest = _rest(estimate, sum(a.calls + a.replayed for a in asked))
    least, most = (
        Usage(input_tokens=rest.input_tokens[n], output_tokens=rest.output_tokens[n]) for n in (0, 1)
    )
    models = (await runs.policy_of(conn, run.id)).model_names()
    return Remaining(**dict(rest), cost_usd=price_range(models, least, most, settings))


async def _planned(conn: AsyncConnection, run: str) -> Estimate | None:
    keys = [
        event.payload["key"]
        for event in await ledger.events(conn, run=run)
        if (event.kind, event.from_state) == (EventKind.LEFT, State.DECOMPOSITION)
        and event.payload["outcome"] == "planned"
    ]
    known = await store.get_result(conn, keys[-1]) if keys else None
    return (
        Planned.model_validate_json(await store.get_artifact(conn, known.answer)).estimate if known else None
    )


def _rest(estimate: Estimate, made: int) -> Estimate:
    """The estimate without the calls that were made; its tokens shrink as its calls do."""
    calls = tuple(max(0, of - made) for of in estimate.calls)

    def share(tokens: Range) -> Range:
        low, high = (
            n * left // max(1, of) for n, left, of in zip(tokens, calls, estimate.calls, strict=True)
        )
        return low, high

    return Estimate(
        calls=(calls[0], calls[1]),
        input_tokens=share(estimate.input_tokens),
        output_tokens=share(estimate.output_tokens),
    )
