"""Tells stories on a real platform and reads what became of them."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from flows.order import BuildOrder, Ending
from schemas.brief import Brief, parse_brief
from schemas.events import Event
from schemas.policy import Policy, Tier
from services.database import Database, ledger, runs, usage

BRIEF = """# Tiny Sums

A small library with a few arithmetic functions over integers. Each takes one integer and returns one
integer, and each is documented with an example.
"""


def order(model: str = "rehearsal:seed=7", text: str = BRIEF, **policy: Any) -> BuildOrder:
    """An order of the rehearsal's synthetic project."""
    chosen = {"models": dict.fromkeys(Tier, model), "release_gate": "auto", **policy}
    return BuildOrder(brief=a_brief(text), policy=Policy.model_validate(chosen))


def a_brief(text: str = BRIEF) -> Brief:
    """The brief in a text."""
    return parse_brief(text, "the test's brief")


@dataclass(frozen=True)
class Platform:
    """Real services, and one project's home."""

    prefect_url: str
    database_url: str
    folder: Path

    async def build(self, wanted: BuildOrder) -> Ending:
        """Tell the build story in this process, as the command does."""
        from prefect.settings import PREFECT_API_URL, temporary_settings

        from flows.build import build_flow
        from services.local.results import save_block

        with temporary_settings({PREFECT_API_URL: self.prefect_url}):
            await save_block()
            ending: Ending = await build_flow(wanted)
            return ending

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """The run's database."""
        async with await Database.open(self.database_url) as database:
            yield database

    async def events(self, project: str = "tiny-sums") -> list[Event]:
        """The project's ledger, with its chain verified."""
        async with self.database() as database, database.transaction() as conn:
            await ledger.verify_chain(conn, project)
            return await ledger.events(conn, project=project)

    async def usage(self, project: str = "tiny-sums") -> usage.RunUsage:
        """What the newest run asked of models."""
        async with self.database() as database, database.transaction() as conn:
            return await usage.run_usage(conn, (await runs.find_run(conn, project)).id)

    async def api(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """What the Prefect server answers to a filter."""
        import httpx

        async with httpx.AsyncClient(timeout=20) as client:
            answer = await client.post(f"{self.prefect_url}/{path}/filter", json=body)
            answer.raise_for_status()
            found: list[dict[str, Any]] = answer.json()
            return found


async def paid(url: str) -> dict[str, tuple[int, object]]:
    """Every request that was answered: how often it was tried, and what its answer cost."""
    async with await Database.open(url) as database, database.transaction() as conn:
        rows = await conn.execute(text("select digest, attempts, cost from model_calls where state = 'done'"))
        return {row.digest: (row.attempts, row.cost) for row in rows}


def stages(events: list[Event]) -> list[tuple[str, str]]:
    """The visited states and their outcomes, in ledger order."""
    return [(str(e.from_state), e.payload["outcome"]) for e in events if e.kind == "left"]


def git(folder: Path | str | None, *arguments: str) -> str:
    """What git says in a folder."""
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
