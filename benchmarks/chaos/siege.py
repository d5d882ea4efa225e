"""A build under fire: killed again and again, its services too, until it has been killed often enough."""

import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.chaos.lives import ROOT, Life, Project, kill_service, later, pull
from services.database import Database, ledger
from services.local.postgres import embedded_postgres
from services.local.prefect_server import prefect_server
from services.settings import Settings
from tests.redis_server import RedisServer

CARDS = ("write",) * 12 + ("moment",) * 5 + ("power", "postgres", "prefect", "redis")
"""What interrupts a life: the plug at a durable write or at a moment (once also of the services, as in a
power cut), or one of the services dies while the command goes on."""
BUDGET, ROOMY = 6, ("--budget", "100")
"""The exit code of an exhausted budget, and what is typed then."""


@dataclass
class Campaign:
    """What all builds together have seen so far."""

    wanted: int
    random: random.Random
    redis: RedisServer | None = None
    cards: Sequence[str] = CARDS
    latest_write: int = 60
    """At which durable write of a life the plug is pulled at the latest, before or after it."""
    latest_s: float = 8.0
    """How long after the first durable write of a life the plug is pulled at the latest."""
    kills: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    """Interruptions by kind."""
    struck: set[tuple[str, str]] = field(default_factory=set)
    """The kinds of durable writes that were struck, before and after."""
    kinds: set[str] = field(default_factory=set)
    """The kinds of durable writes that were seen."""
    to_first_call: list[float] = field(default_factory=list)
    imports: list[float] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    """Ends that were neither done, nor killed, nor one clear line."""
    deck: list[str] = field(default_factory=list)
    told: bool = True
    """Whether each kill is counted on stderr."""

    def draw(self) -> str:
        """The next interruption."""
        if not self.deck:
            self.deck = self.random.sample(self.cards, len(self.cards))
        return self.deck.pop()

    def strikes(self) -> str:
        """The kinds not struck yet, and a number of writes for a life that meets none of them."""
        sides = ("before", "after")
        new = [f"{side} 1 {k}" for k in sorted(self.kinds) for side in sides if (k, side) not in self.struck]
        return ";".join([*new, f"{self.random.choice(sides)} {self.random.randint(1, self.latest_write)}"])

    def note(self, life: Life) -> None:
        """Keep what an end tells."""
        self.kills += life.killed
        if self.told:
            print(f"\r{self.kills} kills ", end="", file=sys.stderr, flush=True)
        if not life.clear:
            self.unclear.append(f"exit code {life.code}: {life.err[-1500:]}")


async def besiege(campaign: Campaign, project: Project, kills: int) -> Life:
    """Kill the build so many times, then let it finish; its last life."""
    async with AsyncExitStack() as stack:
        if "DATABASE_URL" not in project.environment:
            settings = Settings.model_validate({"PHOENIX_HOME": project.home, "PREFECT_API_URL": None})
            await stack.enter_async_context(embedded_postgres(project.home))
            await stack.enter_async_context(prefect_server(settings))
        until = campaign.kills + kills
        while campaign.kills < min(until, campaign.wanted):
            life = await _interrupted(campaign, project)
            campaign.note(life)
            await _look(campaign, project, life)
            if life.code == 0:
                return life
            if life.code == BUDGET:
                project.options = (*project.options, *ROOMY)
        for _ in range(5):
            life = await project.live()
            campaign.note(life)
            if life.code == 0:
                break
        return life


async def _interrupted(campaign: Campaign, project: Project) -> Life:
    kind = campaign.draw()
    campaign.hits[kind] += 1
    if kind == "write":
        return await project.live(campaign.strikes())
    moment = campaign.random.uniform(0.1, campaign.latest_s)
    if kind == "moment" and campaign.random.random() < 0.25:
        return await project.live(meanwhile=lambda p: later(moment / 3, pull, p))
    size = project.log.stat().st_size if project.log.exists() else 0

    async def meanwhile(process: asyncio.subprocess.Process) -> None:
        await project.first_write(size)
        await asyncio.sleep(moment)
        if kind in ("moment", "power"):
            pull(process)
        for service in ("postgres", "prefect"):
            if kind in (service, "power"):
                kill_service(project.home, service)
        if kind == "redis" and campaign.redis:
            await asyncio.to_thread(campaign.redis.kill)
            await asyncio.sleep(1)
            await asyncio.to_thread(campaign.redis.start)

    return await project.live("" if kind != "redis" else campaign.strikes(), meanwhile)


async def _look(campaign: Campaign, project: Project, life: Life) -> None:
    """What one death adds to what the campaign knows."""
    seen = project.tally()
    campaign.struck |= set(seen.struck)
    campaign.kinds |= set(seen.writes)
    if life.number in seen.first_calls:
        campaign.to_first_call.append(seen.first_calls[life.number] - life.began)
        if len(campaign.to_first_call) % 10 == 1:
            campaign.imports.append(await asyncio.to_thread(import_seconds, seen.modules))


def import_seconds(modules: list[str]) -> float:
    """How long a process takes that does nothing but import what the command had imported."""
    code = "import contextlib, importlib, json, sys\nfor m in json.load(sys.stdin):\n    with contextlib."
    code += "suppress(Exception):\n        importlib.import_module(m)\nimport os\nos._exit(0)"
    began = time.monotonic()
    done = [sys.executable, "-W", "ignore", "-c", code]
    subprocess.run(done, input=json.dumps(modules), text=True, cwd=ROOT, check=True, capture_output=True)
    return time.monotonic() - began


def median(numbers: list[float]) -> float:
    """The median; not a number where there are none."""
    return statistics.median(numbers) if numbers else float("nan")


@dataclass(frozen=True)
class Books:
    """What Phoenix's own tables say about a project after all."""

    runs: int
    answered_at: dict[str, float]
    spent: Decimal
    reserved: Decimal
    over_cap: Decimal
    in_flight: int


async def books(url: str, project: str) -> Books:
    """The books of a database; its chain of events holds, or this raises."""
    async with await Database.open(url) as database, database.transaction() as conn:
        await ledger.verify_chain(conn, project)

        async def one(query: str) -> Any:
            return (await conn.execute(text(query))).one()

        told = "select digest, extract(epoch from answered_at) as at from model_calls where state = 'done'"
        answered = {row.digest: float(row.at) for row in await conn.execute(text(told))}
        money = await one(
            "select coalesce(sum(spent), 0) as spent, coalesce(sum(reserved), 0) as reserved, "
            "coalesce(max(greatest(spent + reserved - cap, 0)), 0) as over from budgets where scope = 'run'"
        )
        rest = await one("select count(*) as n from model_calls where state = 'in_flight'")
        told_runs = await one("select count(*) as n from runs")
    return Books(told_runs.n, answered, money.spent, money.reserved, money.over, rest.n)


async def books_of(project: Project, name: str) -> Books:
    """The books of a project with a database of its own."""
    url = project.environment.get("DATABASE_URL")
    if url:
        return await books(url, name)
    async with embedded_postgres(project.home) as url:
        return await books(url, name)


def tree(life: Life) -> str | None:
    """The git tree of the release that a life ended with."""
    return json.loads(life.out)["release"]["tree"] if life.code == 0 else None


def folder(base: Path, name: str) -> Path:
    """A folder that every user may pass, as the embedded PostgreSQL of root needs it."""
    made = base / name
    made.mkdir()
    made.chmod(0o755)
    return made
