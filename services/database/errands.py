"""Work items that a run sends to workers: who works on them, and whether anybody still waits for them."""

from collections.abc import Iterable
from typing import Literal

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.events import EventKind
from services.database.items import item_lock
from services.database.tables import EventRow, Execution

Standing = Literal["awaited", "stopped", "over"]
REFUSED = "refused"
"""What an item came to for which a budget, a limit or a service stopped the work of its whole execution."""

_HELD = text("""
SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


async def held(conn: AsyncConnection, project: str, keys: Iterable[str]) -> set[str]:
    """Those of the item keys that somebody works on now."""
    locks = {item_lock(project, key): key for key in keys}
    return {locks[row] for row in (await conn.execute(_HELD)).scalars() if row in locks}


async def standing(conn: AsyncConnection, execution: str, errand: str) -> Standing:
    """Whether the answer to an errand is awaited; or the work of its execution has been stopped; or it is
    over: the execution has ended, another one carries the run, or the errand was answered."""
    mine = select(Execution.run).where(Execution.id == execution, Execution.ended_at.is_(None))
    run = (await conn.execute(mine)).scalar_one_or_none()
    newest = select(Execution.id).where(Execution.run == run).order_by(Execution.number.desc()).limit(1)
    if (await conn.execute(newest)).scalar_one_or_none() != execution:
        return "over"
    ended = select(EventRow.payload).where(
        EventRow.run == run, EventRow.execution == execution, EventRow.kind == EventKind.ITEM_ENDED
    )
    words = (await conn.execute(ended)).scalars().all()
    if any(word["errand"] == errand for word in words):
        return "over"
    return "stopped" if any(word["outcome"] == REFUSED for word in words) else "awaited"
