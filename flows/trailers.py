"""What a release's commit says beside its tree."""

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.policy import plain
from services.database import approvals, runs, usage

GATE = "release"


async def trailers_of(conn: AsyncConnection, project: str, run: str, tree: str) -> dict[str, str]:
    """The commit trailers of the release of a tree by a run."""
    spent = await usage.run_usage(conn, run)
    asked = await approvals.decision_for(conn, project, GATE, tree)
    return {
        "Phoenix-Run": run,
        "Phoenix-Brief": (await runs.find_run(conn, run)).brief,
        "Phoenix-Tree": tree,
        "Phoenix-Approved-By": (asked.who if asked else None) or "",
        "Phoenix-Cost-USD": plain(spent.cost_usd),
    }
