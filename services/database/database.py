"""One database: its engine, brought up to this code's revision."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.database import migrate
from services.database.connect import make_engine, parse_url, refusal


class Database:
    """One migrated database: an engine for transactions, and one whose connections hold session locks.

    They are apart so that many who wait for locks can never starve the transactions that free them.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._at_once = engine.execution_options(isolation_level="AUTOCOMMIT")
        self.locks = make_engine(engine.url, at_most=None, isolation_level="AUTOCOMMIT")

    @classmethod
    async def open(cls, url: str) -> "Database":
        """The database at a URL, migrated.

        Raises:
            Unreachable: nothing answers there, or it refuses us.
            ConfigurationError: another dialect, an old server, or a database newer than this code.
        """
        engine = make_engine(parse_url(url))
        try:
            await migrate.apply(engine)
        except DBAPIError as error:
            await engine.dispose()
            raise refusal(engine.url, error) from None
        except BaseException:
            await engine.dispose()
            raise
        return cls(engine)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
        await self.locks.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose work is committed as a whole, or not at all; do not nest them."""
        async with self.engine.begin() as conn:
            yield conn

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[AsyncConnection]:
        """A connection that commits each statement in the same round trip, so that a row which everybody
        shares is not locked while a busy client gets round to its commit."""
        async with self._at_once.connect() as conn:
            yield conn

    async def __aenter__(self) -> "Database":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
