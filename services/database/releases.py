"""Releases: accepted source trees, with what they are made of."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import Digest, Value
from schemas.events import EventKind
from services.database import ledger
from services.database.database import Database
from services.database.session_lock import LEASE_S, lock_key, session_lock
from services.database.tables import ReleaseRow

Status = Literal["promoted", "kept"]


class Release(Value):
    """One release; a kept one was built but did not replace what it was to supersede."""

    project: str
    version: str
    run: str
    tree: str
    commit: str
    manifest: Digest
    files: Digest
    """The artifact that lists the digests of all files."""
    supersedes: str | None
    status: Status
    released_at: datetime


def releasing(db: Database, project: str) -> AbstractAsyncContextManager[bool]:
    """One run of a project at a time takes a version, writes the tree and records the release."""
    return session_lock(db.locks, lock_key("release", project), lease_s=LEASE_S)


async def record_release(
    conn: AsyncConnection,
    *,
    project: str,
    run: str,
    execution: str,
    version: str,
    tree: str,
    commit: str,
    manifest: str,
    files: str,
    supersedes: str | None,
    actor: str,
    status: Status = "promoted",
) -> Release:
    """The release, recorded with its event; the same tree released again by its run is recorded once."""
    await conn.execute(ledger.lock_project(project))
    known = await get_release(conn, project, version)
    if known and (known.run, known.tree) == (run, tree):
        return known
    row = {
        "project": project,
        "version": version,
        "run": run,
        "tree": tree,
        "commit": commit,
        "manifest": manifest,
        "files": files,
        "supersedes": supersedes,
        "status": status,
    }
    released_at = (
        await conn.execute(insert(ReleaseRow).values(row).returning(ReleaseRow.released_at))
    ).scalar_one()
    await ledger.append(
        conn,
        project=project,
        run=run,
        execution=execution,
        kind=EventKind.RELEASED,
        actor=actor,
        payload={key: value for key, value in row.items() if key not in ("project", "run")},
    )
    return Release.model_validate({**row, "released_at": released_at})


async def get_release(conn: AsyncConnection, project: str, version: str | None = None) -> Release | None:
    """A project's release of one version, else its latest promoted one."""
    query = _releases().where(ReleaseRow.project == project)
    if version is None:
        query = query.where(ReleaseRow.status == "promoted")
    else:
        query = query.where(ReleaseRow.version == version)
    row = (await conn.execute(query.order_by(ReleaseRow.number.desc()).limit(1))).one_or_none()
    return Release(**row._asdict()) if row else None


async def list_releases(conn: AsyncConnection, project: str) -> list[Release]:
    """A project's releases, the newest first."""
    query = _releases().where(ReleaseRow.project == project).order_by(ReleaseRow.number.desc())
    return [Release(**row._asdict()) for row in await conn.execute(query)]


async def latest_releases(conn: AsyncConnection) -> dict[str, Release]:
    """Each project's latest promoted release."""
    query = _releases().where(ReleaseRow.status == "promoted").order_by(ReleaseRow.number)
    return {row.project: Release(**row._asdict()) for row in await conn.execute(query)}


def _releases() -> Select[Any]:
    return select(*(getattr(ReleaseRow, name) for name in Release.model_fields))
