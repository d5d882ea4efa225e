"""What orchestration costs: `uv run --group comparison python benchmarks/orchestration.py [--runs 5]`.

The same layered graph of work (four stages an item, each with a pretended call and an answer of 2 kB, 16
items at once) by bare asyncio, by LangGraph with its Postgres checkpointer (a thread for each item, and all
items in one graph), by bare Prefect tasks, and by Phoenix: its real stages, ledger, item locks and acceptance
over the same PostgreSQL and Prefect server. Prints, as medians of the runs of this one invocation: wall time
against the ideal list schedule; CPU of a stage in the client, the Prefect server and the database; and how
long a second run over the finished work takes. What Phoenix itself costs the client is the difference to bare
Prefect. Imports, and the start of services, are not counted; memory is off, so nothing is embedded.
"""

import argparse
import asyncio
import heapq
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypedDict

from flows.slots import PrioritySlots
from services.models.synthetic_graph import Graph

ROOT = Path(__file__).parents[1]
SLOTS = 16
STAGES = 4
SIZE = 2_000
ENGINES = ("asyncio", "langgraph", "langgraph-one", "prefect", "phoenix")
TICK = os.sysconf("SC_CLK_TCK")
Develop = Callable[[int], Awaitable[None]]


def heights(graph: Graph) -> dict[int, int]:
    """How many items build on each one, in the longest chain upwards."""
    found: dict[int, int] = {}
    for index in reversed(graph.indexes()):
        found[index] = 1 + max((found[i] for i in found if index in graph.needs(i)), default=0)
    return found


def ideal(graph: Graph, item_s: float) -> float:
    """The makespan of the list schedule: a free slot takes the highest item that is ready."""
    height = heights(graph)
    waits = {i: set(graph.needs(i)) for i in graph.indexes()}
    ready = sorted((-height[i], i) for i in waits if not waits[i])
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < SLOTS:
            heapq.heappush(running, (now + item_s, heapq.heappop(ready)[1]))
        now, done = heapq.heappop(running)
        for other, needed in waits.items():
            if done in needed:
                needed.discard(done)
                if not needed:
                    heapq.heappush(ready, (-height[other], other))
    return now


async def in_order(graph: Graph, develop: Develop) -> None:
    """Every item once what it builds on is done, the highest first, as many at once as there are slots."""
    slots, height = PrioritySlots(SLOTS), heights(graph)
    tasks: dict[int, asyncio.Task[None]] = {}

    async def one(index: int) -> None:
        for needed in graph.needs(index):
            await tasks[needed]
        async with slots.slot(height[index]):
            await develop(index)

    for index in graph.indexes():
        tasks[index] = asyncio.create_task(one(index))
    await asyncio.gather(*tasks.values())


async def call(index: int, number: int, latency: float) -> str:
    """A pretended model call."""
    await asyncio.sleep(latency)
    return f"{index}.{number} ".ljust(SIZE, "x")


async def by_asyncio(graph: Graph, latency: float, stack: AsyncExitStack) -> Callable[[], Awaitable[None]]:
    answers: dict[tuple[int, int], str] = {}

    async def develop(index: int) -> None:
        for number in range(STAGES):
            if (index, number) not in answers:
                answers[index, number] = await call(index, number, latency)

    return lambda: in_order(graph, develop)


async def _saver(stack: AsyncExitStack) -> Any:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool

    keywords = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    pool = AsyncConnectionPool(
        os.environ["DATABASE_URL"], min_size=SLOTS, max_size=SLOTS, kwargs=keywords, open=False
    )
    saver = AsyncPostgresSaver(await stack.enter_async_context(pool))  # type: ignore[arg-type]
    await saver.setup()
    return saver


def _merged(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    return {**one, **other}


class Answers(TypedDict):
    answers: Annotated[dict[str, str], _merged]


def _node(index: int, number: int, latency: float) -> Callable[[Answers], Awaitable[Answers]]:
    async def node(state: Answers) -> Answers:
        return {"answers": {f"{index}.{number}": await call(index, number, latency)}}

    return node


async def by_langgraph(graph: Graph, latency: float, stack: AsyncExitStack) -> Callable[[], Awaitable[None]]:
    from langgraph.graph import END, START, StateGraph

    saver = await _saver(stack)
    compiled = {}
    for index in graph.indexes():
        builder = StateGraph(Answers)
        for number in range(STAGES):
            builder.add_node(f"s{number}", _node(index, number, latency))  # type: ignore[call-overload]
            builder.add_edge(f"s{number - 1}" if number else START, f"s{number}")
        builder.add_edge(f"s{STAGES - 1}", END)
        compiled[index] = builder.compile(checkpointer=saver)

    async def develop(index: int) -> None:
        config: Any = {"configurable": {"thread_id": str(index)}}
        state = await compiled[index].aget_state(config)
        if not state.values or state.next:
            await compiled[index].ainvoke(None if state.next else {"answers": {}}, config)

    return lambda: in_order(graph, develop)


async def by_langgraph_one(
    graph: Graph, latency: float, stack: AsyncExitStack
) -> Callable[[], Awaitable[None]]:
    from langgraph.graph import END, START, StateGraph

    builder = StateGraph(Answers)
    for index in graph.indexes():
        for number in range(STAGES):
            builder.add_node(f"{index}.{number}", _node(index, number, latency))  # type: ignore[call-overload]
            if number:
                builder.add_edge(f"{index}.{number - 1}", f"{index}.{number}")
        needs = [f"{needed}.{STAGES - 1}" for needed in graph.needs(index)]
        builder.add_edge(needs or START, f"{index}.0")
        builder.add_edge(f"{index}.{STAGES - 1}", END)
    compiled = builder.compile(checkpointer=await _saver(stack))
    config: Any = {
        "configurable": {"thread_id": "whole"},
        "max_concurrency": SLOTS,
        "recursion_limit": 10_000,
    }

    async def whole() -> None:
        state = await compiled.aget_state(config)
        if not state.values or state.next:
            await compiled.ainvoke(None if state.next else {"answers": {}}, config)

    return whole


async def by_prefect(graph: Graph, latency: float, stack: AsyncExitStack) -> Callable[[], Awaitable[None]]:
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE

    done: set[int] = set()

    @task(cache_policy=NO_CACHE, persist_result=False)
    async def stage_of(index: int, number: int) -> str:
        return await call(index, number, latency)

    async def develop(index: int) -> None:
        if index not in done:
            for number in range(STAGES):
                await stage_of.with_options(task_run_name=f"{index} {number}")(index, number)
            done.add(index)

    @flow
    async def bare() -> None:
        await in_order(graph, develop)

    return bare


async def by_phoenix(graph: Graph, latency: float, stack: AsyncExitStack) -> Callable[[], Awaitable[None]]:
    from orchestration_phoenix import engine

    return await engine(graph, partial(call, latency=latency), lambda develop: in_order(graph, develop))


BY = dict(zip(ENGINES, (by_asyncio, by_langgraph, by_langgraph_one, by_prefect, by_phoenix), strict=True))


def cpu_of(pids: list[int]) -> float:
    """CPU seconds of processes, their ended children included."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(fields[n]) for n in (11, 12, 13, 14))
    return total / TICK


def family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [pid, *(p for child in children for p in family(child))]


async def one_run(engine: str, items: int, latency: float) -> None:
    """Run one engine twice in this process and print what it took as JSON."""
    graph = Graph(7, items, 5)
    async with AsyncExitStack() as stack:
        work = await BY[engine](graph, latency, stack)
        before = time.process_time()
        began = time.monotonic()
        await work()
        wall, client = time.monotonic() - began, time.process_time() - before
        began = time.monotonic()
        await work()
        print(json.dumps({"wall": wall, "client": client, "again": time.monotonic() - began}))


def services_cpu(prefect: int, postgres: int) -> tuple[float, float]:
    """CPU seconds of the Prefect server and the database, once they have come to rest."""
    last = (-1.0, -1.0)
    while True:
        now = cpu_of(family(prefect)), cpu_of(family(postgres))
        if now[0] - last[0] < 0.05 and now[1] - last[1] < 0.05:
            return now
        last = now
        time.sleep(1)


def measure(
    engine: str, items: int, latency: float, url: str, prefect: tuple[str, int], postgres: int
) -> dict[str, float]:
    """One run of an engine in a process of its own, in a database of its own."""
    import psycopg

    from services.local.prefect_server import client_environment

    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS trial WITH (FORCE)")
        admin.execute("CREATE DATABASE trial")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        trial = url.replace("/phoenix?", "/trial?")
        env = {
            **os.environ,
            **client_environment(home, prefect[0]),
            "PHOENIX_HOME": folder,
            "DATABASE_URL": trial,
            "PHOENIX_MEMORY": "off",
            "LOG_LEVEL": "WARNING",
        }
        command = [sys.executable, __file__, "--one", engine, str(items), str(latency)]
        start = services_cpu(prefect[1], postgres)
        done = subprocess.run(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        end = services_cpu(prefect[1], postgres)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "server": end[0] - start[0], "database": end[1] - start[1]}


async def compare(wanted: argparse.Namespace) -> None:
    from services.local.postgres import embedded_postgres
    from services.local.prefect_server import prefect_server
    from services.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        settings = Settings.model_validate({"PHOENIX_HOME": home, "PREFECT_API_URL": None})
        async with embedded_postgres(home) as url, prefect_server(settings) as server:
            prefect = json.loads((home / "prefect" / "server.json").read_text())["pid"]
            postgres = int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
            for items in wanted.items:
                for latency in wanted.latency:
                    best = ideal(Graph(7, items, 5), STAGES * latency)
                    print(
                        f"{items} items, {latency} s a call, ideal {best:.1f} s, {wanted.runs} runs",
                        flush=True,
                    )
                    runs: dict[str, list[dict[str, float]]] = {engine: [] for engine in wanted.engines}
                    for _ in range(wanted.runs):
                        for engine in wanted.engines:
                            found = await asyncio.to_thread(
                                measure, engine, items, latency, url, (server.url, prefect), postgres
                            )
                            runs[engine].append(found)
                    for engine, found in runs.items():
                        show(engine, items * STAGES, best, found)


def show(engine: str, stages: int, best: float, runs: list[dict[str, float]]) -> None:
    """One line of the table."""
    middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    each = {name: 1000 * middle[name] / stages for name in ("client", "server", "database")}
    share = f"{middle['wall'] / best:5.2f} × ideal" if best else " " * 13
    cpu = "  ".join(f"{name} {ms:5.1f}" for name, ms in each.items())
    print(
        f"  {engine:14} {middle['wall']:7.2f} s {share}  {1000 * middle['wall'] / stages:6.1f} ms a stage  "
        f"CPU ms a stage: {cpu}  all {sum(each.values()):5.1f}  again {middle['again']:6.2f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, nargs="+", default=[10, 50, 200])
    parser.add_argument("--latency", type=float, nargs="+", default=[0.0, 0.2, 1.0])
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.one:
        engine, items, latency = wanted.one
        asyncio.run(one_run(engine, int(items), float(latency)))
    else:
        asyncio.run(compare(wanted))


if __name__ == "__main__":
    main()
