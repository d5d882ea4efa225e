"""What makes a function a stage: a key from its declared inputs, one Prefect task run for each visit,
and one transaction that commits its answer with the event that announces it."""

import asyncio
import hashlib
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, get_type_hints

import httpx
from prefect import Task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State as PrefectState
from prefect.client.schemas.objects import TaskRun
from prefect.context import TaskRunContext
from prefect.exceptions import PrefectException
from prefect.tasks import exponential_backoff
from prefect.utilities.annotations import quote
from pydantic import TypeAdapter
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from agents.ask import fingerprint
from schemas.agent import Agent
from schemas.audit import Found
from schemas.base import canonical_json, digest
from schemas.budget import Budget
from schemas.errors import UnusableAnswer
from schemas.events import EventKind
from schemas.failure import Cause, Evidence
from schemas.policy import plain
from schemas.stages import StageAnswer
from schemas.stateflow import PER_ITEM, State
from services.database import budgets, ledger, store
from services.secrets import redact
from services.telemetry import bound, logger
from services.toolchain import environment_name
from tasks.context import RunContext, Work
from tasks.describe_full import describe
from tasks.telling import ACTOR, Telling

_FAILURE = TypeAdapter(Evidence)
P = ParamSpec("P")
R = TypeVar("R", bound=StageAnswer)
DETAILS = 16_000
"""Characters of a failure's details that are kept."""
LAST = State.REFACTOR_CODE
"""The last stage of a work item."""
PATIENCE_S = 5
"""How long a stage waits for the Prefect server to take its artifact."""


class StageFailed(Exception):
    """A stage, or several of them at once, failed for reasons that their inputs determine."""

    def __init__(self, *failures: Evidence) -> None:
        super().__init__("; ".join(failure.summary for failure in failures))
        self.failures = failures


def failed(
    work: Work,
    cause: Cause,
    summary: str,
    details: Iterable[str] = (),
    paths: Iterable[str] = (),
    found: tuple[Found, ...] = (),
) -> StageFailed:
    """The failure of a stage, to be raised by its body; the paths are those of the files that it is about."""
    line = " ".join(summary.split())[:300]
    return StageFailed(
        Evidence(
            state=work.state,
            cause=cause,
            summary=line,
            details="\n".join(details)[:DETAILS],
            item=work.item,
            paths=tuple(sorted(set(paths))),
            found=found,
        )
    )


@dataclass
class StagePolicy(CachePolicy):
    """Prefect's cache key is the stage key."""

    def compute_key(
        self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **_: Any
    ) -> str | None:
        """The stage key, which is one of the task's parameters."""
        return str(inputs["key"])


@dataclass
class Visit:
    """One visit of a stage: what its task run needs beside digests."""

    stage: "Stage[..., Any]"
    context: RunContext
    item: str
    facts: dict[str, Any]
    """What its events say beside the outcome."""
    bodies: Mapping[str, bytes]
    """The inputs as they are stored."""
    known: store.StageResult | None
    """What an earlier execution answered."""
    pages: list[str]
    """What was answered about its item, or the run, and is not yet shown."""
    answer: StageAnswer | Evidence | None = None
    tried: bool = False
    ran: bool = False

    @property
    def name(self) -> str:
        """The state, after the work item where there is one."""
        return f"{self.item} {self.stage.state.value}".strip()


@dataclass(frozen=True)
class Stage(Generic[P, R]):
    """A StateFlow state's work."""

    state: State
    version: int
    agents: tuple[Agent, ...]
    tools: bool
    ignored: tuple[str, ...]
    """Inputs that the body uses and the key leaves out: what is built on, under contracts that the key has.
    A failure may be theirs, so it is never stored."""
    body: Callable[Concatenate[Work, P], Awaitable[R]]

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The types of the declared inputs, and of the answer under 'return'."""
        found = get_type_hints(self.body)
        del found[next(iter(inspect.signature(self.body).parameters))]
        return found

    @cached_property
    def forms(self) -> dict[str, TypeAdapter[Any]]:
        """How the declared inputs, and the answer under 'return', are read and written."""
        return {name: TypeAdapter(hint) for name, hint in self.hints.items()}

    @cached_property
    def task(self) -> Task[..., Any]:
        """The Prefect task."""
        return Task(
            _run_visit,
            name=self.state.value,
            description=inspect.getdoc(self.body),
            task_run_name="{name}",
            version=str(self.version),
            persist_result=False,
            cache_policy=NO_CACHE,
            retries=2,
            retry_delay_seconds=exponential_backoff(2),
            retry_jitter_factor=0.5,
            retry_condition_fn=_may_retry,
        )

    @cached_property
    def known_task(self) -> Task[..., Any]:
        """The task of an answer that is known: Prefect finds it under the stage key and says "Cached"."""
        return self.task.with_options(
            persist_result=True, result_serializer="json", cache_policy=StagePolicy()
        )

    def key(self, context: RunContext, inputs: dict[str, str], item: str = "") -> str:
        """The digest that names the stage's answer for these inputs."""
        of_item = "item" in self.hints and self.agents
        return digest(
            {
                "stage": self.state.value,
                "version": self.version,
                "agents": [fingerprint(agent, context.policy) for agent in self.agents],
                "tools": environment_name() if self.tools else None,
                "sample": context.sample(self.state, item),
                "inputs": {name: named for name, named in inputs.items() if name not in self.ignored},
                **({"strong_from": context.policy.strong_from} if of_item else {}),
            }
        )

    async def __call__(self, telling: Telling, *args: P.args, **inputs: P.kwargs) -> R:
        """The answer: told already in this execution, known from an earlier one, or made now.

        Raises:
            StageFailed: the stage failed for reasons that its inputs determine.
        """
        plain_inputs = {name: self.forms[name].dump_python(v, mode="json") for name, v in inputs.items()}
        bodies = {name: canonical_json(value) for name, value in plain_inputs.items()}
        digests = {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()}
        key = self.key(telling.context, digests, telling.item)
        seen = key if not self.ignored else digest([key, digests])
        if seen not in telling.told:
            telling.told[seen] = await self._visit(telling, key, bodies, digests)
        answer = telling.told[seen]
        if isinstance(answer, Evidence):
            telling.outcome = "failed"
            raise StageFailed(answer)
        return answer  # type: ignore[return-value]

    async def _visit(
        self, telling: Telling, key: str, bodies: dict[str, bytes], digests: dict[str, str]
    ) -> StageAnswer | Evidence:
        context = telling.context
        if telling.whole and self.state in PER_ITEM:
            await telling.whole.enter(State.GENERATION_CYCLE)
        async with context.database.transaction() as conn:
            await store.put_artifacts(conn, [("input", body) for body in bodies.values()])
            known = await store.get_result(conn, key)
            await telling.move_in(conn, self.state)
        telling.path.append(self.state)
        facts: dict[str, Any] = {"stage": self.state.value, "key": key}
        if telling.item:
            facts["item"] = telling.item
        context.progress("entered", {"state": self.state.value, "item": telling.item})
        visit = Visit(self, context, telling.item, facts, bodies, known, telling.pages)
        began = time.monotonic()
        with bound(stage=self.state.value, **({"item": telling.item} if telling.item else {})):
            task = self.known_task if known else self.task
            told = await task(quote(visit), key=key, inputs=digests, name=visit.name)
        facts |= {"outcome": told["outcome"], "cached": not visit.ran}
        answer = visit.answer
        if answer is None or not visit.ran:
            async with context.database.transaction() as conn:
                answer = await self._stored(conn, told)
                await _announce(conn, context, self.state, facts)
            if telling.item:
                telling.pages.append(describe(answer))
        telling.outcome = told["outcome"]
        context.progress("left", {**facts, "seconds": time.monotonic() - began, "answer": answer})
        return answer

    async def _stored(self, conn: AsyncConnection, told: Mapping[str, str]) -> StageAnswer | Evidence:
        return self.read(told["outcome"], await store.get_artifact(conn, told["answer"]))

    def read(self, outcome: str, body: bytes) -> StageAnswer | Evidence:
        """An answer from its bytes."""
        form = _FAILURE if outcome == "failed" else self.forms["return"]
        answer: StageAnswer | Evidence = form.validate_json(body)
        return answer


def stage(
    state: State,
    *,
    version: int = 1,
    agents: tuple[Agent, ...] = (),
    tools: bool = False,
    ignored: tuple[str, ...] = (),
) -> Callable[[Callable[Concatenate[Work, P], Awaitable[R]]], Stage[P, R]]:
    """Make a function the work of a state; raise the version when its rules change."""
    return lambda body: Stage(state, version, agents, tools, ignored, body)


async def _run_visit(visit: Visit, key: str, inputs: dict[str, str], name: str) -> dict[str, str]:
    known = await _known(visit, key)
    if known is None:
        known = await _commit(visit, key, await _answer(visit))
    if visit.answer is not None:
        await _show(visit, known.outcome, describe(visit.answer))
    return {"outcome": known.outcome, "answer": known.answer}


async def _known(visit: Visit, key: str) -> store.StageResult | None:
    """What was committed under the key, by another execution or by an earlier try of this task."""
    if visit.known is None and not visit.tried:
        visit.tried = True
        return None
    async with visit.context.database.transaction() as conn:
        known = visit.known or await store.get_result(conn, key)
        if known:
            visit.answer = visit.stage.read(known.outcome, await store.get_artifact(conn, known.answer))
    return known


async def _show(visit: Visit, outcome: str, text: str) -> None:
    """Put the answer where people look, an item's as one page once it is done or has failed; that it cannot
    be shown does not undo it."""
    visit.pages.append(text)
    if visit.item and visit.stage.state is not LAST and outcome != "failed":
        return
    name = visit.item or visit.name
    key = f"{visit.context.run}-{name.lower().replace('_', '-')}"
    page = redact("\n\n".join(visit.pages))
    visit.pages.clear()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await acreate_markdown_artifact(page, key=key, description=f"{visit.name}: {outcome}")
    except (TimeoutError, httpx.HTTPError, PrefectException) as error:
        logger().warning("the Prefect server took no artifact", stage=visit.name, error=type(error).__name__)


async def _answer(visit: Visit) -> StageAnswer | Evidence:
    context, current = visit.context, visit.stage
    values = {name: current.forms[name].validate_json(body) for name, body in visit.bodies.items()}
    work = Work(context, current.state, context.sample(current.state, visit.item), visit.item)
    try:
        answer: StageAnswer = await current.body(work, **values)
        return answer
    except StageFailed as failure:
        return failure.failures[0]
    except UnusableAnswer as error:
        return failed(work, Cause.MODEL, str(error)).failures[0]


async def _commit(visit: Visit, key: str, answer: StageAnswer | Evidence) -> store.StageResult:
    context, state = visit.context, visit.stage.state
    item = visit.item or None
    outcome = "failed" if isinstance(answer, Evidence) else answer.outcome
    body = canonical_json(answer)
    async with context.database.transaction() as conn:
        [named] = await store.put_artifacts(conn, [("answer", body)])
        if outcome != "failed" or not visit.stage.ignored:
            await store.put_result(
                conn, key, stage=state.value, outcome=outcome, answer_digest=named, run=context.run, item=item
            )
        [budget] = await budgets.budget_states(conn, [Budget(scope="run", key=context.run)])
        facts = {**visit.facts, "outcome": outcome, "cached": False, "answer": named}
        await _announce(conn, context, state, {**facts, "run_cost_usd": plain(budget.spent)})
    visit.ran, visit.answer = True, visit.stage.read(outcome, body)
    return store.StageResult(
        key=key, stage=state.value, outcome=outcome, answer=named, run=context.run, item=item
    )


async def _announce(
    conn: AsyncConnection, context: RunContext, state: State, payload: dict[str, Any]
) -> None:
    await ledger.append(
        conn,
        project=context.project,
        run=context.run,
        execution=context.execution,
        kind=EventKind.LEFT,
        actor=ACTOR,
        payload=payload,
        from_state=state,
    )


async def _may_retry(task: Task[..., Any], run: TaskRun, state: PrefectState[Any]) -> bool:
    """Whether a task run that failed may be tried again: what the world did, never what Phoenix raised."""
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, OSError | TimeoutError | DBAPIError)
