"""An errand: a work item that a run sends to a worker, with all that is known about it."""

import json
from asyncio import to_thread
from typing import Any

from pydantic import TypeAdapter

from flows.develop import Item
from flows.lessons import Lessons
from schemas.base import Digest, Value, canonical_json
from schemas.errors import ConfigurationError
from schemas.events import EventKind
from schemas.failure import Evidence
from schemas.full import ItemDone
from schemas.stateflow import State
from schemas.wbs import ItemSpec
from services.database import ledger, store
from services.own_code import ROOT, own_code
from tasks.context import RunContext
from tasks.implement_code import Foundation
from tasks.telling import ACTOR, Telling

EVIDENCE = TypeAdapter(tuple[Evidence, ...])


class Errand(Value):
    """What a worker needs beside the run, whose brief and policy are in the database."""

    code: Digest
    """Which Phoenix sent it."""
    execution: str
    spec: ItemSpec
    foundation: Digest
    """The contracts and the code that the item builds on."""
    lessons: Lessons
    before: Digest | None
    """The item's accepted form that a repair changes."""
    state: State
    outcome: str
    """Where the item's own path stands, and with which outcome it goes on."""


async def write_errand(item: Item, foundation: Foundation) -> str:
    """The digest of an item's errand, which is in the database now."""
    context, telling = item.telling.context, item.telling
    before = (telling.whole or telling).done.get(item.spec.id)
    bodies = [("input", canonical_json(foundation))]
    bodies += [("item", canonical_json(before))] if before else []
    async with context.database.transaction() as conn:
        named = await store.put_artifacts(conn, bodies)
        errand = Errand(
            code=await to_thread(own_code),
            execution=context.execution,
            spec=item.spec,
            foundation=named[0],
            lessons=item.lessons.of(item.spec.id),
            before=named[1] if before else None,
            state=telling.state,
            outcome=telling.outcome,
        )
        [digest] = await store.put_artifacts(conn, [("errand", canonical_json(errand))])
    return digest


async def read_errand(context: RunContext, digest: str) -> tuple[Item, Foundation]:
    """The item of an errand, told on from where it stands, and what it builds on.

    Raises:
        ConfigurationError: another version of Phoenix sent it.
    """
    async with context.database.transaction() as conn:
        body = await store.get_artifact(conn, digest)
        if json.loads(body).get("code") != await to_thread(own_code):
            raise ConfigurationError(
                f"the worker in {ROOT} is of another version of Phoenix than the run that sent this item, "
                "and would make something else of it. Bring its checkout to the run's version; restart it."
            )
        errand = Errand.model_validate_json(body)
        bodies = await store.get_artifacts(conn, filter(None, (errand.foundation, errand.before)))
    identity = errand.spec.id
    done = {identity: ItemDone.model_validate_json(bodies[errand.before])} if errand.before else {}
    telling = Telling(context, errand.state, errand.outcome, path=[errand.state], item=identity, done=done)
    foundation = Foundation.model_validate_json(bodies[errand.foundation])
    return Item(telling, errand.spec, errand.lessons), foundation


async def say(
    item: Item, kind: EventKind, errand: str, facts: dict[str, Any], answer: bytes | None = None
) -> None:
    """Tell the run that waits for an errand how it goes."""
    context = item.telling.context
    where = {"state": item.telling.state.value, "leaving": item.telling.outcome}
    said = {"item": item.spec.id, "errand": errand, **where, **facts}
    async with context.database.transaction() as conn:
        if answer is not None:
            [said["answer"]] = await store.put_artifacts(conn, [("answer", answer)])
        await ledger.append(
            conn,
            project=context.project,
            run=context.run,
            execution=context.execution,
            kind=kind,
            actor=ACTOR,
            payload=said,
        )
