"""What is remembered, with its vectors, and the hints that were given: the truth behind the memory."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import Digest, Value
from schemas.errors import InputError
from schemas.memory import HintKind, MemoryEntry
from services.database import store
from services.database.memory_tables import HintRow, MemoryRow
from services.database.tables import Generation, Result, WorkItem

REQUIREMENTS_BY = [("PLAN_AND_TEST", "red"), ("REQUIREMENT_INGESTION", "specified")]
"""The stages that write requirements, with the outcome of those that do."""


@dataclass(frozen=True)
class Space:
    """Which vectors can be compared: those of one embedder and one length."""

    embedder: str
    dimensions: int


@dataclass(frozen=True)
class Among:
    """Which entries are looked at; None for all."""

    kind: HintKind | None = None
    project: str | None = None


class AcceptedItem(Value):
    """The current generation of an item, with the artifacts that tell what it is."""

    project: str
    run: str
    key: str
    body: Digest
    """The artifact of the planned item."""
    candidate: Digest
    plan: Digest | None
    """The answer of the stage that wrote the requirements in the same run, if there is one."""


async def add(
    conn: AsyncConnection, entries: Iterable[MemoryEntry], embedder: str, vectors: Iterable[bytes | None]
) -> int:
    """How many of the entries are new; the others stay as they are, expired ones too."""
    listed = list(entries)
    bodies = await store.put_artifacts(conn, [("memory", e.body.encode()) for e in listed])
    rows = {
        entry.name(): {
            "digest": entry.name(),
            "kind": entry.kind,
            **entry.source.model_dump(),
            "text": entry.text,
            "body": body,
            "embedder": embedder,
            "vector": vector,
        }
        for entry, body, vector in zip(listed, bodies, vectors, strict=True)
    }
    added = 0
    for name in sorted(rows):
        put = insert(MemoryRow).values(rows[name]).on_conflict_do_nothing().returning(MemoryRow.digest)
        added += len((await conn.execute(put)).all())
    return added


async def get(conn: AsyncConnection, names: Collection[str]) -> list[Any]:
    """The rows of these digests that have not expired."""
    return list(await conn.execute(_rows().where(MemoryRow.digest.in_(names), _alive())))


async def newest(conn: AsyncConnection, space: Space, among: Among, limit: int) -> list[Any]:
    """The digests and vectors of a space's newest entries."""
    query = select(MemoryRow.digest, MemoryRow.vector).where(_in(space), *_where(among))
    return list(await conn.execute(query.order_by(MemoryRow.number.desc()).limit(limit)))


async def names(conn: AsyncConnection, space: Space) -> list[str]:
    """The digests of everything in a space, the newest first."""
    query = select(MemoryRow.digest).where(_in(space)).order_by(MemoryRow.number.desc())
    return list((await conn.execute(query)).scalars())


async def mark(conn: AsyncConnection, space: Space) -> tuple[int, str]:
    """How many entries a space has, and a text that changes whenever one comes or goes."""
    gone = select(func.count(MemoryRow.expired_at)).scalar_subquery()
    query = select(func.count(), func.coalesce(func.max(MemoryRow.number), 0), gone).where(_in(space))
    number, last, expired = (await conn.execute(query)).one()
    return number, f"{number} entries to {last}, {expired} expired"


async def space_of(conn: AsyncConnection, embedder: str) -> Space | None:
    """The space of an embedder's newest vector; None while it has none."""
    query = select(func.length(MemoryRow.vector)).where(MemoryRow.embedder == embedder, _alive())
    newest_first = query.where(MemoryRow.vector.is_not(None)).order_by(MemoryRow.number.desc()).limit(1)
    length = (await conn.execute(newest_first)).scalar_one_or_none()
    return None if length is None else Space(embedder, length // 4)


async def waiting(conn: AsyncConnection, embedder: str, limit: int, *, others: bool) -> list[Any]:
    """Digests and texts of entries without a vector; with others, also of those of another embedder."""
    missing = and_(MemoryRow.embedder == embedder, MemoryRow.vector.is_(None))
    wanted = or_(missing, MemoryRow.embedder != embedder) if others else missing
    query = select(MemoryRow.digest, MemoryRow.text).where(wanted, _alive())
    return list(await conn.execute(query.order_by(MemoryRow.number.desc()).limit(limit)))


async def set_vectors(conn: AsyncConnection, embedder: str, vectors: Mapping[str, bytes]) -> None:
    """Give entries the vectors of an embedder."""
    for name in sorted(vectors):
        changed = update(MemoryRow).where(MemoryRow.digest == name)
        await conn.execute(changed.values(embedder=embedder, vector=vectors[name]))


async def expire(conn: AsyncConnection, beginning: str) -> str:
    """The digest of the entry that is never hinted at again, found by its beginning.

    Raises:
        InputError: no entry has it, or more than one.
    """
    query = select(MemoryRow.digest).where(MemoryRow.digest.startswith(beginning, autoescape=True)).limit(2)
    found = list((await conn.execute(query)).scalars())
    if not beginning or len(found) != 1:
        problem = "no entry" if not found else "more than one entry"
        raise InputError(
            f"{problem} of the memory begins with {beginning!r}. 'phoenix memory search TEXT' shows digests."
        )
    changed = update(MemoryRow).where(MemoryRow.digest == found[0], MemoryRow.expired_at.is_(None))
    await conn.execute(changed.values(expired_at=func.now()))
    return str(found[0])


async def count(conn: AsyncConnection, embedder: str) -> tuple[dict[HintKind, int], int, int]:
    """How many entries each kind has, how many wait for a vector of this embedder, how many expired."""
    kinds = select(MemoryRow.kind, func.count()).where(_alive()).group_by(MemoryRow.kind)
    found = {HintKind(kind): number for kind, number in (await conn.execute(kinds))}
    absent = or_(MemoryRow.embedder != embedder, MemoryRow.vector.is_(None))
    query = select(func.count().filter(absent, _alive()), func.count(MemoryRow.expired_at))
    late, expired = (await conn.execute(query)).one()
    return {kind: found.get(kind, 0) for kind in HintKind}, late, expired


async def of_items(conn: AsyncConnection) -> dict[tuple[str, str], set[HintKind]]:
    """The kinds of entries that each project's items have, expired ones too."""
    query = select(MemoryRow.project, MemoryRow.item, MemoryRow.kind).distinct()
    found: dict[tuple[str, str], set[HintKind]] = {}
    for project, item, kind in await conn.execute(query):
        found.setdefault((project, item), set()).add(HintKind(kind))
    return found


async def accepted_items(conn: AsyncConnection) -> list[AcceptedItem]:
    """Every item's current generation, in the order of acceptance."""
    written = tuple_(Result.stage, Result.outcome).in_(REQUIREMENTS_BY)
    plan = select(Result.answer).where(Result.run == Generation.run, written)
    newest_plan = plan.order_by(Result.recorded_at.desc()).limit(1).scalar_subquery()
    planned = select(WorkItem.body).where(
        WorkItem.project == Generation.project, WorkItem.key == Generation.key
    )
    body = planned.order_by(WorkItem.run).limit(1).scalar_subquery()
    query = (
        select(
            Generation.project,
            Generation.run,
            Generation.key,
            body.label("body"),
            Generation.candidate,
            newest_plan.label("plan"),
        )
        .where(Generation.superseded_at.is_(None), body.is_not(None))
        .order_by(Generation.number)
    )
    return [AcceptedItem(**row._asdict()) for row in await conn.execute(query)]


async def given(conn: AsyncConnection, key: str) -> bytes | None:
    """The hints that were given under a key."""
    body = (await conn.execute(select(HintRow.body).where(HintRow.key == key))).scalar_one_or_none()
    return None if body is None else await store.get_artifact(conn, body)


async def give(conn: AsyncConnection, key: str, hints: bytes) -> bytes:
    """The hints that count under a key: those that were given first."""
    [body] = await store.put_artifacts(conn, [("hints", hints)])
    await conn.execute(insert(HintRow).values(key=key, body=body).on_conflict_do_nothing())
    return await given(conn, key) or hints


async def identity(conn: AsyncConnection) -> str:
    """A short name of this database, which a copy of it elsewhere does not share."""
    query = text(
        "SELECT system_identifier, oid FROM pg_control_system(), pg_database "
        "WHERE datname = current_database()"
    )
    system, database = (await conn.execute(query)).one()
    return hashlib.sha256(f"{system}/{database}".encode()).hexdigest()[:12]


def _rows() -> Select[Any]:
    names = ("digest", "kind", "project", "run", "item", "text", "body", "embedder", "vector")
    return select(*(getattr(MemoryRow, name) for name in names))


def _alive() -> ColumnElement[bool]:
    return MemoryRow.expired_at.is_(None)


def _in(space: Space) -> ColumnElement[bool]:
    same = and_(MemoryRow.embedder == space.embedder, func.length(MemoryRow.vector) == 4 * space.dimensions)
    return and_(same, _alive())


def _where(among: Among) -> list[ColumnElement[bool]]:
    named = {MemoryRow.kind: among.kind, MemoryRow.project: among.project}
    return [column == wanted for column, wanted in named.items() if wanted is not None]
