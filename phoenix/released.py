"""Releases that exist already: found by brief and policy, and written to a folder again."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from flows.order import BuildOrder
from schemas.base import SourceFile
from schemas.policy import plain
from services import repository
from services.database import Database, approvals, releases, runs, store, usage

_FILES = TypeAdapter(tuple[SourceFile, ...])


@dataclass(frozen=True)
class Released:
    """A run that made just this release, and the folder it lies in."""

    run: str
    path: str


async def released(database: Database, home: Path, order: BuildOrder) -> Released | None:
    """The release that the order asks for, when the project's latest one was made from this brief and
    policy; its folder is written again where it is missing."""
    brief = order.brief
    async with database.transaction() as conn:
        release = await releases.get_release(conn, brief.slug)
        if release is None:
            return None
        run = await runs.find_run(conn, release.run)
        if (run.brief, run.policy) != (brief.digest(), order.policy.digest()):
            return None
        files = _FILES.validate_json(await store.get_artifact(conn, release.files))
        trailers = await trailers_of(conn, run)
    folder = Path(order.output) if order.output else home / "releases" / brief.slug
    await repository.write_release(folder, files, f"Release {release.version} of {brief.slug}", trailers)
    return Released(run.id, str(folder))


async def trailers_of(conn: AsyncConnection, run: runs.Run) -> dict[str, str]:
    """The commit trailers of a run's release."""
    spent = await usage.run_usage(conn, run.id)
    decided = [a for a in await approvals.list_approvals(conn, run=run.id) if a.decision == "approve"]
    return {
        "Phoenix-Run": run.id,
        "Phoenix-Brief": run.brief,
        "Phoenix-Approved-By": decided[-1].who or "" if decided else "",
        "Phoenix-Cost-USD": plain(spent.cost_usd),
    }
