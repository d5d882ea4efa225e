"""Content-addressed artifacts, and the answers of stage keys."""

import hashlib
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import Digest, Value
from schemas.errors import InputError, PhoenixError
from services.database.tables import Artifact, Result


class StageResult(Value):
    """What a stage answered under its key."""

    key: str
    stage: str
    outcome: str
    answer: Digest
    run: str
    item: str | None


async def put_artifacts(conn: AsyncConnection, bodies: Iterable[tuple[str, bytes]]) -> list[str]:
    """The digests of the bodies, in their order; a body that is there already is not written again."""
    named = [(hashlib.sha256(body).hexdigest(), kind, body) for kind, body in bodies]
    rows = {name: {"digest": name, "kind": kind, "body": body} for name, kind, body in named}
    if rows:
        # In one order everywhere, so that two writers of the same bodies cannot deadlock.
        await conn.execute(insert(Artifact).on_conflict_do_nothing(), [rows[name] for name in sorted(rows)])
    return [name for name, _, _ in named]


async def get_artifacts(conn: AsyncConnection, digests: Iterable[str]) -> dict[str, bytes]:
    """The bodies of many digests.

    Raises:
        InputError: a digest is not in the database.
        PhoenixError: a body is not what its digest names.
    """
    wanted = set(digests)
    query = select(Artifact.digest, Artifact.body).where(Artifact.digest.in_(wanted))
    found = {row.digest: bytes(row.body) for row in await conn.execute(query)}
    for name in sorted(wanted):
        if name not in found:
            raise InputError(f"artifact {name} is not in this database. Check DATABASE_URL and the digest.")
        if hashlib.sha256(found[name]).hexdigest() != name:
            raise PhoenixError(f"artifact {name} was changed outside Phoenix. Restore the database.")
    return found


async def get_artifact(conn: AsyncConnection, digest: str) -> bytes:
    """The body of one digest; raises like get_artifacts."""
    return (await get_artifacts(conn, [digest]))[digest]


async def get_results(conn: AsyncConnection, keys: Iterable[str]) -> dict[str, StageResult]:
    """The answers that are known, by stage key."""
    query = select(Result.key, Result.stage, Result.outcome, Result.answer, Result.run, Result.item)
    rows = await conn.execute(query.where(Result.key.in_(set(keys))))
    return {row.key: StageResult.model_validate(row._asdict()) for row in rows}


async def get_result(conn: AsyncConnection, key: str) -> StageResult | None:
    """The answer of one stage key, if it is known."""
    return (await get_results(conn, [key])).get(key)


async def put_result(
    conn: AsyncConnection,
    key: str,
    *,
    stage: str,
    outcome: str,
    answer_digest: str,
    run: str,
    item: str | None,
) -> None:
    """Record a stage's answer; the first one stays."""
    row = {"key": key, "stage": stage, "outcome": outcome, "answer": answer_digest, "run": run, "item": item}
    await conn.execute(insert(Result).values(row).on_conflict_do_nothing())
