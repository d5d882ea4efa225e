"""Locks that a dead process cannot keep: PostgreSQL session locks, each on a connection of its own.

A process that hangs, or a machine that is gone, cannot keep a lock that expires: its holder gives a sign of
life in time, or PostgreSQL ends the session (idle_session_timeout), and with it the lock. So the server alone
decides, by its own clock, and no other service is needed. A holder that comes back too late is told in the
log and goes on: what such locks guard may be done twice, because results are kept under their digests.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.telemetry import logger

LEASE_S = 60.0
"""How long a lock that expires outlives the last sign of life of its holder."""


def lock_key(kind: str, name: str) -> int:
    """The 64-bit number that stands for a name among PostgreSQL's advisory locks."""
    return int.from_bytes(hashlib.sha256(f"{kind}:{name}".encode()).digest()[:8], signed=True)


@asynccontextmanager
async def session_lock(
    engine: AsyncEngine, key: int, *, wait: bool = True, lease_s: float | None = None
) -> AsyncIterator[bool]:
    """Whether the lock is held (always, when waiting for it); it ends with the block or the process.

    With a lease it also ends so many seconds after the process gave its last sign of life, which it does
    four times in a lease. The engine's connections must be in autocommit, as Database.locks is.
    """
    async with engine.connect() as conn:
        held = await _acquire(conn, key, wait, lease_s)
        ended = asyncio.Event()
        living = asyncio.create_task(_live(conn, lease_s / 4, ended)) if held and lease_s else None
        try:
            yield held
        finally:
            ended.set()
            if held:
                await _release(conn, key, living)


_WAIT = """SELECT true AS held, set_config('idle_session_timeout', CAST(:lease AS text), false)
FROM pg_advisory_lock(:key)"""
_TRY = """SELECT held, CASE WHEN held THEN set_config('idle_session_timeout', CAST(:lease AS text), false) END
FROM pg_try_advisory_lock(:key) AS held"""


async def _acquire(conn: AsyncConnection, key: int, wait: bool, lease_s: float | None) -> bool:
    ask = _WAIT if wait else _TRY
    lease = None if lease_s is None else str(round(lease_s * 1000))
    try:
        return bool((await conn.execute(text(ask), {"key": key, "lease": lease})).one().held)
    except BaseException:
        await conn.invalidate()
        raise


async def _live(conn: AsyncConnection, every_s: float, ended: asyncio.Event) -> None:
    """Keep the session from being idle for too long."""
    while not ended.is_set():
        try:
            async with asyncio.timeout(every_s):
                await ended.wait()
        except TimeoutError:
            try:
                await conn.execute(text("SELECT 1"))
            except DBAPIError:
                logger().warning("a lock expired while its holder went on; its work may be done twice")
                return


async def _release(conn: AsyncConnection, key: int, living: "asyncio.Task[None] | None") -> None:
    unlock = "SELECT pg_advisory_unlock(:key), set_config('idle_session_timeout', NULL, false)"
    try:
        if living:
            await living
        if not conn.invalidated:
            await conn.execute(text(unlock), {"key": key})
    except DBAPIError:
        await conn.invalidate()
    except BaseException:
        await conn.invalidate()
        raise
