"""Which version a release gets."""

from services.database import releases, runs
from tasks.context import RunContext

FIRST = "0.1.0"


async def next_version(context: RunContext) -> str:
    """The first version, the latest one when it came from this very brief, else the next minor one."""
    async with context.database.transaction() as conn:
        latest = await releases.get_release(conn, context.project)
        if latest is None:
            return FIRST
        if (await runs.brief_of(conn, latest.run)).digest() == context.brief.digest():
            return latest.version
    major, minor, _ = latest.version.split(".")
    return f"{major}.{int(minor) + 1}.0"
