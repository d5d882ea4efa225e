"""Budgets: no reservation is granted that could take what is spent over a cap."""

from collections.abc import Iterable
from decimal import ROUND_UP, Decimal
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import Value
from schemas.errors import BudgetExceeded
from schemas.policy import money
from services.database.tables import BudgetRow, Reservation

SMALLEST = Decimal("0.00000001")


class Budget(Value):
    """The name of a budget, such as run 3f2a…, or month 2026-01."""

    scope: str
    key: str


class BudgetState(Value):
    """A budget's cap (None only counts), and what is reserved and spent against it."""

    scope: str
    key: str
    cap: Decimal | None
    reserved: Decimal
    spent: Decimal


async def set_budget(conn: AsyncConnection, budget: Budget, cap: Decimal | None) -> None:
    """Open a budget, or change its cap."""
    row = insert(BudgetRow).values(scope=budget.scope, key=budget.key, cap=cap)
    changed = row.on_conflict_do_update(index_elements=["scope", "key"], set_={"cap": cap})
    await conn.execute(changed)


async def get_budget(conn: AsyncConnection, budget: Budget) -> BudgetState | None:
    """Where a budget stands; None when it was never opened."""
    columns = (BudgetRow.scope, BudgetRow.key, BudgetRow.cap, BudgetRow.reserved, BudgetRow.spent)
    row = (await conn.execute(select(*columns).where(_is(budget)))).one_or_none()
    return BudgetState.model_validate(row._asdict()) if row else None


async def reserve(conn: AsyncConnection, request: str, budgets: Iterable[Budget], amount: Decimal) -> Decimal:
    """The amount, rounded up to what is stored, reserved in every budget or in none.

    Raises:
        BudgetExceeded: a cap is too low; the caller's transaction must not be committed.
    """
    amount = amount.quantize(SMALLEST, ROUND_UP)
    # In one order everywhere, so that two calls with the same budgets cannot deadlock.
    for budget in sorted(set(budgets), key=lambda b: (b.scope, b.key)):
        await conn.execute(
            insert(BudgetRow).values(scope=budget.scope, key=budget.key).on_conflict_do_nothing()
        )
        fits = or_(BudgetRow.cap.is_(None), BudgetRow.reserved + BudgetRow.spent + amount <= BudgetRow.cap)
        granted = update(BudgetRow).where(_is(budget), fits)
        if (await conn.execute(granted.values(reserved=BudgetRow.reserved + amount))).rowcount == 0:
            raise await _exceeded(conn, budget, amount)
        held: dict[str, Any] = {
            "request": request,
            "scope": budget.scope,
            "key": budget.key,
            "amount": amount,
        }
        await conn.execute(insert(Reservation).values(held))
    return amount


async def release(conn: AsyncConnection, request: str, spent: Decimal) -> None:
    """End a request's reservations, with what was spent of each."""
    held = select(Reservation.scope, Reservation.key, Reservation.amount)
    held = held.where(Reservation.request == request).order_by(Reservation.scope, Reservation.key)
    for row in (await conn.execute(held)).all():
        changed = update(BudgetRow).where(_is(Budget(scope=row.scope, key=row.key)))
        await conn.execute(
            changed.values(reserved=BudgetRow.reserved - row.amount, spent=BudgetRow.spent + spent)
        )
    await conn.execute(delete(Reservation).where(Reservation.request == request))


async def _exceeded(conn: AsyncConnection, budget: Budget, needed: Decimal) -> BudgetExceeded:
    state = await get_budget(conn, budget)
    cap, spent, reserved = (
        (state.cap or Decimal(0), state.spent, state.reserved) if state else (Decimal(0),) * 3
    )
    return BudgetExceeded(
        f"budget {budget.scope} {budget.key}: the cap is {money(cap)}, spent {money(spent)}, "
        f"reserved {money(reserved)}, the next call needs up to {money(needed)}. "
        "Raise the cap (--budget USD), then run the same command again."
    )


def _is(budget: Budget) -> ColumnElement[bool]:
    return (BudgetRow.scope == budget.scope) & (BudgetRow.key == budget.key)
