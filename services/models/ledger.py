"""What the gateway needs of the call ledger, and the ledger in the database."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from schemas.budget import Budget
from schemas.calls import Reply, Request

if TYPE_CHECKING:
    from services.database import Database
    from services.database import calls as stored


@dataclass(frozen=True)
class CallScope:
    """On whose account a call is made."""

    run: str
    execution: str
    project: str
    budgets: tuple[Budget, ...]
    """Every budget that applies."""


class Claim(Protocol):
    """The right to make one call, with its worst price reserved."""

    async def settle(self, reply: Reply, cost: Decimal | None) -> Reply:
        """The reply as it is recorded; charged at its cost but at most at the estimate, which None means."""

    async def fail(self, error: str, charge: Decimal) -> None:
        """Record that no answer came; what may have been paid stays spent."""


class CallLedger(Protocol):
    """Every call that was ever made, by its digest."""

    async def tell(self, scope: CallScope, request: Request) -> tuple[Reply | None, int]:
        """The recorded answer, and which attempt of its agent and subject the request is in its run."""

    def claim(
        self, scope: CallScope, request: Request, estimate: Decimal
    ) -> AbstractAsyncContextManager[Claim | Reply]:
        """The right to call, or the answer that another call brought meanwhile.

        Raises:
            BudgetExceeded: a budget cannot hold the estimate; nothing was sent.
        """


class DatabaseLedger:
    """The ledger in PostgreSQL."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    async def tell(self, scope: CallScope, request: Request) -> tuple[Reply | None, int]:
        """The recorded answer, and which attempt of its agent and subject the request is in its run."""
        from services.database import calls

        async with self._database.transaction() as conn:
            known = await calls.hot(conn, request.digest())
            attempt = await calls.tell(conn, scope.run, request)
        return known.reply if known else None, attempt

    @asynccontextmanager
    async def claim(
        self, scope: CallScope, request: Request, estimate: Decimal
    ) -> AsyncIterator[Claim | Reply]:
        """The right to call, or the answer that another call brought meanwhile."""
        from services.database import calls

        async with calls.claim(
            self._database, request, run=scope.run, estimate=estimate, budgets=scope.budgets
        ) as claimed:
            if isinstance(claimed, calls.Claim):
                yield _DatabaseClaim(self._database, claimed)
            else:
                yield _reply(claimed)


class _DatabaseClaim:
    def __init__(self, database: "Database", claimed: "stored.Claim") -> None:
        self._database, self._claimed = database, claimed

    async def settle(self, reply: Reply, cost: Decimal | None) -> Reply:
        from services.database import calls

        async with self._database.statements() as conn:
            return _reply(await calls.settle(conn, self._claimed, reply, cost))

    async def fail(self, error: str, charge: Decimal) -> None:
        from services.database import calls

        async with self._database.statements() as conn:
            await calls.fail(conn, self._claimed, error, charge=charge)


def _reply(call: "stored.ModelCall") -> Reply:
    if call.reply is None:
        raise TypeError(f"call {call.request} is done and has no answer")
    return call.reply
