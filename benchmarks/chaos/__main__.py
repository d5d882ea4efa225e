"""The plug is pulled, over and over: `make chaos`, or `uv run python -m benchmarks.chaos [--kills 200]`.

Builds of the rehearsal model are killed (SIGKILL to the command's process group) before and after durable
writes of every kind and at random moments, and PostgreSQL, the Prefect server and Redis die meanwhile; the
same command is typed again until the run finishes. An undisturbed build of the same brief says what should
have come out, and a log that only the observed provider writes says what was paid. Prints one table, and
exits with 1 when something in it must not be.
"""

import argparse
import asyncio
import itertools
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from benchmarks.chaos.lives import Project
from benchmarks.chaos.output import Guarded, guarded_folder
from benchmarks.chaos.siege import BUDGET, ROOMY, Books, Campaign, besiege, books_of, folder, median, tree
from benchmarks.chaos.tally import Tally
from tests.redis_server import RedisServer

BRIEF = "# Layers\n\nA library of arithmetic functions over integers that build on each other.\n"
NAME = "layers"
SHORT = ("--budget", "0.40")
HALTED = 4
"""The exit code of a build that needs a human: an agent's answer broke the form three times in a row."""


@dataclass
class Sums:
    """What all builds came to."""

    builds: int = 0
    finished: int = 0
    same: int = 0
    paid_again: int = 0
    cut_off: int = 0
    made_again: int = 0
    overspend: Decimal = Decimal(0)
    unbooked: Decimal = Decimal(0)
    left_open: int = 0
    extra_runs: int = 0
    budgets: int = 0
    """Builds that were refused for lack of money, and went on with more."""
    notes: list[str] = field(default_factory=list)

    def add(self, found: Books, seen: Tally, refused: bool) -> None:
        """What the books and the provider say of a build, and whether it was refused money on the way."""
        self.builds += 1
        self.paid_again += len(seen.completed_and_paid_again(found.answered_at))
        self.cut_off += seen.cut_off()
        self.made_again += seen.made_again()
        self.overspend += found.over_cap
        self.unbooked += max(Decimal(0), seen.bill() - found.spent)
        self.left_open += found.in_flight + (found.reserved != 0)
        self.extra_runs += found.runs - 1
        self.budgets += refused


async def one_build(
    campaign: Campaign, sums: Sums, base: Path, seed: int, wanted: argparse.Namespace
) -> None:
    """An undisturbed build, and the same under fire; with an odd seed the money is short at first."""
    faults = "bad_code=0.2,schema_violation=0.1,latency=0.2"
    model = f"rehearsal:items={wanted.items},layers=5,seed={seed},{faults}"
    limits = '{"rehearsal:*": {"requests_per_minute": 1000000}}'
    around = {
        "REDIS_URL": campaign.redis.url if campaign.redis else "",
        "PHOENIX_RATE_LIMITS": limits,
        "CHAOS_FAULTS": "0.1",
    }
    calm = Project(folder(base, f"c{seed}"), model, BRIEF, ("--mode", "full", *ROOMY), around)
    undisturbed = await calm.live()
    if undisturbed.code == HALTED:
        print(f"seed {seed}: left out, its own faults halt it", file=sys.stderr, flush=True)
        return
    campaign.note(undisturbed)
    campaign.kinds |= set(calm.tally().writes)
    options = ("--mode", "full", *(SHORT if seed % 2 else ROOMY))
    project = Project(folder(base, f"k{seed}"), model, BRIEF, options, {**around, "CHAOS_MODULES": "1"})
    last = await besiege(campaign, project, wanted.each)
    found, seen = await books_of(project, NAME), project.tally()
    sums.add(found, seen, any(life.code == BUDGET for life in project.lives))
    sums.finished += last.code == 0
    sums.same += last.code == 0 and tree(last) == tree(undisturbed)
    if last.code:
        sums.notes.append(f"seed {seed} did not finish: {last.last}")
    print(
        f"seed {seed}: {len(project.lives)} lives, {campaign.kills} kills so far", file=sys.stderr, flush=True
    )
    shutil.rmtree(calm.folder, ignore_errors=True)


async def lane(
    campaign: Campaign, sums: Sums, base: Path, seeds: Iterator[int], wanted: argparse.Namespace
) -> None:
    """Build after build until there were kills enough."""
    while campaign.kills < campaign.wanted:
        await one_build(campaign, sums, base, next(seeds), wanted)


async def siege(wanted: argparse.Namespace, base: Path) -> bool:
    """Everything; whether the table holds."""
    sums, began = Sums(), time.monotonic()
    with RedisServer() as redis:
        campaign = Campaign(wanted.kills, random.Random(wanted.seed), redis)
        output = await guarded_folder(campaign, base)
        seeds = itertools.count(wanted.seed)
        await asyncio.gather(*(lane(campaign, sums, base, seeds, wanted) for _ in range(wanted.lanes)))
    return table(campaign, sums, output, time.monotonic() - began)


def table(campaign: Campaign, sums: Sums, output: Guarded, seconds: float) -> bool:
    """Print it; whether nothing is in it that must not be."""
    beyond = median(campaign.to_first_call) - median(campaign.imports)
    restarts = len(campaign.to_first_call)
    kinds = len({k for k, _ in campaign.struck})
    hits = ", ".join(f"{n} {kind}" for kind, n in sorted(campaign.hits.items()))
    same = f"{sums.same} of {sums.builds}"
    rows: list[tuple[str, object, bool]] = [
        ("kills", campaign.kills, campaign.kills >= campaign.wanted),
        ("  interruptions by kind", hits, True),
        ("  kinds of durable writes struck", f"{kinds} of {len(campaign.kinds)}", True),
        ("runs finished", f"{sums.finished} of {sums.builds}", sums.finished == sums.builds),
        ("released tree equal to the undisturbed run's", same, sums.same == sums.builds),
        ("completed calls paid again (must be 0)", sums.paid_again, sums.paid_again == 0),
        ("calls in flight at a kill", sums.cut_off, True),
        ("  of them made again (at most one each)", sums.made_again, sums.made_again <= sums.cut_off),
        ("overspend in USD (must be 0)", sums.overspend, sums.overspend == 0),
        ("  billed and not in the books (must be 0)", sums.unbooked, sums.unbooked == 0),
        ("  calls or reserves left open (must be 0)", sums.left_open, sums.left_open == 0),
        ("  builds that were refused money and went on", sums.budgets, True),
        ("files overwritten (must be 0)", f"{output.lost} of {output.guarded}", output.lost == 0),
        ("  refusals instead", f"{output.refused} of {output.refusals}", output.refused == output.refusals),
        ("output folder torn or absent (must be 0)", f"{output.torn} of {output.looks}", output.torn == 0),
        ("  last release in it is the undisturbed one", output.same, output.same),
        ("second runs opened (must be 0)", sums.extra_runs, sums.extra_runs == 0),
        ("ends without a clear line (must be 0)", len(campaign.unclear), not campaign.unclear),
        ("restart to first new call, median", f"{median(campaign.to_first_call):.1f} s", True),
        ("  beyond process start and imports", f"{beyond:.1f} s ({restarts} restarts)", True),
    ]  # fmt: skip
    for what, value, right in rows:
        print(f"{what:<48} {value}{'' if right else '   <-- BROKEN'}")
    for note in (*sums.notes, *campaign.unclear):
        print(f"  ! {note}")
    print(f"{'time':<48} {seconds / 60:.1f} min")
    return all(right for _, _, right in rows)


def main() -> None:
    """Read the wishes, lay siege, and say how it went."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--items", type=int, default=30)
    parser.add_argument("--each", type=int, default=50, help="kills of one build")
    parser.add_argument("--lanes", type=int, default=2, help="builds at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the folders")
    wanted = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
    base.chmod(0o755)
    try:
        held = asyncio.run(siege(wanted, base))
    finally:
        if not wanted.keep:
            shutil.rmtree(base, ignore_errors=True)
    sys.exit(not held)


if __name__ == "__main__":
    main()
