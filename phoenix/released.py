"""Releases that exist already: found by brief and policy, and written to a folder again."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from flows.order import BuildOrder
from flows.trailers import trailers_of
from schemas.base import SourceFile
from schemas.project import tree_digest
from services import repository
from services.database import Database, releases, runs, store

_FILES = TypeAdapter(tuple[SourceFile, ...])


@dataclass(frozen=True)
class Released:
    """A run that made just this release, and the folder it lies in."""

    run: str
    path: str


async def released(database: Database, home: Path, order: BuildOrder) -> Released | None:
    """The release that the order asks for, when the project's latest one was made from this brief and
    policy; its folder is written again where it is missing. A run that died between its release and its
    end has still to come to that end."""
    brief = order.brief
    async with database.transaction() as conn:
        release = await releases.get_release(conn, brief.slug)
        if release is None:
            return None
        run = await runs.find_run(conn, release.run)
        if (run.brief, run.policy) != (brief.digest(), order.policy.digest()) or run.ended_at is None:
            return None
        files = _FILES.validate_json(await store.get_artifact(conn, release.files))
        trailers = await trailers_of(conn, brief.slug, run.id, tree_digest(files))
    folder = Path(order.output) if order.output else home / "releases" / brief.slug
    await repository.write_release(folder, files, f"Release {release.version} of {brief.slug}", trailers)
    return Released(run.id, str(folder))
