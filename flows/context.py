"""Opening a run: its services, its row, and the execution that carries it."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.runtime import flow_run

from agents.ask import Desk
from flows.budgets import open_run_budgets
from flows.crashes import crashes
from flows.order import BuildOrder
from schemas.brief import Brief
from schemas.budget import budgets_of
from schemas.events import Event, EventKind
from schemas.policy import Policy, Tier
from schemas.stateflow import State
from schemas.verdict import Confinement
from services.database import Database, calls, ledger, runs, store
from services.database_url import database_url
from services.judge import Judge
from services.local import results
from services.memory import Memory
from services.models import CallScope, Models, audit_key
from services.sandbox import Conversation, Job, Outcome, Sandbox, open_sandbox
from services.settings import Settings, read_settings
from services.telemetry import bound, configure
from services.toolchain import tool_environment
from tasks.context import RunContext
from tasks.telling import Telling

Listener = Callable[[str, Mapping[str, Any]], None]
LISTENER: ContextVar[Listener] = ContextVar("listener", default=lambda kind, facts: None)
"""Who is told of each stage in this process: the front door sets it."""
SETTINGS: ContextVar[Settings | None] = ContextVar("settings", default=None)
"""The settings that the front door has read; None: they are read here."""


def current_settings() -> Settings:
    """The settings of this process; one that a worker has started reads them, and sets its logging up."""
    known = SETTINGS.get()
    if known is None:
        known = read_settings()
        configure(known)
    return known


@dataclass(frozen=True)
class Observed:
    """A sandbox whose every program is told to a listener."""

    sandbox: Sandbox
    listener: Listener

    @property
    def confinement(self) -> Confinement:
        """What the sandbox guarantees."""
        return self.sandbox.confinement

    async def run(self, job: Job) -> Outcome:
        """Run the job and tell what ran, for how many seconds."""
        outcome = await self.sandbox.run(job)
        place = f"{outcome.confinement.backend}, level {outcome.confinement.level}"
        facts = {"program": _program(job.argv), "seconds": outcome.wall_s, "place": place}
        self.listener("program", facts)
        return outcome

    def converse(self, job: Job) -> AbstractAsyncContextManager[Conversation]:
        """Hold a conversation; see Sandbox."""
        return self.sandbox.converse(job)


def _program(argv: tuple[str, ...]) -> str:
    words = [Path(word).name for word in argv if not word.startswith("-")]
    drivers = {"judge_driver.py": "pytest", "wheel_driver.py": "wheel build, install and pytest"}
    drivers |= {"trial_driver.py": "pytest on variants"}
    named = [drivers[word] for word in words if word in drivers]
    if named or words[0] != "python":
        return named[0] if named else words[0]
    return "README examples" if "\n" in words[1] else words[1]


@dataclass(frozen=True)
class Services:
    """What a process opens before it works for a run."""

    settings: Settings
    database: Database
    models: Models
    memory: Memory
    judge: Judge

    def context(self, run: str, execution: str, brief: Brief, policy: Policy, **more: Any) -> RunContext:
        """What stages get of a run and of these."""
        scope = CallScope(run, execution, brief.slug, budgets_of(run, brief, policy))
        return RunContext(
            run=run,
            execution=execution,
            brief=brief.uncapped(),
            policy=policy,
            database=self.database,
            desk=Desk(self.models, scope, policy),
            judge=self.judge,
            home=self.settings.home,
            cache=self.settings.cache,
            memory=self.memory,
            audit_key=audit_key(policy.models[Tier.STANDARD], run),
            progress=LISTENER.get(),
            **more,
        )


@asynccontextmanager
async def telling_of(order: BuildOrder) -> AsyncIterator[Telling]:
    """A story about to be told: services open, run opened or continued, execution begun.

    Raises:
        PhoenixError: a service is missing, or another process carries the run.
    """
    policy = order.policy.tightened_by(order.brief.asks)
    async with _services() as services, _execution(services.database, order.brief, policy) as begun:
        run, execution, events = begun
        context = services.context(
            run,
            execution,
            order.brief,
            policy,
            samples=_samples(events),
            crashes=crashes(events, flow_run.id),
            pool=order.executor == "pool",
        )
        context.progress("opened", {"run": run, "project": context.project})
        with bound(run=run, project=context.project), _named(run):
            yield Telling(context)


@asynccontextmanager
async def joined(execution: str) -> AsyncIterator[RunContext]:
    """The context of an execution that another process carries, to work for it here."""
    async with _services() as services:
        async with services.database.transaction() as conn:
            run = await runs.run_of_execution(conn, execution)
            brief, policy = await runs.brief_of(conn, run), await runs.policy_of(conn, run)
            events = await ledger.events(conn, run=run, kinds=[EventKind.HALTED])
        context = services.context(run, execution, brief, policy, samples=_samples(events))
        with bound(run=run, project=context.project), _named(run):
            yield context


@asynccontextmanager
async def _services() -> AsyncIterator[Services]:
    settings = current_settings()
    sandbox = await open_sandbox()
    tools = await tool_environment(settings.cache)
    async with (
        database_url(settings) as url,
        await Database.open(url) as database,
        Models(settings, database) as models,
        Memory(settings, database) as memory,
    ):
        bind_results(database)
        yield Services(settings, database, models, memory, Judge(Observed(sandbox, LISTENER.get()), tools))


@contextmanager
def _named(run: str) -> Iterator[None]:
    """An error that surfaces whole names its run."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in run {run}; type the same command again to continue it")
        raise


@asynccontextmanager
async def _execution(
    database: Database, brief: Brief, policy: Policy
) -> AsyncIterator[tuple[str, str, list[Event]]]:
    """The run, its new execution, and its events before that."""
    await calls.settle_orphans(database)
    async with database.transaction() as conn:
        run = (await runs.open_run(conn, brief, policy)).id
        await open_run_budgets(conn, run, budgets_of(run, brief, policy))
        events = await ledger.events(conn, run=run)
    async with runs.executing(database, run, flow_run.id) as execution:
        yield run, execution, events


def _samples(events: list[Event]) -> Counter[tuple[State, str]]:
    """How often a run halted for each state and item."""
    halts = [e for e in events if e.kind is EventKind.HALTED and e.payload["again"]]
    return Counter((State(e.payload["again"]), i) for e in halts for i in e.payload.get("items") or ("",))


def bind_results(database: Database) -> None:
    """Let Prefect's cache read the answers that this database holds."""

    async def read(key: str) -> tuple[str, str] | None:
        async with database.transaction() as conn:
            known = await store.get_result(conn, key)
        return (known.outcome, known.answer) if known else None

    results.bind(read)
