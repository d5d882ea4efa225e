"""What the memory finds: `uv run python benchmarks/memory.py [--model openai:NAME]`.

Every requirement of memory_pairs.json is asked among the code units of all of them. Prints recall@1/5/10 and
milliseconds a query through Chroma and by brute force over PostgreSQL, beside what chance would find. The
pairs were written by hand before anything was measured, some with synonyms on purpose; with 66 of them one
standard error is 5 points.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from schemas.memory import HintKind, MemoryEntry, Source
from services.database import Database
from services.database_url import database_url
from services.memory import Memory
from services.settings import Settings, read_settings

PAIRS = Path(__file__).with_name("memory_pairs.json")
DEPTHS = (1, 5, 10)
SOURCE = Source(project="benchmark", run="", item="")


def entries(pairs: list[list[str]]) -> list[MemoryEntry]:
    """One entry for each code unit, found by its name, signature and doc."""
    return [
        MemoryEntry(kind=HintKind.CODE, text=f"{name}{sign}\n{doc}", body=wanted, source=SOURCE)
        for wanted, name, sign, doc in pairs
    ]


async def measure(name: str, memory: Memory, pairs: list[list[str]], *, show: bool) -> None:
    await memory.recall(HintKind.CODE, "warm up")
    ranks, began = [], time.perf_counter()
    for wanted, *_ in pairs:
        found = [hint.body for hint in await memory.recall(HintKind.CODE, wanted, limit=max(DEPTHS))]
        ranks.append(found.index(wanted) if wanted in found else len(pairs))
    took = (time.perf_counter() - began) / len(pairs) * 1000
    shares = "  ".join(f"{sum(rank < depth for rank in ranks) / len(pairs):5.2f}" for depth in DEPTHS)
    print(f"{name:<28} {shares}  {took:8.1f}")
    if not show:
        return
    missed = [pairs[n][0] for n, rank in enumerate(ranks) if rank >= max(DEPTHS)]
    print("".join(f"    not among ten: {text}\n" for text in missed), end="")


async def main(model: str) -> None:
    pairs = json.loads(PAIRS.read_text())
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        Path(home).chmod(0o755)
        changes = {"home": Path(home), "embedding_model": model, "memory": "on", "database_url": None}
        settings: Settings = read_settings().model_copy(update=changes)
        async with database_url(settings) as url, await Database.open(url) as database:
            print(f"{len(pairs)} pairs, {model}\n{'':<28} {'   @1     @5    @10':<19}  ms a query")
            chance = "  ".join(f"{depth / len(pairs):5.2f}" for depth in DEPTHS)
            print(f"{'chance':<28} {chance}")
            async with Memory(settings, database) as memory:
                async with database.transaction() as conn:
                    await memory.remember(conn, entries(pairs))
                await memory.rebuild()
                await measure("through Chroma", memory, pairs, show=False)
                if memory.index.lost is not None:
                    raise SystemExit(f"Chroma did not serve: {memory.index.lost}")
            async with Memory(settings, database) as memory:
                memory.index.lost = "left out on purpose"
                await measure("brute force over PostgreSQL", memory, pairs, show=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="lexical-hash-v1")
    asyncio.run(main(parser.parse_args().model))
