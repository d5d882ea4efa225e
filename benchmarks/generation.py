"""How the generation cycle scales: `uv run python benchmarks/generation.py [--items 5 50 200]`.

For each number of items a rehearsal with 0.2 s a call and 16 stages at once. Prints the cycle's wall time
against the ideal list schedule (highest item first) of the very durations that were measured, over the same
edges and slots; seconds per item; and the largest process's memory.
"""

import argparse
import asyncio
import heapq
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from flows.cycle import heights
from schemas.events import Event
from schemas.full import Planned
from schemas.stateflow import State
from schemas.wbs import WBS
from services.database import Database, ledger, runs, store
from services.local.postgres import embedded_postgres

ROOT = Path(__file__).parents[1]
SLOTS = 16
BRIEF = "# Layers\n\nA library of arithmetic functions over integers that build on each other.\n"


def build(home: Path, items: int) -> float:
    brief = home / "brief.md"
    brief.write_text(BRIEF)
    model = f"rehearsal:items={items},layers=5,latency=0.2"
    command = [sys.executable, "-m", "phoenix.main", "build", str(brief), "--mode", "full", "--model", model]
    began = time.monotonic()
    subprocess.run(
        [*command, "--approve", "auto", "--output", str(home / "out")],
        cwd=ROOT, env={**os.environ, "PHOENIX_HOME": str(home)}, check=True, capture_output=True,
    )  # fmt: skip
    return time.monotonic() - began


async def read(home: Path) -> tuple[list[Event], WBS]:
    async with (
        embedded_postgres(home) as url,
        await Database.open(url) as database,
        database.transaction() as conn,
    ):
        run = await runs.find_run(conn, "layers")
        events = await ledger.events(conn, run=run.id)
        planned = next(e for e in events if e.kind == "left" and e.from_state is State.DECOMPOSITION)
        body = await store.get_artifact(conn, planned.payload["answer"])
    return events, Planned.model_validate_json(body).wbs


def at(event: Event) -> float:
    from datetime import datetime

    return datetime.fromisoformat(event.at).timestamp()


def durations(events: list[Event]) -> dict[tuple[str, bool], float]:
    """Seconds of each item's tests (True) and of all its code (False)."""
    found: dict[tuple[str, bool], float] = {}
    begun: dict[tuple[str, State], float] = {}
    for event in events:
        item = event.payload.get("item")
        if item and event.kind == "entered" and event.to_state:
            begun[item, event.to_state] = at(event)
        elif item and event.kind == "left" and event.from_state:
            key = item, event.from_state is State.GENERATE_TESTS
            found[key] = found.get(key, 0) + at(event) - begun[item, event.from_state]
    return found


def ideal(wbs: WBS, took: Mapping[tuple[str, bool], float]) -> float:
    """The makespan of the list schedule: whenever a slot is free, the highest ready work takes it."""
    height = heights(wbs)
    waits = {i.id: {(i.id, True), *((d, False) for d in i.depends_on)} for i in wbs.items}
    ready = [(-height[i.id], i.id, True) for i in wbs.items]
    heapq.heapify(ready)
    running: list[tuple[float, str, bool]] = []
    now, done = 0.0, set[tuple[str, bool]]()
    while ready or running:
        while ready and len(running) < SLOTS:
            _, item, tests = heapq.heappop(ready)
            heapq.heappush(running, (now + took[item, tests], item, tests))
        now, item, tests = heapq.heappop(running)
        done.add((item, tests))
        for other, needed in list(waits.items()):
            if needed <= done:
                heapq.heappush(ready, (-height[other], other, False))
                del waits[other]
    return now


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, nargs="+", default=[5, 50, 200])
    for items in parser.parse_args().items:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            home.chmod(0o755)
            whole = build(home, items)
            events, wbs = asyncio.run(read(home))
        of_items = [e for e in events if e.payload.get("item")]
        wall = at(of_items[-1]) - at(of_items[0])
        best = ideal(wbs, durations(events))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"{items:4} items  cycle {wall:7.1f} s  {wall / best:5.2f} × ideal ({best:.1f} s)  "
            f"{wall / items:5.2f} s an item  whole run {whole:7.1f} s  largest process {peak:5.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
