"""Locks that a dead process cannot keep: PostgreSQL session locks, each on a connection of its own."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


def lock_key(kind: str, name: str) -> int:
    """The 64-bit number that stands for a name among PostgreSQL's advisory locks."""
    return int.from_bytes(hashlib.sha256(f"{kind}:{name}".encode()).digest()[:8], signed=True)


@asynccontextmanager
async def session_lock(engine: AsyncEngine, key: int, *, wait: bool = True) -> AsyncIterator[bool]:
    """Whether the lock is held (always, when waiting for it); it ends with the block or the process.

    The engine's connections must be in autocommit, as Database.locks is.
    """
    async with engine.connect() as conn:
        held = await _acquire(conn, key, wait)
        try:
            yield held
        finally:
            if held:
                await _release(conn, key)


async def _acquire(conn: AsyncConnection, key: int, wait: bool) -> bool:
    ask = "SELECT true FROM pg_advisory_lock(:key)" if wait else "SELECT pg_try_advisory_lock(:key)"
    try:
        return bool((await conn.execute(text(ask), {"key": key})).scalar_one())
    except BaseException:
        await conn.invalidate()
        raise


async def _release(conn: AsyncConnection, key: int) -> None:
    try:
        await conn.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
    except DBAPIError:
        await conn.invalidate()
    except BaseException:
        await conn.invalidate()
        raise
