"""A flow run that is started again by itself and only dies: our ledger counts, and stops it."""

import asyncio

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.crashes import LIVES
from schemas.stateflow import State
from services.database import ledger
from tests.platform import Platform, order
from tests.workers import deployed, engine

pytestmark = [
    pytest.mark.services,
    pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning"),
]


async def seen(platform: Platform, kind: str) -> int:
    async with platform.database() as database, database.transaction() as conn:
        return sum(e.kind == kind for e in await ledger.events(conn))


async def test_a_flow_run_that_dies_every_time_is_halted_and_a_person_can_go_on(platform: Platform) -> None:
    wanted = order("rehearsal:latency=4", mode="lite")
    with temporary_settings({PREFECT_API_URL: platform.prefect_url}):
        deployment = await deployed("build", "flows/build.py:build_flow")
        async with get_client() as client:
            run = await client.create_flow_run_from_deployment(
                deployment, parameters={"order": wanted.model_dump(mode="json")}
            )
        for life in range(1 + LIVES):
            process = await engine(run.id)
            sign, times = ("left", 2) if life == 0 else ("execution_opened", life + 1)
            async with asyncio.timeout(120):
                while await seen(platform, sign) < times:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            process.kill()
            await process.wait()
        process = await engine(run.id)
        await process.wait()
        async with get_client() as client:
            ended = await client.read_flow_run(run.id)
    assert ended.state_type is StateType.FAILED, "Prefect does not start again what has failed"
    halted = [e for e in await platform.events() if e.kind == "halted"]
    assert [e.from_state for e in halted] == [State.HALTED]
    assert f"died {LIVES} times in a row without finishing any stage" in halted[0].payload["message"]

    ending = await platform.build(wanted)
    assert (ending.run, ending.state) == (halted[0].run, State.COMPLETED)
