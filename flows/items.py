"""The one work item of the Lite path, recorded with the candidate that was accepted."""

from typing import TYPE_CHECKING

from schemas.base import canonical_json, digest
from services.database import items, releases, store
from tasks.stage import Telling

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from flows.lite import Finished

ITEM = "WI-1"


async def record_item(conn: "AsyncConnection", telling: Telling, finished: "Finished") -> None:
    """Write the item of this run, and its accepted generation."""
    context, plan = telling.context, finished.plan
    earlier = await releases.get_release(conn, context.project)
    key = digest({"contract": plan.contract.digest(), "requirements": plan.srs.digest()})
    bodies = [("contract", plan.contract), ("suite", plan.suite), ("candidate", finished.polished.candidate)]
    bodies.append(("verdict", finished.build.verdict))
    named = await store.put_artifacts(conn, [(kind, canonical_json(value)) for kind, value in bodies])
    reason = "first build" if earlier is None else "the brief or the policy changed"
    item = items.PlannedItem(id=ITEM, key=key, title=plan.srs.title, body=named[0], reason=reason)
    await items.plan_items(conn, context.project, context.run, [item])
    await items.accept(
        conn,
        items.Accepted(
            project=context.project,
            key=key,
            suite=named[1],
            candidate=named[2],
            evidence=named[3],
            run=context.run,
        ),
    )
