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
from flows.order import BuildOrder
from schemas.brief import Brief
from schemas.events import EventKind
from schemas.policy import Policy
from schemas.stateflow import State
from schemas.verdict import Confinement
from services.database import Database, budgets, ledger, runs, store
from services.database_url import database_url
from services.judge import Judge
from services.local import results
from services.memory import Memory
from services.models import CallScope, Models
from services.sandbox import Conversation, Job, Outcome, Sandbox, open_sandbox
from services.settings import Settings, read_settings
from services.telemetry import bound
from services.toolchain import tool_environment
from tasks.context import RunContext
from tasks.telling import Telling

Listener = Callable[[str, Mapping[str, Any]], None]
LISTENER: ContextVar[Listener] = ContextVar("listener", default=lambda kind, facts: None)
"""Who is told of each stage in this process: the front door sets it."""
SETTINGS: ContextVar[Settings | None] = ContextVar("settings", default=None)
"""The settings that the front door has read; None: they are read here."""


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


@asynccontextmanager
async def telling_of(order: BuildOrder) -> AsyncIterator[Telling]:
    """A story about to be told: services open, run opened or continued, execution begun.

    Raises:
        PhoenixError: a service is missing, or another process carries the run.
    """
    settings = SETTINGS.get() or read_settings()
    policy = order.policy.tightened_by(order.brief.asks)
    sandbox = await open_sandbox()
    tools = await tool_environment(settings.cache)
    async with (
        database_url(settings) as url,
        await Database.open(url) as database,
        Models(settings, database) as models,
        Memory(settings, database) as memory,
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
                desk=Desk(models, scope, policy),
                judge=Judge(Observed(sandbox, LISTENER.get()), tools),
                home=settings.home,
                cache=settings.cache,
                memory=memory,
                samples=samples,
                progress=LISTENER.get(),
            )
            context.progress("opened", {"run": run, "project": context.project})
            with bound(run=run, project=context.project), _named(run):
                yield Telling(context)


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
) -> AsyncIterator[tuple[str, str, Counter[tuple[State, str]]]]:
    async with database.transaction() as conn:
        run = (await runs.open_run(conn, brief, policy)).id
        await budgets.set_budget(conn, budgets.Budget(scope="run", key=run), policy.budget_usd)
        halts = [e for e in await ledger.events(conn, run=run) if e.kind is EventKind.HALTED]
    again = Counter(
        (State(e.payload["again"]), item)
        for e in halts
        if e.payload["again"]
        for item in e.payload.get("items") or ("",)
    )
    async with runs.executing(database, run, flow_run.id) as execution:
        yield run, execution, again


def bind_results(database: Database) -> None:
    """Let Prefect's cache read the answers that this database holds."""

    async def read(key: str) -> tuple[str, str] | None:
        async with database.transaction() as conn:
            known = await store.get_result(conn, key)
        return (known.outcome, known.answer) if known else None

    results.bind(read)
