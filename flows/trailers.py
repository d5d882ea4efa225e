"""What a release's commit says beside its tree."""

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import digest
from schemas.policy import plain
from services.database import approvals, runs, usage

GATE = "release"
POLICY = "policy"
"""Who decides where the policy stands for a human."""


def human_subject(tree: str) -> str:
    """What a human is asked about a tree that the policy has approved before."""
    return digest({"tree": tree, "by": "a human"})


async def trailers_of(conn: AsyncConnection, project: str, run: str, tree: str) -> dict[str, str]:
    """The commit trailers of the release of a tree by a run."""
    spent = await usage.run_usage(conn, run)
    subjects = (human_subject(tree), tree)
    found = [await approvals.decision_for(conn, project, GATE, subject) for subject in subjects]
    decided = [asked.who for asked in found if asked and asked.decision == "approve"]
    return {
        "Phoenix-Run": run,
        "Phoenix-Brief": (await runs.find_run(conn, run)).brief,
        "Phoenix-Tree": tree,
        "Phoenix-Approved-By": next((who for who in decided if who), ""),
        "Phoenix-Cost-USD": plain(spent.cost_usd),
    }
