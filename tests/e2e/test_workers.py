"""Worker processes of a Prefect work pool, killed in the middle of their work; select with -m e2e."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from schemas.events import Event
from services.database import ledger
from services.local.deployed import deploy
from services.local.worker import worker
from tests.databases import Server
from tests.flows.test_full import full_order
from tests.flows.test_pool import pool_order
from tests.platform import Platform, git, order, paid

pytestmark = [
    pytest.mark.services,
    pytest.mark.e2e,
    pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning"),
]
MODEL = "rehearsal:items=8,layers=2,latency=2"


@pytest.fixture
async def deployed(platform: Platform) -> AsyncIterator[Platform]:
    """A platform with every deployment."""
    with temporary_settings({PREFECT_API_URL: platform.prefect_url}):
        await deploy(platform.prefect_url)
        yield platform


async def first(platform: Platform, kind: str, **facts: Any) -> Event:
    """The first event of a kind, as soon as it is there."""
    async with asyncio.timeout(120), platform.database() as database:
        while True:
            async with database.transaction() as conn:
                for event in await ledger.events(conn):
                    if event.kind == kind and facts.items() <= event.payload.items():
                        return event
            await asyncio.sleep(0.1)


async def test_three_workers_one_killed_in_the_middle_of_an_item_make_what_one_process_makes(
    deployed: Platform, servers: dict[str, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOENIX_MEMORY", "off")  # what hints say depends on which item is accepted first
    home = Path(os.environ["PHOENIX_HOME"])
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(worker(home, deployed.prefect_url, 1)) for _ in range(3)]
        building = asyncio.create_task(deployed.build(pool_order(MODEL)))
        entered = await first(deployed, "entered", outcome="red")
        taken = await first(deployed, "item_taken", item=entered.payload["item"])
        hit = os.getsid(taken.payload["pid"])
        assert hit in {w.pid for w in workers}
        os.killpg(hit, signal.SIGKILL)
        async with asyncio.timeout(400):
            ending = await building
    events = await deployed.events()
    takings = [e.payload for e in events if e.kind == "item_taken"]
    again = [p["pid"] for p in takings if p["item"] == taken.payload["item"]]
    assert len(again) == 2, "another worker took it over"
    assert len({p["item"] for p in takings}) == 8

    with servers["embedded"].fresh(servers["embedded"].migrated()) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("PHOENIX_HOME", str(deployed.folder / "other"))
        calm = await Platform(deployed.prefect_url, url, deployed.folder).build(full_order(MODEL))
        alone = await paid(url)
    assert git(ending.path, "rev-parse", "HEAD^{tree}") == git(calm.path, "rev-parse", "HEAD^{tree}")
    several = await paid(deployed.database_url)
    assert {d: cost for d, (_, cost) in several.items()} == {d: cost for d, (_, cost) in alone.items()}
    assert sum(tries - 1 for tries, _ in several.values()) <= 1, "at most the call in flight is made again"


@pytest.mark.parametrize("host", [False, True], ids=["its process", "its process and its worker"])
async def test_a_run_whose_process_is_killed_under_a_worker_goes_on_by_itself(
    host: bool, deployed: Platform
) -> None:
    home = Path(os.environ["PHOENIX_HOME"])
    wanted = order("rehearsal:latency=3", mode="lite")
    async with worker(home, deployed.prefect_url, 2) as victim, get_client() as client:
        build = await client.read_deployment_by_name("build/build")
        run = await client.create_flow_run_from_deployment(
            build.id, parameters={"order": wanted.model_dump(mode="json")}
        )
        opened = await first(deployed, "execution_opened")
        assert opened.payload["flow_run"] == str(run.id)
        await asyncio.sleep(3)
        with suppress(ProcessLookupError):
            os.killpg(victim.pid, signal.SIGKILL) if host else os.kill(opened.payload["pid"], signal.SIGKILL)
        async with worker(home, deployed.prefect_url, 2), asyncio.timeout(400):
            ended = (await client.read_flow_run(run.id)).state
            while not ended or not ended.is_final() or ended.is_crashed():  # a crashed one is started again
                await asyncio.sleep(0.5)
                ended = (await client.read_flow_run(run.id)).state
    assert ended.is_completed(), ended
    released = await first(deployed, "entered", outcome="approve")
    assert released.run == opened.run
    events = await deployed.events()
    assert [e.kind for e in events].count("execution_opened") == 2
    assert max(tries for tries, _ in (await paid(deployed.database_url)).values()) <= 2
