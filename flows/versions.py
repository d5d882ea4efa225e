"""Which version a release gets."""

import hashlib

from pydantic import TypeAdapter

from schemas.base import canonical_json
from schemas.errors import InputError
from schemas.project import manifest_of
from schemas.specification import Specification
from schemas.srs import SRS
from schemas.stages import Assembly, ReleaseTree
from schemas.verdict import Manifest
from services.database import releases, store
from services.database.releases import Release
from tasks.context import RunContext

FIRST = "0.1.0"
SPECIFICATION: TypeAdapter[SRS] = TypeAdapter(Specification | SRS)


async def next_version(context: RunContext, assembly: Assembly, candidate: str) -> str:
    """The first version, the latest one when it was made of the very same parts, else the next minor one."""
    async with context.database.transaction() as conn:
        latest = await releases.get_release(conn, context.project)
        if latest is None:
            return FIRST
        known = Manifest.model_validate_json(await store.get_artifact(conn, latest.manifest))
    made = manifest_of(
        slug=context.project,
        version=latest.version,
        brief=context.brief.text,
        assembly=assembly,
        candidate=candidate,
        files=(),
        claims={},
    )
    parts = {"brief", "srs", "contract", "suite", "candidate"}
    if made.model_dump(include=parts) == known.model_dump(include=parts):
        return latest.version
    return bumped(latest.version)


def bumped(version: str) -> str:
    """The next minor version."""
    major, minor, _ = version.split(".")
    return f"{major}.{int(minor) + 1}.0"


async def released_otherwise(context: RunContext, version: str, tree: ReleaseTree) -> bool:
    """Whether this version was released with other files."""
    async with context.database.transaction() as conn:
        latest = await releases.get_release(conn, context.project)
    return latest is not None and latest.version == version and latest.files != files_digest(tree)


def is_due(latest: Release | None, version: str, tree: ReleaseTree) -> bool:
    """Whether a tree may still be released under its version: no other run has taken it meanwhile."""
    if latest is None:
        return version == FIRST
    if version == latest.version:
        return latest.files == files_digest(tree)
    return version == bumped(latest.version)


def files_digest(tree: ReleaseTree) -> str:
    """The digest of the artifact that lists a tree's files."""
    return hashlib.sha256(canonical_json(tree.files)).hexdigest()


async def earlier_srs(context: RunContext, version: str) -> SRS | None:
    """The specification of the newest release of another version; None where there is none to read."""
    async with context.database.transaction() as conn:
        listed = await releases.list_releases(conn, context.project)
        before = [release for release in listed if release.version != version]
        if not before:
            return None
        manifest = Manifest.model_validate_json(await store.get_artifact(conn, before[0].manifest))
        try:
            return SPECIFICATION.validate_json(await store.get_artifact(conn, manifest.srs))
        except InputError:
            return None
