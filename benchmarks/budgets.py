"""Whether anything overspends: `uv run python benchmarks/budgets.py [--calls 20000] [--kills 48]`.

Pretend calls through the real claims and settlements of a real embedded PostgreSQL, from 16 processes with 2
tasks each, which share the budgets of two runs, two projects and a day that run out before the calls do.
Processes are killed with SIGKILL while calls are in flight and started again; providers fail, report no
usage, or lie about it. Prints one table, and exits with 1 when a number that must be 0 is not:

overspend     the most by which spent and reserved together were over a cap, at any of ten looks a second
reserve left  what is still reserved once the orphans of the killed processes are settled
unbooked      by how much the provider's own bill is over what the books say was spent

The database is in memory where there is room (/dev/shm): what is tried here is killed clients, not the disk.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sqlalchemy import insert, text

from schemas.brief import Brief
from schemas.budget import Budget
from schemas.calls import Reply, Request, Usage
from schemas.errors import BudgetExceeded
from schemas.policy import Policy, Tier
from services.database import Database, budgets, calls, runs
from services.database.connect import make_engine, parse_url
from services.database.tables import RunCall
from services.local.postgres import embedded_postgres

TASKS = 2
"""Of each process."""
ESTIMATE = Decimal("0.20")
MEAN = Decimal("0.10")
"""About what a call costs."""
REPLY = Reply(text="yes", finish="stop", usage=Usage(input_tokens=7, output_tokens=2))
OPEN = text("""
    SELECT r.subject::int FROM run_calls AS r LEFT JOIN model_calls AS c ON c.digest = r.request
    WHERE c.digest IS NULL AND r.subject::int % :workers = :slot ORDER BY 1
""")
COUNTS = text("""
    SELECT count(*) FILTER (WHERE c.digest IS NULL) AS refused,
        count(*) FILTER (WHERE c.error = :orphaned) AS orphans
    FROM run_calls AS r LEFT JOIN model_calls AS c ON c.digest = r.request
""")


class Died(Exception):
    """What a caller may die of while its call is in flight."""


@dataclass(frozen=True)
class Plan:
    """What every process knows of the trial."""

    url: str
    bill: Path
    """One line for each call that the provider wants money for."""
    calls: int
    processes: int
    runs: tuple[str, ...]

    def budgets(self, number: int) -> tuple[Budget, ...]:
        """Those of a call: every second one belongs to the other run and project."""
        whole, half = self.calls * MEAN, number % 2
        return (
            Budget(scope="run", key=self.runs[half], cap=None if half else whole * 11 / 25),
            Budget(scope="project", key=f"trial-{half}", cap=whole * 23 / 50),
            Budget(scope="day", key="trial", cap=whole * 22 / 25),
        )

    async def call(self, db: Database, number: int, bill: int) -> None:
        """Claim, 'make' and settle one call, as services/models does."""
        draw, asked = random.Random(number), request(number)
        claim = calls.claim(
            db, asked, run=self.runs[number % 2], estimate=ESTIMATE, budgets=self.budgets(number)
        )
        async with claim as claimed:
            if not isinstance(claimed, calls.Claim):
                return
            fate = draw.choice(
                ("fair",) * 12 + ("silent", "silent", "lies", "lies", "lost", "refused", "died")
            )
            price = (ESTIMATE * draw.randrange(5, 50) / 100).quantize(budgets.SMALLEST)
            if fate != "refused":
                os.write(bill, f"{price}\n".encode())
            await asyncio.sleep(draw.random() / 100)
            if fate == "died":
                raise Died
            async with db.statements() as conn:
                if fate in ("lost", "refused"):
                    await calls.fail(conn, claimed, fate, charge=ESTIMATE if fate == "lost" else Decimal(0))
                else:
                    told = {"silent": None, "lies": ESTIMATE * 1000}.get(fate, price)
                    await calls.settle(conn, claimed, REPLY, told)


@dataclass
class Trial:
    """What was measured, in US dollars and seconds."""

    calls: int
    kills: int = 0
    orphans: int = 0
    refused: int = 0
    cap: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)
    billed: Decimal = Decimal(0)
    overspend: Decimal = Decimal(0)
    reserve_left: Decimal = Decimal(0)
    seconds: float = 0

    def wrong(self) -> list[str]:
        """The numbers that must be 0 and are not."""
        zeros = {
            "overspend": self.overspend,
            "reserve left": self.reserve_left,
            "unbooked": max(Decimal(0), self.billed - self.spent),
        }
        return [name for name, value in zeros.items() if value]

    def table(self) -> str:
        """A head and one line."""
        unbooked = max(Decimal(0), self.billed - self.spent)
        row: dict[str, object] = {"calls": self.calls, "kills": self.kills, "orphans": self.orphans}
        row |= {"refused": self.refused, "cap": f"{self.cap:.2f}", "spent": f"{self.spent:.2f}"}
        row |= {"billed": f"{self.billed:.2f}", "overspend": f"{self.overspend.normalize():f}"}
        row |= {"reserve left": f"{self.reserve_left.normalize():f}", "unbooked": f"{unbooked.normalize():f}"}
        row |= {"calls/s": f"{self.calls / self.seconds:.0f}", "seconds": f"{self.seconds:.0f}"}
        widths = [max(len(name), len(str(cell))) for name, cell in row.items()]
        lines = (row.keys(), row.values())
        return "\n".join(
            "  ".join(str(c).rjust(w) for c, w in zip(line, widths, strict=True)) for line in lines
        )


def request(number: int) -> Request:
    """One question; each is another one."""
    return Request(
        agent="trial", subject=str(number), tier=Tier.FAST, model="rehearsal:", messages=(),
        response_schema=None, max_output_tokens=number, sample=0, inputs="0" * 64, values={},
    )  # fmt: skip


async def work(plan: Plan, slot: int) -> None:
    """One process: all calls of its slot that nobody has made yet."""
    bill = os.open(plan.bill, os.O_WRONLY | os.O_APPEND)
    async with Database(make_engine(parse_url(plan.url))) as db:
        async with db.statements() as conn:
            todo = iter((await conn.execute(OPEN, {"workers": plan.processes, "slot": slot})).scalars().all())

        async def task() -> None:
            for number in todo:
                with suppress(BudgetExceeded, Died):
                    await plan.call(db, number, bill)

        await asyncio.gather(*(task() for _ in range(TASKS)))


async def start(plan: Plan, slot: int) -> asyncio.subprocess.Process:
    told = (plan.url, str(plan.bill), str(plan.calls), str(plan.processes), *plan.runs)
    return await asyncio.create_subprocess_exec(sys.executable, __file__, "--worker", str(slot), *told)


async def watch(plan: Plan, db: Database, trial: Trial, kills: int) -> None:
    """Man every slot until all calls are made, killing as often as is wanted; look at the books meanwhile."""
    draw = random.Random(7)
    crew = [await start(plan, slot) for slot in range(plan.processes)]
    while any(process.returncode is None for process in crew):
        await look(plan, db, trial)
        made = plan.bill.read_bytes().count(b"\n")
        at_work = [slot for slot, process in enumerate(crew) if process.returncode is None]
        if made > (trial.kills + 1) * plan.calls * 0.7 / (kills + 1) and trial.kills < kills and at_work:
            slot = draw.choice(at_work)
            crew[slot].kill()
            await crew[slot].wait()
            crew[slot], trial.kills = await start(plan, slot), trial.kills + 1
        await asyncio.sleep(0.1)
    failed = [process.returncode for process in crew if process.returncode]
    if failed:
        raise SystemExit(f"a worker ended with {failed[0]}")


async def look(plan: Plan, db: Database, trial: Trial) -> None:
    """Take note of how far over its cap any budget is."""
    async with db.statements() as conn:
        named = (*plan.budgets(0), *plan.budgets(1)[:2])
        states = await budgets.budget_states(conn, named)
    over = [s.spent + s.reserved - s.cap for s in states if s.cap is not None]
    trial.overspend = max(trial.overspend, *over)
    day = next(s for s in states if s.scope == "day")
    trial.cap, trial.spent = day.cap or Decimal(0), day.spent
    trial.reserve_left = max(s.reserved for s in states)


async def prepare(db: Database, count: int) -> tuple[str, ...]:
    """Two runs, which have told their calls."""
    policy = Policy(models={tier: "rehearsal:" for tier in Tier})
    async with db.transaction() as conn:
        opened = [
            (await runs.open_run(conn, Brief(slug=f"trial-{n}", title="Trial", text="Try.\n"), policy)).id
            for n in range(2)
        ]
        told = [
            {"run": opened[n % 2], "request": request(n).digest(), "subject": str(n)} for n in range(count)
        ]
        same = {"agent": "trial", "attempt": 1, "inputs": "0" * 64}
        await conn.execute(insert(RunCall), [row | same for row in told])
    return tuple(opened)


async def try_out(count: int, kills: int, processes: int) -> Trial:
    """The whole trial."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else Path("/tmp")
    trial = Trial(calls=count)
    with tempfile.TemporaryDirectory(dir=place, prefix="phoenix-") as folder:
        Path(folder).chmod(0o755)
        bill = Path(folder, "bill")
        bill.touch()
        async with embedded_postgres(Path(folder)) as url, await Database.open(url) as db:
            plan = Plan(url, bill, count, processes, await prepare(db, count))
            began = time.monotonic()
            await watch(plan, db, trial, kills)
            trial.seconds = time.monotonic() - began
            await calls.settle_orphans(db)
            await look(plan, db, trial)
            async with db.statements() as conn:
                counts = (await conn.execute(COUNTS, {"orphaned": calls.ORPHANED})).one()
        trial.refused, trial.orphans = counts.refused, counts.orphans
        trial.billed = sum(map(Decimal, bill.read_text().split()), Decimal(0))
    return trial


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=48)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--worker", nargs=7, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.worker:
        slot, url, bill, count, processes, *opened = wanted.worker
        asyncio.run(work(Plan(url, Path(bill), int(count), int(processes), tuple(opened)), int(slot)))
        return 0
    trial = asyncio.run(try_out(wanted.calls, wanted.kills, wanted.processes))
    print(trial.table())
    wrong = trial.wrong()
    if wrong:
        print(f"not 0: {', '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
