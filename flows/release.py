"""The release: an approved tree becomes a commit, and the commit a row."""

from pathlib import Path

from flows.finish import Finished
from flows.order import Ending
from flows.trailers import trailers_of
from flows.versions import is_due
from schemas.base import canonical_json
from schemas.project import MANIFEST_PATH
from schemas.stateflow import State
from services import repository
from services.database import releases, store
from services.database.releases import Release
from tasks.telling import ACTOR, Telling


async def release(telling: Telling, finished: Finished, output: str | None) -> Ending | None:
    """Commit the tree and end the run; None when another run has released under its version meanwhile."""
    context = telling.context
    folder = Path(output) if output else context.home / "releases" / context.project
    async with releases.releasing(context.database, context.project):
        async with context.database.transaction() as conn:
            latest = await releases.get_release(conn, context.project)
        if not is_due(latest, finished.version, finished.tree):
            return None
        commit = await _commit(telling, finished, folder, latest)
    await telling.move(State.COMPLETED, "approve")
    news = "committed" if commit.new else "unchanged, this tree was there already"
    return Ending(
        run=context.run,
        state=State.COMPLETED,
        message=f"release {finished.version} of {context.project}: {news}",
        path=str(commit.path),
    )


async def _commit(
    telling: Telling, finished: Finished, folder: Path, latest: Release | None
) -> repository.Commit:
    context, tree = telling.context, finished.tree
    manifest = next(f for f in tree.files if f.path == MANIFEST_PATH)
    async with context.database.transaction() as conn:
        trailers = await trailers_of(conn, context.project, context.run, tree.digest_of_tree)
    title = f"Release {finished.version} of {context.project}"
    commit = await repository.write_release(folder, tree.files, title, trailers)
    async with context.database.transaction() as conn:
        [manifest_digest, files_digest] = await store.put_artifacts(
            conn, [("manifest", manifest.text.encode()), ("release", canonical_json(tree.files))]
        )
        if not (latest and latest.version == finished.version):
            await releases.record_release(
                conn,
                project=context.project,
                run=context.run,
                execution=context.execution,
                version=finished.version,
                tree=commit.tree,
                commit=commit.commit,
                manifest=manifest_digest,
                files=files_digest,
                supersedes=latest.version if latest else None,
                actor=ACTOR,
            )
    return commit
