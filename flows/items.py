"""Work items as they are planned and accepted."""

from collections.abc import Mapping
from difflib import unified_diff

from schemas.base import canonical_json
from schemas.contract import Contract
from schemas.failure import Evidence
from schemas.full import ItemDone
from schemas.memory import Source
from schemas.srs import SRS
from schemas.verdict import Candidate
from schemas.wbs import WBS, ItemSpec
from services.database import items, releases, store
from services.memory.derive import failure_entry, item_entries
from tasks.telling import Telling

FIRST = "first build"
CHANGED = "its contract, its requirements or what it builds on changed"
UNCHANGED = "unchanged"
NONE = Candidate(files=())


async def plan_items(telling: Telling, wbs: WBS, specs: Mapping[str, ItemSpec]) -> None:
    """Write the items of this run, each with the reason for which it is built or taken over."""
    context = telling.context
    async with context.database.transaction() as conn:
        earlier = await releases.get_release(conn, context.project)
        before = await items.planned_items(conn, earlier.run) if earlier else []
        keys, titles = {i.key for i in before}, {i.id for i in before}
        bodies = [("item", canonical_json(item)) for item in wbs.items]
        named = await store.put_artifacts(conn, bodies)
        planned = [
            items.PlannedItem(
                id=item.id,
                key=specs[item.id].key(),
                title=item.title,
                body=body,
                reason=_reason(specs[item.id].key() in keys, item.id in titles),
            )
            for item, body in zip(wbs.items, named, strict=True)
        ]
        await items.plan_items(conn, context.project, context.run, planned)


def _reason(same: bool, there: bool) -> str:
    return UNCHANGED if same else CHANGED if there else FIRST


async def accepted_items(telling: Telling, specs: Mapping[str, ItemSpec]) -> dict[str, ItemDone]:
    """The items whose key has an accepted candidate, by id; asked once for all."""
    context = telling.context
    keys = {spec.key(): item for item, spec in specs.items()}
    async with context.database.transaction() as conn:
        found = await items.accepted_generations(conn, context.project, keys)
        bodies = await store.get_artifacts(conn, [a.evidence for a in found.values()])
    done = {key: ItemDone.model_validate_json(bodies[a.evidence]) for key, a in found.items()}
    return {
        keys[key]: item.model_copy(update={"id": keys[key], "title": specs[keys[key]].title})
        for key, item in done.items()
    }


async def accept_lite_item(telling: Telling, item: ItemDone, contract: Contract, srs: SRS) -> None:
    """Record the only item of a Lite run, and accept it."""
    context = telling.context
    async with context.database.transaction() as conn:
        earlier = await releases.get_release(conn, context.project)
        reason = FIRST if earlier is None else "the brief or the policy changed"
        [body] = await store.put_artifacts(conn, [("contract", canonical_json(contract))])
        planned = items.PlannedItem(id=item.id, key=item.key, title=item.title, body=body, reason=reason)
        await items.plan_items(conn, context.project, context.run, [planned])
    await accept_item(telling, item, contract, srs)


async def accept_item(
    telling: Telling, item: ItemDone, contract: Contract, srs: SRS | None, repaired: tuple[Evidence, ...] = ()
) -> None:
    """Make a candidate the current one of its item key, and remember it with the failures that it mends."""
    context = telling.context
    bodies = [("suite", item.suite), ("candidate", item.candidate), ("item", item)]
    async with context.database.transaction() as conn:
        named = await store.put_artifacts(conn, [(kind, canonical_json(value)) for kind, value in bodies])
        await items.accept(
            conn,
            items.Accepted(
                project=context.project,
                key=item.key,
                suite=named[0],
                candidate=named[1],
                evidence=named[2],
                run=context.run,
            ),
        )
        if context.memory:
            source = Source(project=context.project, run=context.run, item=item.key)
            entries = item_entries(source, contract, srs, item.candidate)
            change = _change(telling, item)
            mended = tuple(failure_entry(source, failure, change) for failure in repaired if change)
            await context.memory.remember(conn, (*entries, *mended))


def _change(telling: Telling, item: ItemDone) -> str:
    """What the candidate changed in the one before it, as a diff; empty when there was none."""
    known = (telling.whole or telling).done.get(item.id)
    before, after = (_lines(c) for c in (known.candidate if known else NONE, item.candidate))
    return "".join(unified_diff(before, after, "before", "after")) if known else ""


def _lines(candidate: Candidate) -> list[str]:
    return [line for file in candidate.files for line in file.text.splitlines(keepends=True)]
