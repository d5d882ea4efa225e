"""The ledger of model calls: a request is paid for once, and every crash costs at most one call."""

import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any, Literal

from sqlalchemy import Row, Update, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import Digest, Value, canonical_json
from schemas.calls import Reply, Request, Usage
from schemas.errors import PhoenixError, Unreachable
from services.database import budgets
from services.database.budgets import Budget
from services.database.database import Database
from services.database.session_lock import lock_key, session_lock
from services.database.tables import ModelCallRow as Call
from services.database.tables import RunCall

ORPHANED = "the process died while the call was in flight"


class ModelCall(Value):
    """A request's row in the ledger."""

    request: Digest
    state: Literal["in_flight", "done", "failed"]
    agent: str
    subject: str
    model: str
    reply: Reply | None
    """What was answered; None until it is done."""
    cost: Decimal
    wasted: Decimal
    overrun: bool
    """Whether the price was above the estimate that the answer was charged at."""
    error: str | None
    attempts: int


@dataclass(frozen=True)
class Claim:
    """The right, and the duty, to make one call and then to settle or fail it."""

    digest: str
    run: str
    owner: str
    estimate: Decimal


async def tell(conn: AsyncConnection, run: str, request: Request) -> int:
    """Which attempt of its agent and subject this request is in the run; the same each time it is told."""
    digest = request.digest()
    turn = lock_key("attempt", f"{run}:{request.agent}:{request.subject}")
    await conn.execute(select(func.pg_advisory_xact_lock(turn)))
    told = select(RunCall.attempt).where(RunCall.run == run, RunCall.request == digest)
    known = (await conn.execute(told)).scalar_one_or_none()
    if known is not None:
        return known
    same = (RunCall.run == run, RunCall.agent == request.agent, RunCall.subject == request.subject)
    attempt = (await conn.execute(select(func.count()).where(*same))).scalar_one() + 1
    row = {
        "run": run,
        "request": digest,
        "agent": request.agent,
        "subject": request.subject,
        "attempt": attempt,
        "inputs": request.inputs,
        "tier": request.tier,
        "model": request.model,
        "reason": request.reason,
    }
    await conn.execute(insert(RunCall).values(row))
    return attempt


async def hot(conn: AsyncConnection, request_digest: str) -> ModelCall | None:
    """The call, if its answer is known; takes no lock."""
    found = await find_call(conn, request_digest)
    return found if found and found.state == "done" else None


async def find_call(conn: AsyncConnection, request_digest: str) -> ModelCall | None:
    """The call in whatever state it is."""
    row = (await conn.execute(select(Call).where(Call.digest == request_digest))).one_or_none()
    return _model_call(row) if row else None


@asynccontextmanager
async def claim(
    db: Database, request: Request, *, run: str, estimate: Decimal, budgets: Iterable[Budget]
) -> AsyncIterator[Claim | ModelCall]:
    """The right to make the call, or the call when somebody made it meanwhile.

    One process at a time has a digest's claim. Leaving the block by an error, without settle or fail,
    charges the estimate, because the call may have been paid.

    Raises:
        BudgetExceeded: a budget cannot hold the estimate; nothing was sent.
    """
    digest = request.digest()
    async with session_lock(db.locks, lock_key("call", digest)):
        async with db.transaction() as conn:
            found = await find_call(conn, digest)
            if found and found.state == "in_flight":
                await _charge_orphan(conn, digest)
        if found and found.state == "done":
            yield found
            return
        async with db.transaction() as conn:
            claimed = await _take(conn, request, run, estimate, budgets)
        try:
            yield claimed
        except BaseException as error:
            async with db.transaction() as conn:
                await fail(conn, claimed, f"abandoned: {type(error).__name__}", charge=claimed.estimate)
            raise


async def settle(conn: AsyncConnection, claimed: Claim, reply: Reply, cost: Decimal | None) -> ModelCall:
    """The call with its answer, charged at its cost but at most at the estimate; None means the estimate.

    Raises:
        Unreachable: the connection that held the claim was cut, and another process took the call over.
    """
    charged = claimed.estimate if cost is None else min(cost, claimed.estimate)
    usage = reply.usage
    row = await conn.execute(
        _in_flight(claimed)
        .values(
            state="done",
            answer=reply.text.encode("utf-8", "replace"),
            finish=reply.finish,
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
            cached_tokens=usage.cached_tokens if usage else None,
            cost=charged,
            overrun=cost is not None and cost > claimed.estimate,
            error=None,
            answered_at=func.now(),
        )
        .returning(Call)
    )
    settled = row.one_or_none()
    if settled is None:
        raise Unreachable(
            f"the database was cut off during call {claimed.digest[:12]} and another process took it over. "
            "Run the same command again."
        )
    await _charge(conn, claimed.digest, claimed.run, charged)
    return _model_call(settled)


async def fail(conn: AsyncConnection, claimed: Claim, error: str, *, charge: Decimal) -> None:
    """Give a claim back without an answer; charge is 0 only if the call was surely not paid."""
    charge = min(charge, claimed.estimate)
    failed = _in_flight(claimed).values(
        state="failed", error=error.replace("\x00", "\ufffd"), wasted=Call.wasted + charge
    )
    if (await conn.execute(failed)).rowcount:
        await _charge(conn, claimed.digest, claimed.run, charge)


async def settle_orphans(db: Database) -> int:
    """How many calls of dead processes were charged at their estimates."""
    async with db.transaction() as conn:
        digests = (await conn.execute(select(Call.digest).where(Call.state == "in_flight"))).scalars().all()
    charged = 0
    for digest in digests:
        async with session_lock(db.locks, lock_key("call", digest), wait=False) as held:
            if held:
                async with db.transaction() as conn:
                    charged += await _charge_orphan(conn, digest)
    return charged


async def _take(
    conn: AsyncConnection, request: Request, run: str, estimate: Decimal, named: Iterable[Budget]
) -> Claim:
    claimed = Claim(request.digest(), run, uuid.uuid4().hex, estimate.quantize(budgets.SMALLEST, ROUND_UP))
    row = {
        "digest": claimed.digest,
        "state": "in_flight",
        "agent": request.agent,
        "subject": request.subject,
        "tier": request.tier,
        "model": request.model,
        "request": canonical_json(request),
        "estimate": claimed.estimate,
        "owner": claimed.owner,
        "run": run,
        "attempts": 1,
    }
    changed = {
        **{key: row[key] for key in ("state", "estimate", "owner", "run")},
        "attempts": Call.attempts + 1,
        "asked_at": func.now(),
    }
    insertion = upsert(Call).values(row)
    await conn.execute(insertion.on_conflict_do_update(index_elements=["digest"], set_=changed))
    await budgets.reserve(conn, claimed.digest, named, claimed.estimate)
    told = update(RunCall).where(RunCall.run == run, RunCall.request == claimed.digest)
    if (await conn.execute(told.values(replayed=False))).rowcount == 0:
        raise PhoenixError(f"call {claimed.digest[:12]} was claimed before run {run} told it.")
    return claimed


async def _charge_orphan(conn: AsyncConnection, digest: str) -> bool:
    found = select(Call.run, Call.estimate).where(Call.digest == digest, Call.state == "in_flight")
    row = (await conn.execute(found.with_for_update())).one_or_none()
    if row is None:
        return False
    failed = update(Call).where(Call.digest == digest)
    await conn.execute(failed.values(state="failed", error=ORPHANED, wasted=Call.wasted + row.estimate))
    await _charge(conn, digest, row.run, row.estimate)
    return True


async def _charge(conn: AsyncConnection, digest: str, run: str, amount: Decimal) -> None:
    await budgets.release(conn, digest, amount)
    told = update(RunCall).where(RunCall.run == run, RunCall.request == digest)
    await conn.execute(told.values(charged=RunCall.charged + amount))


def _in_flight(claimed: Claim) -> Update:
    mine = (Call.digest == claimed.digest, Call.owner == claimed.owner, Call.state == "in_flight")
    return update(Call).where(*mine)


def usage_of(row: Row[*tuple[Any, ...]]) -> Usage | None:
    """The tokens of a call's row; None when the provider counted none."""
    if row.input_tokens is None:
        return None
    return Usage(
        input_tokens=row.input_tokens, output_tokens=row.output_tokens, cached_tokens=row.cached_tokens
    )


def _model_call(row: Row[*tuple[Any, ...]]) -> ModelCall:
    reply = None
    if row.state == "done":
        reply = Reply(text=bytes(row.answer).decode(), finish=row.finish, usage=usage_of(row))
    names = ("state", "agent", "subject", "model", "cost", "wasted", "overrun", "error", "attempts")
    return ModelCall(request=row.digest, reply=reply, **{name: getattr(row, name) for name in names})
