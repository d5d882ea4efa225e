"""Items developed by workers: the same project as in one process, whatever becomes of the workers."""

import asyncio
import json
import os
import shutil
import socket
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Failed

from flows.context import joined
from flows.errand import read_errand, say
from flows.order import BuildOrder
from schemas.errors import BudgetExceeded, ConfigurationError, Halted
from schemas.events import EventKind
from services import own_code
from services.database import items
from tests.databases import Server
from tests.flows.test_full import MODEL, full_order, of_item, of_run
from tests.platform import Platform, git, paid, stages
from tests.workers import deployed, develop, hands

pytestmark = [
    pytest.mark.services,
    pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning"),
]
FAULTS = "seed=4,bad_code=0.4,bad_test=0.3,vacuous_test=0.3,schema_violation=0.1"


def pool_order(model: str = MODEL, **policy: Any) -> BuildOrder:
    return full_order(model, **policy).model_copy(update={"executor": "pool"})


@pytest.mark.parametrize("model", ["rehearsal:items=5", f"{MODEL},{FAULTS}"], ids=["calm", "with faults"])
async def test_workers_make_the_same_tree_from_the_same_calls_as_one_process(
    model: str, platform: Platform, servers: dict[str, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hands(platform) as taken:
        ending = await platform.build(pool_order(model, repairs=5))
    assert {run.parameters["item"] for run in taken} >= {"WI-1", "WI-2", "WI-3"}
    tree = git(ending.path, "rev-parse", "HEAD^{tree}")
    events = await platform.events()
    assert len([e for e in events if e.kind == "execution_opened"]) == 1, "workers join the execution"

    with servers["embedded"].fresh(servers["embedded"].migrated()) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("PHOENIX_HOME", str(platform.folder / "other"))
        alone = Platform(platform.prefect_url, url, platform.folder)
        calm = await alone.build(full_order(model, repairs=5))
        assert git(calm.path, "rev-parse", "HEAD^{tree}") == tree
        assert await paid(url) == await paid(platform.database_url)
        assert stages(of_run(await alone.events())) == stages(of_run(events))


async def test_a_failed_item_hands_its_evidence_to_the_analysis(platform: Platform) -> None:
    async with hands(platform):
        with pytest.raises(Halted, match=r"IMPLEMENT_CODE WI-1"):
            await platform.build(pool_order(f"{MODEL},bad_code=1", repairs=1, attempts=1, rethinks=1))
    told = [state for state, _ in stages(of_run(await platform.events()))]
    assert told.count("FAILURE_ANALYSIS") > 1
    assert "AUTOMATED_RETHINK" in told


async def test_a_budget_that_a_worker_meets_stops_the_run_and_nothing_is_paid_twice(
    platform: Platform,
) -> None:
    wide = "rehearsal:items=4,layers=1,latency=1"
    async with hands(platform):
        with pytest.raises(BudgetExceeded, match=r"--budget"):
            await platform.build(pool_order(wide, budget_usd=Decimal("0.1")))
        assert 0 < (await platform.usage()).cost_usd <= Decimal("0.1")
        await platform.build(pool_order(wide, budget_usd=Decimal(5)))
    assert {tries for tries, _ in (await paid(platform.database_url)).values()} == {1}


async def dies(run: FlowRun) -> None:
    """Take the item and be gone."""
    async with joined(run.parameters["execution"]) as context:
        item, _ = await read_errand(context, run.parameters["errand"])
        async with items.developing(context.database, context.project, item.spec.key()):
            where = {"flow_run": str(run.id), "host": socket.gethostname(), "pid": os.getpid()}
            await say(item, EventKind.ITEM_TAKEN, run.parameters["errand"], where)


async def ends_unheard(run: FlowRun) -> None:
    """End before anything could be said."""
    async with get_client() as client:
        await client.set_flow_run_state(run.id, Failed(message="no module named flows"), force=True)


async def test_the_item_of_a_worker_that_is_gone_is_sent_to_another_one(platform: Platform) -> None:
    async with hands(platform, dies, ends_unheard) as taken:
        ending = await platform.build(pool_order())
        assert await develop(taken[0]) == "over", "nobody waits for this errand any more"
    assert ending.state == "COMPLETED"
    assert len(taken) == 5
    made = [
        (e.from_state, e.payload["key"])
        for item in ("WI-1", "WI-2", "WI-3")
        for e in of_item(await platform.events(), item)
        if e.kind == "left" and not e.payload["cached"]
    ]
    assert len(made) == len(set(made)) == 12, "no stage was worked on twice"


async def test_a_worker_of_another_version_makes_nothing_and_is_passed_over(
    platform: Platform, tmp_path: Path
) -> None:
    """It would find another answer under the same name."""
    for package in ("flows", *own_code.PACKAGES):
        shutil.copytree(own_code.ROOT / package, tmp_path / package, dirs_exist_ok=True)
    (tmp_path / "agents/prompts/changed.md").write_text("Other words.\n")
    said: list[str] = []

    async def older(run: FlowRun) -> None:
        code = "import asyncio, json, sys; from flows.worker import develop_flow; "
        code += "asyncio.run(develop_flow(**json.loads(sys.argv[1])))"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, json.dumps(run.parameters)),
            cwd=tmp_path,
            env={**os.environ, "PREFECT_API_URL": platform.prefect_url},
            stderr=asyncio.subprocess.PIPE,
        )
        said.append((await process.communicate())[1].decode())
        await ends_unheard(run)

    async with hands(platform, older):
        ending = await platform.build(pool_order())
    assert ending.state == "COMPLETED"
    assert "is of another version of Phoenix than the run" in said[0]


async def cancelled(run: FlowRun) -> None:
    """A person cancels it in Prefect."""
    async with get_client() as client:
        await client.set_flow_run_state(run.id, Cancelled(), force=True)


async def test_an_item_that_is_cancelled_or_costs_every_worker_its_life_halts_the_run(
    platform: Platform,
) -> None:
    async with hands(platform, cancelled):
        with pytest.raises(Halted, match=r"the worker of WI-\d was cancelled"):
            await platform.build(pool_order())
    async with hands(platform, then=dies) as taken:
        with pytest.raises(Halted, match=r"the worker of WI-\d was lost 3 times without an answer"):
            await platform.build(pool_order())
    assert max(Counter(run.parameters["item"] for run in taken).values()) == 3


async def test_without_the_deployment_the_order_says_what_to_type(platform: Platform) -> None:
    with temporary_settings({PREFECT_API_URL: platform.prefect_url}):
        deployment = await deployed("develop", "flows/worker.py:develop_flow")
        async with get_client() as client:
            await client.delete_deployment(deployment)
    with pytest.raises(ConfigurationError, match="phoenix up"):
        await platform.build(pool_order())
