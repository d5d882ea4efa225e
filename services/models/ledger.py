"""What the gateway needs of the call ledger."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from schemas.calls import Reply, Request


@dataclass(frozen=True)
class CallScope:
    """On whose account a call is made."""

    run: str
    execution: str
    project: str
    budgets: tuple[tuple[str, str], ...]
    """The (scope, key) of every budget that applies."""


class Claim(Protocol):
    """The right to make one call, with its worst price reserved."""

    @property
    def answer(self) -> Reply | None:
        """The answer, when somebody else's call brought it meanwhile."""

    async def settle(self, reply: Reply, cost: Decimal, flagged: str) -> None:
        """Record the answer, charge it and release the rest."""

    async def fail(self, error: str, spent: Decimal) -> None:
        """Record that no answer came; what may have been paid stays spent."""


class CallLedger(Protocol):
    """Every call that was ever made, by its digest."""

    async def hot(self, digest: str) -> Reply | None:
        """The recorded answer."""

    async def attempt(self, scope: CallScope, request: Request) -> int:
        """Which attempt of its agent and subject the request is in its run; asked again, the same."""

    def claim(
        self, scope: CallScope, request: Request, estimate: Decimal
    ) -> AbstractAsyncContextManager[Claim]:
        """The right to call; waits while another holder is at it.

        Raises:
            BudgetExceeded: a budget cannot hold the estimate; nothing was sent.
        """
