"""Work items as runs planned them, and the accepted generation of each item key."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import Digest, Value
from services.database import ledger
from services.database.database import Database
from services.database.session_lock import LEASE_S, lock_key, session_lock
from services.database.tables import Generation, WorkItem

GENERATION = ("project", "key", "suite", "candidate", "evidence", "run")


class PlannedItem(Value):
    """A work item of one run, with the reason for which it is built or taken over."""

    id: str
    key: str
    title: str
    body: Digest
    """The artifact that describes it."""
    reason: str


class Accepted(Value):
    """The current accepted candidate of an item key."""

    project: str
    key: str
    suite: Digest
    candidate: Digest
    evidence: Digest
    run: str


async def plan_items(conn: AsyncConnection, project: str, run: str, items: Iterable[PlannedItem]) -> None:
    """Write a run's items in their order; planning again replaces keys, titles and reasons."""
    for position, item in enumerate(items):
        row: dict[str, Any] = {**item.model_dump(), "run": run, "project": project, "position": position}
        changed = {key: row[key] for key in ("key", "title", "body", "reason", "position")}
        planned = insert(WorkItem).values(row)
        await conn.execute(planned.on_conflict_do_update(index_elements=["run", "id"], set_=changed))


async def planned_items(conn: AsyncConnection, run: str) -> list[PlannedItem]:
    """A run's items in their order."""
    columns = (WorkItem.id, WorkItem.key, WorkItem.title, WorkItem.body, WorkItem.reason)
    rows = await conn.execute(select(*columns).where(WorkItem.run == run).order_by(WorkItem.position))
    return [PlannedItem(**row._asdict()) for row in rows]


async def accept(conn: AsyncConnection, accepted: Accepted) -> None:
    """Make a candidate the current one of its item key; the same candidate again changes nothing."""
    await conn.execute(ledger.lock_project(accepted.project))
    known = await accepted_generations(conn, accepted.project, [accepted.key])
    if accepted.key in known and _body(known[accepted.key]) == _body(accepted):
        return
    current = (Generation.project == accepted.project, Generation.key == accepted.key)
    superseded = update(Generation).where(*current, Generation.superseded_at.is_(None))
    await conn.execute(superseded.values(superseded_at=func.now()))
    await conn.execute(insert(Generation).values(accepted.model_dump()))


def developing(db: Database, project: str, key: str) -> AbstractAsyncContextManager[bool]:
    """Whether this process alone works on the item now; no waiting.

    A holder that dies frees the item at once, and one that hangs when its lease is over. If it wakes up
    again, both work on the item: at worst a stage is done twice, and the later acceptance counts.
    """
    return session_lock(db.locks, item_lock(project, key), wait=False, lease_s=LEASE_S)


def item_lock(project: str, key: str) -> int:
    """The number of the lock that whoever develops an item holds."""
    return lock_key("item", f"{project}:{key}")


async def accepted_generations(
    conn: AsyncConnection, project: str, keys: Iterable[str]
) -> dict[str, Accepted]:
    """The current generation of each item key that has one."""
    query = select(*(getattr(Generation, name) for name in GENERATION))
    current = query.where(Generation.project == project, Generation.superseded_at.is_(None))
    rows = await conn.execute(current.where(Generation.key.in_(set(keys))))
    return {row.key: Accepted(**row._asdict()) for row in rows}


async def generated_keys(conn: AsyncConnection, run: str) -> set[str]:
    """The item keys for which a run made a candidate that was accepted, whatever superseded it later."""
    rows = await conn.execute(select(Generation.key).where(Generation.run == run))
    return set(rows.scalars())


def _body(accepted: Accepted) -> tuple[str, str, str]:
    return accepted.suite, accepted.candidate, accepted.evidence
