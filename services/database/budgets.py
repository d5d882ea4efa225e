"""Budgets: no reservation is granted that could take what is spent over a cap."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, case, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Numeric, Text

from schemas.budget import Budget, BudgetState, Shortfall
from services.database.tables import BudgetRow

SMALLEST = Decimal("0.00000001")
TOO_LITTLE = "reservations_room_check"
"""The constraint that a reservation breaks for which a budget has no room."""
_TODAY = "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
_ASKED = f"""
    SELECT scope, CASE key WHEN '' THEN {_TODAY} ELSE key END AS key, cap, place
    FROM unnest(:scopes, :keys, :caps) WITH ORDINALITY AS named (scope, key, cap, place)
"""  # nosec B608
CAPS = (
    bindparam("scopes", type_=ARRAY(Text)),
    bindparam("keys", type_=ARRAY(Text)),
    bindparam("caps", type_=ARRAY(Numeric(18, 8))),
)
"""The types of what columns() gives."""

# Rows are taken in one order everywhere, so that two calls with the same budgets cannot deadlock.
_OPEN = """
    INSERT INTO budgets AS b (scope, key, cap, reserved) {asked} ORDER BY 1, 2
    ON CONFLICT (scope, key) DO UPDATE SET
        reserved = b.reserved + excluded.reserved,
        cap = CASE b.raised_from WHEN excluded.cap THEN b.raised_to ELSE excluded.cap END
    RETURNING scope, key, cap - reserved - spent AS room
"""
_WANTED = f"SELECT scope, key, cap, :amount FROM told, ({_ASKED}) AS asked"  # nosec B608
RESERVED = f"""
    opened AS ({_OPEN.format(asked=_WANTED)}),
    held AS (
        INSERT INTO reservations (request, scope, key, amount, room)
        SELECT :request, scope, key, :amount, room FROM opened
    )
"""  # nosec B608
"""A part of a statement: :amount reserved for :request in every budget, or an error; `told` has one row, or
none when nothing is to be reserved."""
RELEASED = """
    ended AS (
        DELETE FROM reservations USING settled WHERE reservations.request = settled.digest
        RETURNING scope, key, reservations.amount, settled.amount AS spent
    ), charged AS (
        INSERT INTO budgets AS b (scope, key, reserved, spent)
        SELECT scope, key, amount, spent FROM ended ORDER BY 1, 2
        ON CONFLICT (scope, key) DO UPDATE SET
            reserved = b.reserved - excluded.reserved, spent = b.spent + excluded.spent
    )
"""
"""A part of a statement: what `settled` (digest, amount) had reserved is given back, and its amount spent."""
_OPENED = text(_OPEN.format(asked=f"SELECT scope, key, cap, 0 FROM ({_ASKED}) AS asked")).bindparams(*CAPS)  # nosec B608
_STAND = text(f"""
    SELECT asked.scope, asked.key, coalesce(b.reserved, 0) AS reserved, coalesce(b.spent, 0) AS spent,
        CASE b.raised_from WHEN asked.cap THEN b.raised_to ELSE asked.cap END AS cap
    FROM ({_ASKED}) AS asked LEFT JOIN budgets AS b USING (scope, key) ORDER BY place
""").bindparams(*CAPS)  # nosec B608


def columns(budgets: Iterable[Budget]) -> dict[str, Any]:
    """Budgets as the parameters of a statement, each once."""
    named = {(b.scope, b.key): b for b in budgets}.values()
    return {
        "scopes": [b.scope for b in named],
        "keys": [b.key for b in named],
        "caps": [b.cap for b in named],
    }


async def open_budgets(conn: AsyncConnection, budgets: Iterable[Budget]) -> None:
    """Open budgets at the caps that hold from now on; what was spent stays."""
    await conn.execute(_OPENED, columns(budgets))


async def raise_cap(conn: AsyncConnection, scope: str, key: str, told: Decimal, cap: Decimal) -> None:
    """From now on, who is told a cap of `told` may take an open budget to `cap`, or to what was more."""
    most = case((BudgetRow.raised_from == told, func.greatest(BudgetRow.raised_to, cap)), else_=cap)
    raised = update(BudgetRow).where(BudgetRow.scope == scope, BudgetRow.key == key)
    await conn.execute(raised.values(raised_from=told, raised_to=most, cap=most))


async def budget_states(conn: AsyncConnection, budgets: Iterable[Budget]) -> list[BudgetState]:
    """Where budgets stand, in their order, with the caps that hold for who is told these."""
    rows = await conn.execute(_STAND, columns(budgets))
    return [BudgetState.model_validate(row._asdict()) for row in rows]


async def shortfall(conn: AsyncConnection, budgets: Iterable[Budget], amount: Decimal) -> Shortfall | None:
    """The first of the budgets that has no room for an amount; None when all have."""
    budgets = tuple(budgets)
    for budget, now in zip(budgets, await budget_states(conn, budgets), strict=True):
        if now.cap is not None and now.spent + now.reserved + amount > now.cap:
            told = (budget.cap or Decimal(0)).quantize(SMALLEST)
            return Shortfall(**now.model_dump(), told=told, needed=amount, lever=budget.lever)
    return None


async def spent_by_project(conn: AsyncConnection) -> dict[str, Decimal]:
    """What each project has spent in all its runs."""
    query = select(BudgetRow.key, func.sum(BudgetRow.spent)).where(BudgetRow.scope == "project")
    return {key: spent for key, spent in await conn.execute(query.group_by(BudgetRow.key))}
