"""The plug is pulled: SIGKILL at random moments, the same command again; same tree, nothing paid twice."""

import asyncio
import json
import random
import signal
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text

from services.database import Database, ledger
from tests.phoenix.command import environment, phoenix_process
from tests.platform import BRIEF, Platform, git, order

pytestmark = [
    pytest.mark.services,
    pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning"),
]
MODEL = "rehearsal:seed=11,bad_code=0.5,schema_violation=0.2,latency=0.3"
KILLS = 5


async def test_a_run_killed_at_random_moments_ends_as_if_nothing_had_happened(
    platform: Platform, embedded_url: str, tmp_path: Path
) -> None:
    brief = tmp_path / "brief.md"
    brief.write_text(BRIEF)
    env = environment(
        PHOENIX_HOME=str(tmp_path / "killed"), DATABASE_URL=embedded_url, PREFECT_API_URL=platform.prefect_url
    )
    moments = random.Random(20261124)
    arguments = ("build", str(brief), "--model", MODEL, "--approve", "auto", "--json")
    kills = 0
    for _ in range(KILLS):
        process = phoenix_process(*arguments, env=env)
        kills += await killed_after(process, embedded_url, moments.randint(1, 9))
    process = phoenix_process(*arguments, env=env)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    result = json.loads(out)
    calm = await platform.build(order(MODEL))

    assert kills == KILLS
    assert result["release"]["tree"] == git(calm.path, "rev-parse", "HEAD^{tree}")
    disturbed, undisturbed = await paid(embedded_url), await paid(platform.database_url)
    assert {d: price for d, (_, price) in disturbed.items()} == {d: p for d, (_, p) in undisturbed.items()}
    again = sum(tries - 1 for tries, _ in disturbed.values())
    assert again <= kills, "at most the call in flight at a kill is made again"
    async with await Database.open(embedded_url) as database, database.transaction() as conn:
        events = await ledger.events(conn, project="tiny-sums")
        assert await ledger.verify_chain(conn, "tiny-sums") == len(events)
    assert len({e.run for e in events}) == 1


async def killed_after(process: subprocess.Popen[bytes], url: str, answers: int) -> bool:
    """Kill the process once the ledger has grown by some events, or at the latest when it ends."""
    async with await Database.open(url) as database:
        before = await events_so_far(database)
        while process.poll() is None:
            if await events_so_far(database) - before >= answers:
                process.send_signal(signal.SIGKILL)
                break
            await asyncio.sleep(0.01)
    process.communicate()
    return process.returncode == -signal.SIGKILL


async def events_so_far(database: Database) -> int:
    async with database.transaction() as conn:
        return int((await conn.execute(text("select count(*) from events"))).scalar_one())


async def paid(url: str) -> dict[str, tuple[int, object]]:
    """Every request that was answered: how often it was tried, and what its answer cost."""
    async with await Database.open(url) as database, database.transaction() as conn:
        rows = await conn.execute(text("select digest, attempts, cost from model_calls where state = 'done'"))
        return {row.digest: (row.attempts, row.cost) for row in rows}


async def test_a_terminated_build_says_that_nothing_is_lost(platform: Platform, tmp_path: Path) -> None:
    brief = tmp_path / "brief.md"
    brief.write_text(BRIEF)
    env = environment(
        PHOENIX_HOME=str(tmp_path / "home"),
        DATABASE_URL=platform.database_url,
        PREFECT_API_URL=platform.prefect_url,
    )
    arguments = ("build", str(brief), "--model", "rehearsal:latency=2", "--approve", "auto")
    process = phoenix_process(*arguments, env=env)
    async with platform.database() as database:
        while process.poll() is None and await events_so_far(database) < 6:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.decode().splitlines()[-1].startswith("phoenix: stopped; nothing is lost")
    assert "Traceback" not in err.decode()
