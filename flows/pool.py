"""Work items that are developed elsewhere: each is sent to a Prefect work pool as one flow run, and what
becomes of it is read in PostgreSQL, never in Prefect."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound

from flows.crashes import LIVES, is_answer
from flows.develop import Blocked, Item
from flows.errand import EVIDENCE, write_errand
from schemas import errors
from schemas.budget import Shortfall
from schemas.errors import ConfigurationError, Halted, PhoenixError
from schemas.events import Event, EventKind
from schemas.full import ItemDone
from schemas.stateflow import State
from services.database import errands, ledger, store
from tasks.implement_code import Foundation
from tasks.stage import StageFailed
from tasks.telling import Telling

DEPLOYMENT = "develop/develop"
LOOK_S = 0.3
"""Between two looks into the database."""
FINAL_S = 5
"""Between two looks at the flow runs of items that no worker has taken."""
QUIET_S = 60
"""How long no worker may take anything before a person is told."""
SEND_TRIES = 6


@dataclass
class Sent:
    """An item on its way."""

    item: Item
    errand: str
    answer: "asyncio.Future[ItemDone]" = field(default_factory=asyncio.Future)
    flow_run: UUID | None = None
    times: int = 0
    taken: bool = False
    since: int = 0
    """The ledger's sequence up to which its answers are counted."""
    fruitless: int = 0
    """How many workers in a row were lost without an answer."""

    @property
    def id(self) -> str:
        """The item's id."""
        return self.item.spec.id


class Pool:
    """The items of one cycle that workers develop; used as a context, which ends its watch."""

    def __init__(self, telling: Telling) -> None:
        self._telling, self._context = telling, telling.context
        self._sent: dict[str, Sent] = {}
        self._seen = 0
        self._heard_at = self._looked_at = time.monotonic()

    async def __aenter__(self) -> "Pool":
        self._watching = asyncio.create_task(self._watch())
        self._watching.add_done_callback(self._broken)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        await asyncio.wait([self._watching])

    async def develop(self, item: Item, foundation: Foundation) -> ItemDone:
        """The item as some worker has made it.

        Raises:
            StageFailed: it failed, with the worker's evidence.
            Blocked: the run has stopped before it was begun or done.
            PhoenixError: what stopped the worker.
        """
        await self._telling.enter(State.GENERATION_CYCLE)
        errand = await write_errand(item, foundation)
        sent = self._sent[errand] = Sent(item, errand)
        try:
            await self._send(sent)
            return await sent.answer
        finally:
            del self._sent[errand]

    async def _send(self, sent: Sent) -> None:
        """Let a flow run begin; the same one when it was sent already in this execution."""
        execution = self._context.execution
        sent.times, sent.taken = sent.times + 1, False
        for tries in count(1):
            try:
                run = await arun_deployment(
                    DEPLOYMENT,
                    parameters={"execution": execution, "item": sent.id, "errand": sent.errand},
                    timeout=0,
                    as_subflow=False,
                    tags=[self._context.project, self._context.run],
                    idempotency_key=f"{execution}/{sent.id}/{sent.errand[:16]}/{sent.times}",
                )
                sent.flow_run = run.id
                return
            except ObjectNotFound:
                raise ConfigurationError(
                    f"the Prefect server has no deployment {DEPLOYMENT}, so no worker can be asked. "
                    "Type 'phoenix up' in another terminal, or build without --executor pool."
                ) from None
            except httpx.TransportError:
                if tries == SEND_TRIES:
                    raise
                await asyncio.sleep(tries)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self._sent:
                await self._look()
            else:
                self._heard_at = time.monotonic()

    def _broken(self, watching: "asyncio.Task[None]") -> None:
        if not watching.cancelled() and (error := watching.exception()):
            self._give_up(self._sent.values(), error)

    def _give_up(self, sent: Iterable[Sent], error: BaseException) -> None:
        for one in sent:
            if not one.answer.done():
                one.answer.set_exception(error)

    async def _look(self) -> None:
        """Hear what workers say; an item that was taken, and that nobody works on, has lost its worker."""
        taken = [s for s in self._sent.values() if s.taken]
        ended = await self._ended_runs()
        async with self._context.database.transaction() as conn:
            keys = [s.item.spec.key() for s in taken]
            held = await errands.held(conn, self._context.project, keys)
            said = await ledger.events(
                conn,
                run=self._context.run,
                after=self._seen,
                kinds=(EventKind.ITEM_TAKEN, EventKind.ITEM_ENDED),
            )
        for word in said:
            self._seen, self._heard_at = word.sequence, time.monotonic()
            sent = self._sent.get(word.payload["errand"])
            if sent and word.execution == self._context.execution:
                await self._hear(sent, word)
        lost = [s for s in taken if s.item.spec.key() not in held]
        lost += [s for s in ended if not s.taken]
        for sent in lost:
            if not sent.answer.done():
                await self._lost(sent)
        self._say_when_quiet()

    async def _hear(self, sent: Sent, word: Event) -> None:
        if word.kind is EventKind.ITEM_TAKEN:
            sent.taken = True
            self._note(f"{sent.id}: taken by process {word.payload['pid']} on {word.payload['host']}")
            return
        if sent.answer.done():
            return
        told, item = word.payload, sent.item
        item.telling.state, item.telling.outcome = State(told["state"]), told["leaving"]
        self._note(f"{sent.id}: {told['outcome']}")
        if told["outcome"] in ("accepted", "failed"):
            async with self._context.database.transaction() as conn:
                body = await store.get_artifact(conn, told["answer"])
            if told["outcome"] == "accepted":
                sent.answer.set_result(ItemDone.model_validate_json(body))
            else:
                sent.answer.set_exception(StageFailed(*EVIDENCE.validate_json(body)))
        elif told["outcome"] == errands.REFUSED:
            sent.answer.set_exception(_refusal(told))
            self._give_up((s for s in self._sent.values() if not s.taken), Blocked(sent.id))
        else:
            sent.answer.set_exception(Blocked(sent.id))

    async def _lost(self, sent: Sent) -> None:
        """Send the item once more, unless that has been in vain too often."""
        async with self._context.database.transaction() as conn:
            kinds = (EventKind.LEFT,)
            left = await ledger.events(conn, run=self._context.run, after=sent.since, kinds=kinds)
        mine = [e for e in left if e.payload.get("item") == sent.id and is_answer(e)]
        sent.fruitless = 1 if mine else sent.fruitless + 1
        sent.since = max((e.sequence for e in left), default=sent.since)
        run = next(iter(await _flow_runs([sent])), None)
        how = f"{run.state.name}: {run.state.message or 'no message'}" if run and run.state else "unknown"
        cancelled = run is not None and run.state_type is StateType.CANCELLED
        if cancelled or sent.fruitless >= LIVES:
            why = "was cancelled" if cancelled else f"was lost {sent.fruitless} times without an answer"
            message = f"the worker of {sent.id} {why} (flow run {run.name if run else ''}: {how})."
            sent.answer.set_exception(Halted(f"{message} See its log in Prefect, then type it again."))
            return
        self._note(f"{sent.id}: its worker is gone; another one is asked")
        await self._send(sent)

    async def _ended_runs(self) -> list[Sent]:
        """Items that no worker has taken and whose flow runs have ended, asked now and then."""
        waiting = [s for s in self._sent.values() if not s.taken and s.flow_run]
        if not waiting or time.monotonic() - self._looked_at < FINAL_S:
            return []
        self._looked_at = time.monotonic()
        final = {run.id for run in await _flow_runs(waiting) if run.state and run.state.is_final()}
        return [s for s in waiting if s.flow_run in final]

    def _say_when_quiet(self) -> None:
        if any(s.taken for s in self._sent.values()) or time.monotonic() - self._heard_at < QUIET_S:
            return
        self._heard_at = time.monotonic()
        self._note(
            f"no worker takes {len(self._sent)} waiting item(s); is one running? 'phoenix up' starts one"
        )

    def _note(self, text: str) -> None:
        self._context.progress("note", {"text": text})


async def _flow_runs(sent: Iterable[Sent]) -> list[FlowRun]:
    """The items' flow runs; none while the server does not answer."""
    names = [s.flow_run for s in sent if s.flow_run]
    try:
        async with get_client() as client:
            return await client.read_flow_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=names)), limit=len(names)
            )
    except httpx.HTTPError:
        return []


def _refusal(told: Mapping[str, Any]) -> PhoenixError:
    """What stopped a worker, as if it had happened here."""
    if "short" in told:
        return errors.BudgetExceeded(Shortfall.model_validate(told["short"]))
    kind = getattr(errors, told["error"], PhoenixError)
    return kind(told["message"]) if issubclass(kind, PhoenixError) else PhoenixError(told["message"])
