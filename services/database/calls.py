"""The ledger of model calls: a request is paid for once, and every crash costs at most one call."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any, Literal

from psycopg import Error
from sqlalchemy import Row, TextClause, bindparam, func, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Numeric

from schemas.base import Digest, Value, canonical_json
from schemas.budget import Budget, Shortfall
from schemas.calls import Reply, Request, Usage
from schemas.errors import BudgetExceeded, PhoenixError, Unreachable
from services.database import budgets
from services.database.database import Database
from services.database.session_lock import LEASE_S, lock_key, session_lock
from services.database.tables import ModelCallRow as Call
from services.database.tables import RunCall

ORPHANED = "the process died while the call was in flight"
PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""How long a call waits for others in flight to settle before it looks again; the last pause repeats."""


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

    @classmethod
    def of(cls, digest: str, run: str, estimate: Decimal) -> "Claim":
        """A claim to be taken, with the estimate rounded up to what is stored."""
        return cls(digest, run, uuid.uuid4().hex, estimate.quantize(budgets.SMALLEST, ROUND_UP))


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

    One process at a time has a digest's claim; that of a process that hangs expires. A call that would fit if
    those in flight cost nothing waits until they have settled. Leaving the block by an error, without settle
    or fail, charges the estimate, because the call may have been paid.

    Raises:
        BudgetExceeded: a budget cannot hold the estimate; nothing was sent.
    """
    mine, charge = Claim.of(request.digest(), run, estimate), Decimal(0)
    async with session_lock(db.locks, lock_key("call", mine.digest), lease_s=LEASE_S):
        try:
            taken = await _take_when_it_fits(db, request, mine, tuple(budgets))
            charge = mine.estimate
            yield taken
        except BaseException as error:
            # Also who is cancelled while the claim is being taken may have it.
            async with db.statements() as conn:
                await fail(conn, mine, f"abandoned: {type(error).__name__}", charge=charge)
            raise


async def settle(conn: AsyncConnection, claimed: Claim, reply: Reply, cost: Decimal | None) -> ModelCall:
    """The call with its answer, charged at its cost but at most at the estimate; None means the estimate.

    Raises:
        Unreachable: the connection that held the claim was cut, and another process took the call over.
    """
    usage = reply.usage
    values = {
        "request": claimed.digest,
        "owner": claimed.owner,
        "answer": reply.text.encode("utf-8", "replace"),
        "finish": reply.finish,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cached_tokens": usage.cached_tokens if usage else None,
        "cost": claimed.estimate if cost is None else min(cost, claimed.estimate),
        "overrun": cost is not None and cost > claimed.estimate,
    }
    settled = (await conn.execute(_SETTLE, values)).one_or_none()
    if settled is None:
        raise Unreachable(
            f"the database was cut off during call {claimed.digest[:12]} and another process took it over. "
            "Run the same command again."
        )
    return _model_call(settled)


async def fail(conn: AsyncConnection, claimed: Claim, error: str, *, charge: Decimal) -> None:
    """Give a claim back without an answer; charge is 0 only if the call was surely not paid."""
    values = {"error": error.replace("\x00", "\ufffd"), "charge": min(charge, claimed.estimate)}
    await conn.execute(_FAIL, {**values, "request": claimed.digest, "owner": claimed.owner})


async def settle_orphans(db: Database) -> int:
    """How many calls of dead processes were charged at their estimates."""
    async with db.transaction() as conn:
        digests = (await conn.execute(select(Call.digest).where(Call.state == "in_flight"))).scalars().all()
    charged = 0
    for digest in digests:
        async with session_lock(db.locks, lock_key("call", digest), wait=False) as held:
            if held:
                async with db.statements() as conn:
                    charged += await _charge_orphan(conn, digest)
    return charged


async def _take_when_it_fits(
    db: Database, request: Request, claim: Claim, named: tuple[Budget, ...]
) -> Claim | ModelCall:
    pauses = iter(PAUSES_S)
    while True:
        taken = await _take(db, request, claim, named)
        if isinstance(taken, Claim | ModelCall):
            return taken
        if taken is None:
            continue
        if taken.hopeless():
            raise BudgetExceeded(taken)
        pause = next(pauses, None)
        if pause is None:
            await settle_orphans(db)
        await asyncio.sleep(pause or PAUSES_S[-1])


async def _take(
    db: Database, request: Request, claim: Claim, named: tuple[Budget, ...]
) -> Claim | ModelCall | Shortfall | None:
    """The claim, or the call that is done, or the budget that has no room; None when it may fit now."""
    values = {
        **budgets.columns(named),
        **{name: getattr(request, name) for name in ("agent", "subject", "tier", "model")},
        "request": claim.digest,
        "body": canonical_json(request),
        "run": claim.run,
        "owner": claim.owner,
        "amount": claim.estimate,
    }
    async with db.statements() as conn:
        try:
            if (await conn.execute(_TAKE, values)).scalar_one():
                return claim
        except IntegrityError as error:
            if not isinstance(error.orig, Error) or error.orig.diag.constraint_name != budgets.TOO_LITTLE:
                raise
            return await budgets.shortfall(conn, named, claim.estimate)
        found = await find_call(conn, claim.digest)
        if found is None or found.state == "failed":
            raise PhoenixError(f"call {claim.digest[:12]} was claimed before run {claim.run} told it.")
        if found.state == "in_flight":
            await _charge_orphan(conn, claim.digest)
        return found if found.state == "done" else None


async def _charge_orphan(conn: AsyncConnection, digest: str) -> bool:
    charged = await conn.execute(_ORPHANED, {"request": digest, "error": ORPHANED})
    return charged.one_or_none() is not None


# Each is one statement, which is committed where it is run: see Database.statements.
_TAKE = text(f"""
    WITH told AS (
        UPDATE run_calls SET replayed = false WHERE run = :run AND request = :request
            AND NOT EXISTS (SELECT FROM model_calls WHERE digest = :request AND state <> 'failed')
        RETURNING run
    ), called AS (
        INSERT INTO model_calls AS c
            (digest, state, agent, subject, tier, model, request, estimate, owner, run, attempts)
        SELECT :request, 'in_flight', :agent, :subject, :tier, :model, :body, :amount, :owner, run, 1
        FROM told
        ON CONFLICT (digest) DO UPDATE SET
            state = excluded.state, estimate = excluded.estimate, owner = excluded.owner, run = excluded.run,
            attempts = c.attempts + 1, asked_at = now()
    ), {budgets.RESERVED}
    SELECT count(*) FROM told
""").bindparams(*budgets.CAPS, bindparam("amount", type_=Numeric(18, 8)))  # nosec B608


def _ending(settled: str, gives: str = "digest") -> TextClause:
    """A call's end: what `settled` updates, with its amount charged to the run that claimed it."""
    return text(f"""
        WITH settled AS (UPDATE model_calls SET {settled}), told AS (
            UPDATE run_calls SET charged = charged + settled.amount FROM settled
            WHERE run_calls.run = settled.run AND run_calls.request = settled.digest
        ), {budgets.RELEASED}
        SELECT {gives} FROM settled
    """)  # nosec B608


_MINE = "WHERE digest = :request AND owner = :owner AND state = 'in_flight'"
_SETTLE = _ending(
    f"""
        state = 'done', answer = :answer, finish = :finish, input_tokens = :input_tokens,
        output_tokens = :output_tokens, cached_tokens = :cached_tokens, cost = :cost, overrun = :overrun,
        error = NULL, answered_at = now()
        {_MINE} RETURNING *, cost AS amount
    """,
    gives="*",
).bindparams(bindparam("cost", type_=Numeric(18, 8)))
_FAIL = _ending(
    f"state = 'failed', error = :error, wasted = wasted + :charge {_MINE} "
    "RETURNING digest, run, :charge AS amount"
).bindparams(bindparam("charge", type_=Numeric(18, 8)))
_ORPHANED = _ending(
    "state = 'failed', error = :error, wasted = wasted + estimate "
    "WHERE digest = :request AND state = 'in_flight' RETURNING digest, run, estimate AS amount"
)


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
