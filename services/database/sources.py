"""Where a run's answers came from."""

from sqlalchemy import select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.events import EventKind
from services.database.tables import EventRow, Generation, Result, WorkItem


async def taken_from(conn: AsyncConnection, run: str) -> list[str]:
    """The other runs whose stage answers and accepted items a run took over, the newest first."""
    told = (EventRow.run == run) & (EventRow.kind == EventKind.LEFT)
    stages = select(Result.run).join(EventRow, EventRow.payload["key"].astext == Result.key).where(told)
    current = (Generation.project == WorkItem.project) & (Generation.key == WorkItem.key)
    accepted = (
        select(Generation.run)
        .join(WorkItem, current)
        .where(WorkItem.run == run, Generation.superseded_at.is_(None))
    )
    found = await conn.scalars(union(stages, accepted))
    return [other for other in found if other != run]
