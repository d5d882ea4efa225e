"""The generation cycle: every work item, in parallel along the dependency graph."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

from flows.develop import ELSEWHERE_S, Blocked, Item, rendered_item, taken_over, write_code, write_tests
from flows.items import accept_item, accepted_items, plan_items
from flows.lessons import Lessons
from flows.pool import Pool
from flows.slots import PrioritySlots
from schemas.failure import Evidence
from schemas.full import ItemDone
from schemas.srs import SRS
from schemas.stateflow import State
from schemas.wbs import WBS, ItemSpec, item_spec
from services.database import items
from tasks.implement_code import Foundation
from tasks.stage import StageFailed
from tasks.telling import Telling

T = TypeVar("T")


@dataclass
class Cycle:
    """What the items of one cycle share."""

    telling: Telling
    wbs: WBS
    specs: Mapping[str, ItemSpec]
    lessons: Lessons
    slots: PrioritySlots
    heights: Mapping[str, int]
    known: Mapping[str, ItemDone]
    pool: Pool | None
    tasks: dict[str, "asyncio.Task[ItemDone]"] = field(default_factory=dict)
    stopped: bool = False

    async def develop(self, identity: str) -> ItemDone:
        """One item, once its turn comes and what it builds on is accepted."""
        spec = self.specs[identity]
        if identity in self.known:
            return self.known[identity]
        if spec.srs is None:
            done = rendered_item(spec)
            await accept_item(self.telling, done, spec.contract, None)
            return done
        item = Item(self.telling.begin(identity), spec, self.lessons)
        if self.pool:
            foundation = await self._foundation(identity)
            async with self._slot(identity):
                return await self.pool.develop(item, foundation)
        suite = await self._turn(item, lambda: write_tests(item))
        if isinstance(suite, ItemDone):
            return suite
        foundation = await self._foundation(identity)
        return await self._turn(item, lambda: write_code(item, suite, foundation))

    async def _turn(self, item: Item, work: Callable[[], Awaitable[T]]) -> T | ItemDone:
        """The work's answer; or the item, when another run has brought it to an end meanwhile.

        While another run of the project works on the same item, the slot goes to other items.
        """
        context, identity = self.telling.context, item.spec.id
        while True:
            async with (
                self._slot(identity),
                items.developing(context.database, context.project, item.spec.key()) as alone,
            ):
                if alone and (done := await taken_over(item)):
                    self.telling.items.pop(identity, None)
                    return done
                if alone:
                    return await work()
            await asyncio.sleep(ELSEWHERE_S)

    @asynccontextmanager
    async def _slot(self, identity: str) -> AsyncIterator[None]:
        """A slot to work in; an error that is no failure of the item stops all others."""
        async with self.slots.slot(self.heights[identity]):
            if self.stopped:
                raise Blocked(identity)
            try:
                yield
            except (StageFailed, Blocked):
                raise
            except BaseException:
                self.stopped = True
                raise

    async def _foundation(self, identity: str) -> Foundation:
        """What the item builds on, once it is accepted."""
        below = self.wbs.below(identity)
        if below:
            await asyncio.wait([self.tasks[i] for i in below])
        if any(self.tasks[i].exception() for i in below):
            raise Blocked(identity)
        contracts = tuple(self.specs[i].contract for i in below)
        code = tuple(f for i in below for f in self.tasks[i].result().candidate.files)
        return Foundation(contracts=contracts, code=code)


async def generation_cycle(telling: Telling, wbs: WBS, srs: SRS, lessons: Lessons) -> tuple[ItemDone, ...]:
    """Every item, accepted; what was accepted before under the same key is taken over without a task.

    Raises:
        StageFailed: items failed, each with its evidence; all others that could be done are done.
    """
    specs = {item.id: item_spec(wbs, srs, item.id) for item in wbs.items}
    await plan_items(telling, wbs, specs)
    accepted = await accepted_items(telling, specs)
    known = {i: done for i, done in accepted.items() if not lessons.about(i)}
    if telling.state is State.DECOMPOSITION:
        await telling.enter(State.GENERATION_CYCLE)
    slots = PrioritySlots(telling.context.policy.parallel)
    async with Pool(telling) if telling.context.pool else nullcontext() as pool:
        cycle = Cycle(telling, wbs, specs, lessons, slots, heights(wbs), known, pool)
        for identity in wbs.order():
            cycle.tasks[identity] = asyncio.create_task(cycle.develop(identity))
        try:
            await asyncio.wait(cycle.tasks.values())
        finally:
            for task in cycle.tasks.values():
                task.cancel()
            await asyncio.gather(*cycle.tasks.values(), return_exceptions=True)
    return _all_done(telling, cycle)


def _all_done(telling: Telling, cycle: Cycle) -> tuple[ItemDone, ...]:
    errors = [e for i in cycle.specs if (e := cycle.tasks[i].exception()) and not isinstance(e, Blocked)]
    broken = [e for e in errors if not isinstance(e, StageFailed)]
    if broken:
        raise broken[0]
    telling.done |= {i: t.result() for i, t in cycle.tasks.items() if not t.exception()}
    failures: list[Evidence] = [f for e in errors if isinstance(e, StageFailed) for f in e.failures]
    if failures:
        raise StageFailed(*failures)
    if telling.state is State.GENERATION_CYCLE:
        telling.outcome = "generated"
    return tuple(cycle.tasks[i].result() for i in cycle.specs)


def heights(wbs: WBS) -> dict[str, int]:
    """How many items build on each one, in the longest chain upwards."""
    found: dict[str, int] = {}
    for identity in reversed(wbs.order()):
        above = [found[item.id] for item in wbs.items if identity in item.depends_on]
        found[identity] = 1 + max(above, default=0)
    return found
