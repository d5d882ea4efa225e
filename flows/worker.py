"""A worker's part: it develops one work item for a run that waits for it elsewhere."""

import asyncio
import os
import socket
from typing import Any

import httpx
from prefect import flow
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run
from sqlalchemy.exc import InterfaceError, OperationalError

from flows.context import joined
from flows.develop import ELSEWHERE_S, Blocked, Item, taken_over, write_code, write_tests
from flows.errand import read_errand, say
from schemas.base import canonical_json
from schemas.errors import BudgetExceeded, PhoenixError
from schemas.events import EventKind
from schemas.full import ItemDone
from services.database import errands, items
from services.local.results import REFERENCE
from services.secrets import redact
from tasks.context import RunContext
from tasks.implement_code import Foundation
from tasks.stage import StageFailed

WORLD = (OSError, httpx.HTTPError, PrefectException, OperationalError, InterfaceError)
"""Errors of the world outside: nothing is said, so that the run sends the item to another worker."""


async def carry_out(item: Item, foundation: Foundation, errand: str) -> str:
    """How the errand ended: accepted, stopped with its whole execution, or over before it was begun here.
    The run that waits for it is told.

    Raises:
        StageFailed: the item failed, for reasons that its inputs determine.
        PhoenixError: a budget, a limit or a service stopped it.
    """
    context = item.telling.context
    while await _standing(context, errand) == "awaited":
        async with items.developing(context.database, context.project, item.spec.key()) as alone:
            if alone and await _standing(context, errand) == "awaited":
                return await _alone(item, foundation, errand)
        await asyncio.sleep(ELSEWHERE_S)
    return await _stopped(item, errand)


async def _alone(item: Item, foundation: Foundation, errand: str) -> str:
    here = {"flow_run": flow_run.id, "host": socket.gethostname(), "pid": os.getpid()}
    await say(item, EventKind.ITEM_TAKEN, errand, here)
    ended = EventKind.ITEM_ENDED
    try:
        done = await taken_over(item) or await _made(item, foundation, errand)
    except StageFailed as failure:
        await say(item, ended, errand, {"outcome": "failed"}, canonical_json(failure.failures))
        raise
    except Blocked:
        return await _stopped(item, errand)
    except WORLD:
        raise
    except Exception as error:
        name = type(error).__name__
        known = isinstance(error, PhoenixError)
        message = redact(str(error) if known else f"{item.spec.id}: {name}: {error}")
        facts: dict[str, Any] = {"outcome": errands.REFUSED, "error": name, "message": message}
        if isinstance(error, BudgetExceeded):
            facts["short"] = error.short.model_dump(mode="json")
        await say(item, ended, errand, facts)
        raise
    await say(item, ended, errand, {"outcome": "accepted"}, canonical_json(done))
    return "accepted"


async def _made(item: Item, foundation: Foundation, errand: str) -> ItemDone:
    suite = await write_tests(item)
    if await _standing(item.telling.context, errand) != "awaited":
        raise Blocked(item.spec.id)
    return await write_code(item, suite, foundation)


async def _stopped(item: Item, errand: str) -> str:
    standing = await _standing(item.telling.context, errand)
    if standing == "stopped":
        await say(item, EventKind.ITEM_ENDED, errand, {"outcome": standing})
    return standing


async def _standing(context: RunContext, errand: str) -> errands.Standing:
    async with context.database.transaction() as conn:
        return await errands.standing(conn, context.execution, errand)


@flow(name="develop", flow_run_name="{item} of {execution}", persist_result=False, result_storage=REFERENCE)
async def develop_flow(execution: str, item: str, errand: str) -> str:
    """Develop one work item for a run that waits for it; the errand names what it has to know."""
    async with joined(execution) as context:
        return await carry_out(*await read_errand(context, errand), errand)
