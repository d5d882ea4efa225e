"""Opening a run: its services, its row, and the execution that carries it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from prefect.runtime import flow_run

from agents.ask import Desk
from flows.order import BuildOrder
from schemas.brief import Brief
from schemas.events import EventKind
from schemas.policy import Policy
from schemas.stateflow import State
from services.database import Database, budgets, ledger, runs, store
from services.database_url import database_url
from services.judge import Judge
from services.local import results
from services.models import CallScope, Models
from services.sandbox import open_sandbox
from services.settings import read_settings
from services.toolchain import tool_environment
from tasks.context import RunContext
from tasks.stage import Telling

Listener = Callable[[str, Mapping[str, Any]], None]
LISTENER: ContextVar[Listener] = ContextVar("listener", default=lambda kind, facts: None)
"""Who is told of each stage in this process: the front door sets it."""


@asynccontextmanager
async def telling_of(order: BuildOrder) -> AsyncIterator[Telling]:
    """A story about to be told: services open, run opened or continued, execution begun.

    Raises:
        PhoenixError: a service is missing, or another process carries the run.
    """
    settings = read_settings()
    policy = order.policy.tightened_by(order.brief.asks)
    sandbox = await open_sandbox()
    tools = await tool_environment(settings.cache)
    async with (
        database_url(settings) as url,
        await Database.open(url) as database,
        Models(settings, database) as models,
    ):
        bind_results(database)
        async with _execution(database, order.brief, policy) as (run, execution, samples):
            scope = CallScope(run, execution, order.brief.slug, (("run", run),))
            context = RunContext(
                run=run,
                execution=execution,
                brief=order.brief,
                policy=policy,
                database=database,
                desk=Desk(models, scope, policy.models),
                judge=Judge(sandbox, tools),
                home=settings.home,
                samples=samples,
                progress=LISTENER.get(),
            )
            context.progress("opened", {"run": run, "project": context.project, "models": models})
            yield Telling(context)


@asynccontextmanager
async def _execution(
    database: Database, brief: Brief, policy: Policy
) -> AsyncIterator[tuple[str, str, dict[State, int]]]:
    async with database.transaction() as conn:
        run = (await runs.open_run(conn, brief, policy)).id
        await budgets.set_budget(conn, budgets.Budget(scope="run", key=run), policy.budget_usd)
        halts = [e for e in await ledger.events(conn, run=run) if e.kind is EventKind.HALTED]
    again = [State(e.payload["again"]) for e in halts if e.payload["again"]]
    async with runs.executing(database, run, flow_run.id) as execution:
        yield run, execution, {state: again.count(state) for state in again}


def bind_results(database: Database) -> None:
    """Let Prefect's cache read the answers that this database holds."""

    async def read(key: str) -> tuple[str, str] | None:
        async with database.transaction() as conn:
            known = await store.get_result(conn, key)
        return (known.outcome, known.answer) if known else None

    results.bind(read)
