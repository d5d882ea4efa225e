"""What a run asked of models, and what that cost."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import Value
from schemas.calls import RecordedAnswer
from services.database.calls import usage_of
from services.database.tables import ModelCallRow as Call
from services.database.tables import RunCall


class RunUsage(Value):
    """The sums over one run; tokens and money are those that this run caused, not its replays'."""

    calls: int
    """Requests that this run sent to a provider."""
    replayed: int
    """Requests that were answered from the ledger alone."""
    input_tokens: int
    output_tokens: int
    uncounted: int
    """Answers for which the provider reported no tokens; they were charged at their estimates."""
    cost_usd: Decimal


async def run_usage(conn: AsyncConnection, run: str) -> RunUsage:
    """The usage of a run so far."""
    sent = RunCall.replayed.is_(False)
    done = sent & (Call.state == "done")
    query = select(
        func.count().filter(sent).label("calls"),
        func.count().filter(RunCall.replayed & (Call.state == "done")).label("replayed"),
        func.coalesce(func.sum(Call.input_tokens).filter(done), 0).label("input_tokens"),
        func.coalesce(func.sum(Call.output_tokens).filter(done), 0).label("output_tokens"),
        func.count().filter(done & Call.input_tokens.is_(None)).label("uncounted"),
        func.coalesce(func.sum(RunCall.charged), 0).label("cost_usd"),
    )
    joined = query.join_from(RunCall, Call, Call.digest == RunCall.request, isouter=True)
    row = (await conn.execute(joined.where(RunCall.run == run))).one()
    return RunUsage.model_validate(row._asdict())


class Asked(Value):
    """One call of a run: which model answered which question, and why that one."""

    agent: str
    subject: str
    attempt: int
    """Which question to this agent about this subject it was, repairs included."""
    tier: str | None
    model: str | None
    reason: str | None
    """None, as the tier and the model, where an earlier version did not write it down."""
    replayed: bool
    """Whether the ledger answered it."""
    cost_usd: Decimal
    """What this run was charged for it."""


async def asked(conn: AsyncConnection, run: str) -> list[Asked]:
    """The calls of a run by subject and agent, each in the order of its attempts."""
    names = [name for name in Asked.model_fields if name != "cost_usd"]
    columns = [getattr(RunCall, name) for name in names]
    query = select(*columns, RunCall.charged.label("cost_usd")).where(RunCall.run == run)
    rows = await conn.execute(query.order_by(RunCall.subject, RunCall.agent, RunCall.attempt))
    return [Asked.model_validate(row._asdict()) for row in rows]


class AgentUsage(Value):
    """The sums over one agent, tier and model of a run."""

    agent: str
    tier: str | None
    """None where an earlier version asked no provider."""
    model: str | None
    calls: int
    replayed: int
    input_tokens: int | None
    """None when no provider counted any."""
    output_tokens: int | None
    cost_usd: Decimal


async def usage_by_agent(conn: AsyncConnection, run: str) -> list[AgentUsage]:
    """The usage of a run by agent, tier and model; what cost most comes first."""
    sent = RunCall.replayed.is_(False)
    done = sent & (Call.state == "done")
    group = (RunCall.agent, RunCall.tier, RunCall.model)
    cost = func.sum(RunCall.charged).label("cost_usd")
    query = select(
        *group,
        func.count().filter(sent).label("calls"),
        func.count().filter(RunCall.replayed & (Call.state == "done")).label("replayed"),
        func.sum(Call.input_tokens).filter(done).label("input_tokens"),
        func.sum(Call.output_tokens).filter(done).label("output_tokens"),
        cost,
    )
    joined = query.join_from(RunCall, Call, Call.digest == RunCall.request, isouter=True)
    grouped = joined.where(RunCall.run == run).group_by(*group)
    rows = await conn.execute(grouped.order_by(cost.desc(), RunCall.agent, RunCall.tier))
    return [AgentUsage.model_validate(row._asdict()) for row in rows]


async def run_calls_for_recording(
    conn: AsyncConnection, run: str, others: Iterable[str] = ()
) -> list[RecordedAnswer]:
    """The answers that a run used, ordered by agent, subject and attempt. Of an agent and subject that it
    never asked, because a stage's answer was known, those of the other runs that it took answers from."""
    asked = select(
        RunCall.agent,
        RunCall.subject,
        RunCall.attempt,
        RunCall.inputs,
        Call.answer,
        Call.finish,
        Call.input_tokens,
        Call.output_tokens,
        Call.cached_tokens,
    ).join_from(RunCall, Call, Call.digest == RunCall.request)
    used = asked.where(RunCall.run.in_([run, *others]), Call.state == "done")
    ordered = used.order_by(RunCall.run != run, RunCall.told_at).add_columns(RunCall.run)
    first: dict[tuple[str, str], str] = {}
    rows = [
        row
        for row in await conn.execute(ordered)
        if first.setdefault((row.agent, row.subject), row.run) == row.run
    ]
    rows.sort(key=lambda row: (row.agent, row.subject, row.attempt))
    # A request that never got an answer and was not asked again leaves no gap.
    asked_before: Counter[tuple[str, str]] = Counter()
    return [
        RecordedAnswer.model_validate(
            {
                "agent": row.agent,
                "subject": row.subject,
                "attempt": _next(asked_before, row.agent, row.subject),
                "inputs": row.inputs,
                "answer": bytes(row.answer or b"").decode(),
                "finish": row.finish,
                "usage": usage_of(row),
            }
        )
        for row in rows
    ]


def _next(asked: Counter[tuple[str, str]], agent: str, subject: str) -> int:
    asked[agent, subject] += 1
    return asked[agent, subject]
