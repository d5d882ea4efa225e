"""Phoenix's engine for benchmarks/orchestration.py: real stages, ledger, item locks and acceptance over
pretended work. It is imported in a process whose environment names the services."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from prefect import flow

from flows.context import telling_of
from flows.items import accept_item
from flows.order import BuildOrder
from schemas.base import Value, digest
from schemas.brief import parse_brief
from schemas.full import ItemDone
from schemas.policy import Policy, Tier
from schemas.stages import StageAnswer
from schemas.stateflow import State
from schemas.verdict import Candidate, Status, Suite, Verdict
from services.database import items, ledger, runs, store
from services.local.results import REFERENCE, save_block
from services.models.synthetic_graph import Graph
from services.models.synthetic_plan import contract
from tasks.context import Work
from tasks.describe import describe
from tasks.stage import Stage, stage
from tasks.telling import ACTOR, Telling

Call = Callable[[int, int], Awaitable[str]]
Develop = Callable[[int], Awaitable[None]]
STORY = (
    ("ready", State.TRIAGE),
    ("full", State.REQUIREMENT_INGESTION),
    ("specified", State.SPECIFICATION_ANALYSIS),
    ("sound", State.DECOMPOSITION),
    ("planned", State.GENERATION_CYCLE),
)
STEPS = (
    (State.GENERATE_TESTS, "red"),
    (State.IMPLEMENT_CODE, "green"),
    (State.AUDIT_CODE, "held"),
    (State.REFACTOR_CODE, "done"),
)
NOTHING = Verdict(subject="pretended", status=Status.NOT_RUN, reason="pretended")
ORDER = BuildOrder(
    brief=parse_brief("# Layers\n\nWork that is pretended.\n", "the benchmark"),
    policy=Policy(models=dict.fromkeys(Tier, "rehearsal:seed=7")),
)


class Pretended(StageAnswer):
    """What a pretended call answered."""

    outcome: Literal["red", "green", "held", "done"]
    text: str


class Piece(Value):
    """A work item, and what the stage before answered."""

    index: int
    before: str


describe.register(Pretended, lambda answer: answer.text)


def stages(call: Call) -> list[Stage[Any, Any]]:
    """The four stages of an item."""

    def pretended(number: int, state: State, outcome: Any) -> Stage[Any, Any]:
        async def body(work: Work, *, item: Piece) -> Pretended:
            """Pretend to work on an item."""
            return Pretended(outcome=outcome, text=await call(item.index, number))

        return stage(state)(body)

    return [pretended(number, *step) for number, step in enumerate(STEPS)]


async def to_the_cycle(telling: Telling) -> None:
    """Let a new run be in its generation cycle."""
    context = telling.context
    async with context.database.transaction() as conn:
        if (await runs.find_run(conn, context.run)).state is State.INITIALIZING:
            for outcome, target in STORY:
                await ledger.transition(
                    conn,
                    run=context.run,
                    execution=context.execution,
                    outcome=outcome,
                    target=target,
                    actor=ACTOR,
                    payload={},
                )
    telling.state = State.GENERATION_CYCLE


async def known(telling: Telling, keys: list[str]) -> set[str]:
    """The keys of the items that are accepted, whose evidence is read as the generation cycle reads it."""
    async with telling.context.database.transaction() as conn:
        found = await items.accepted_generations(conn, telling.context.project, keys)
        await store.get_artifacts(conn, [accepted.evidence for accepted in found.values()])
    return set(found)


async def develop(telling: Telling, graph: Graph, index: int, steps: list[Stage[Any, Any]]) -> None:
    """One item, from its tests to its acceptance."""
    context, name, key = telling.context, f"WI-{index}", digest({"item": index})
    async with items.developing(context.database, context.project, key) as alone:
        if not alone:
            raise RuntimeError(f"somebody else works on {name}")
        mine, text = telling.begin(name), ""
        for one in steps:
            text = (await one(mine, item=Piece(index=index, before=text))).text
        await mine.move(State.GENERATION_CYCLE)
        done = ItemDone(
            id=name,
            title="pretended",
            key=key,
            suite=Suite(files=(), tests=()),
            candidate=Candidate(files=()),
            attempts=1,
            mutants=(),
            verdict=NOTHING,
            refactoring=text,
        )
        await accept_item(mine, done, contract(graph, "layers", index), None)


async def engine(
    graph: Graph, call: Call, in_order: Callable[[Develop], Awaitable[None]]
) -> Callable[[], Awaitable[None]]:
    """What runs the graph; a second time it finds everything accepted."""
    steps = stages(call)
    keys = {index: digest({"item": index}) for index in graph.indexes()}
    await save_block()

    @flow(persist_result=False, result_storage=REFERENCE)
    async def whole() -> None:
        async with telling_of(ORDER) as telling:
            await to_the_cycle(telling)
            accepted = await known(telling, list(keys.values()))

            async def one(index: int) -> None:
                if keys[index] not in accepted:
                    await develop(telling, graph, index, steps)

            await in_order(one)

    return whole
