"""The plug is pulled: SIGKILL, the same command again; same tree, nothing paid twice."""

import asyncio
import json
import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from benchmarks.chaos.lives import Project
from benchmarks.chaos.siege import ROOMY, Campaign, besiege, books, tree
from phoenix.progress import Progress
from services.database import Database
from tests.phoenix.command import environment, phoenix_process
from tests.platform import BRIEF, Platform, git, order

pytestmark = [
    pytest.mark.services,
    pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning"),
]
MODEL = "rehearsal:seed=11,bad_code=0.5,schema_violation=0.2,latency=0.3"
KILLS = 10


async def test_a_run_killed_at_writes_and_moments_ends_as_if_nothing_had_happened(
    platform: Platform, embedded_url: str, tmp_path: Path
) -> None:
    services = {"DATABASE_URL": embedded_url, "PREFECT_API_URL": platform.prefect_url, "CHAOS_FAULTS": "0.2"}
    project = Project(tmp_path / "killed", MODEL, BRIEF, ROOMY, services)
    moments = random.Random(20261124)
    campaign = Campaign(KILLS, moments, cards=("write", "write", "moment"), latest_write=6, latest_s=0.6)
    last = await besiege(campaign, project, KILLS)
    assert last.code == 0, last.err
    calm = await platform.build(order(MODEL))

    assert campaign.kills == KILLS
    assert campaign.unclear == []
    assert tree(last) == git(calm.path, "rev-parse", "HEAD^{tree}")
    seen, found = project.tally(), await books(embedded_url, "tiny-sums")
    assert seen.completed_and_paid_again(found.answered_at) == []
    assert seen.made_again() <= seen.cut_off(), "at most the calls in flight at a kill are made again"
    assert seen.bill() <= found.spent
    assert (found.runs, found.in_flight, found.reserved, found.over_cap) == (1, 0, 0, 0)


async def test_a_run_killed_between_its_release_and_its_end_comes_to_that_end(
    platform: Platform, embedded_url: str, tmp_path: Path
) -> None:
    services = {"DATABASE_URL": embedded_url, "PREFECT_API_URL": platform.prefect_url}
    project = Project(tmp_path / "killed", "rehearsal:seed=7", BRIEF, ROOMY, services)
    assert (await project.live("after 1 artifacts+releases")).killed
    last = await project.live()
    assert last.code == 0, last.err
    again = await project.live()
    assert json.loads(again.out)["message"].startswith("unchanged"), again.err
    assert (await books(embedded_url, "tiny-sums")).runs == 1
    assert tree(last) == tree(again)


async def test_a_termination_whose_cancellation_was_lost_ends_the_work_at_its_next_word() -> None:
    progress, before = Progress(), signal.getsignal(signal.SIGTERM)

    async def work() -> None:
        progress.heed_sigterm()
        signal.raise_signal(signal.SIGTERM)
        with suppress(asyncio.CancelledError):  # as a library may
            await asyncio.sleep(10)
        progress("note", {"text": "the next stage"})

    try:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(work())
    finally:
        signal.signal(signal.SIGTERM, before)


async def events_so_far(database: Database) -> int:
    async with database.transaction() as conn:
        return int((await conn.execute(text("select count(*) from events"))).scalar_one())


async def test_a_terminated_build_says_that_nothing_is_lost(platform: Platform, tmp_path: Path) -> None:
    brief = tmp_path / "brief.md"
    brief.write_text(BRIEF)
    env = environment(
        PHOENIX_HOME=str(tmp_path / "home"),
        DATABASE_URL=platform.database_url,
        PREFECT_API_URL=platform.prefect_url,
    )
    arguments = ("build", str(brief), "--model", "rehearsal:latency=2", "--approve", "auto")
    as_in_scripts = ("env", "--ignore-signal=INT")  # what a shell does to 'phoenix build … &'
    process = phoenix_process(*arguments, env=env, under=as_in_scripts)
    async with platform.database() as database:
        while process.poll() is None and await events_so_far(database) < 6:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.decode().splitlines()[-1].startswith("phoenix: stopped; nothing is lost")
    assert "Traceback" not in err.decode()
