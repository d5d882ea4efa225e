"""Workers for tests: one in this process, which is quick, and flow runs that a test starts itself."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from services.local.results import save_block
from tests.phoenix.command import ROOT
from tests.platform import Platform

Hand = Callable[[FlowRun], Awaitable[Any]]
"""What is done with a flow run that was sent."""


async def develop(run: FlowRun) -> Any:
    """Carry the errand out, as a worker's process would."""
    from flows.worker import develop_flow

    return await develop_flow(**run.parameters)


@asynccontextmanager
async def hands(platform: Platform, *first: Hand, then: Hand = develop) -> AsyncIterator[list[FlowRun]]:
    """A worker in this process: what it took, while it goes on taking. The first flow runs go to `first`."""
    with temporary_settings({PREFECT_API_URL: platform.prefect_url}):
        deployment = await deployed("develop", "flows/worker.py:develop_flow")
        taken: list[FlowRun] = []
        waiting = list(first)
        under_way: set[asyncio.Task[Any]] = set()

        async def take() -> None:
            while True:
                for run in await _scheduled(deployment):
                    if run.id not in {r.id for r in taken}:
                        taken.append(run)
                        hand = waiting.pop(0) if waiting else then
                        under_way.add(asyncio.ensure_future(hand(run)))
                await asyncio.sleep(0.1)

        taking = asyncio.create_task(take())
        try:
            yield taken
        finally:
            taking.cancel()
            for result in await asyncio.gather(taking, *under_way, return_exceptions=True):
                sys.stderr.write(f"a hand came to: {result!r}\n")


async def deployed(name: str, entrypoint: str) -> UUID:
    """The deployment name/name of a flow, without a work pool; nothing that was scheduled before is left."""
    await save_block()
    async with get_client() as client:
        flow = await client.create_flow_from_name(name)
        deployment = await client.create_deployment(
            flow, name, entrypoint=entrypoint, path=str(ROOT), enforce_parameter_schema=False
        )
    for run in await _scheduled(deployment):
        async with get_client() as client:
            await client.delete_flow_run(run.id)
    return deployment


async def _scheduled(deployment: UUID) -> list[FlowRun]:
    waiting = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
    async with get_client() as client:
        return await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=waiting),
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
        )


async def engine(run: UUID) -> asyncio.subprocess.Process:
    """A flow run in a process of its own, scheduled and started as a worker starts it."""
    async with get_client() as client:
        await client.set_flow_run_state(run, Scheduled(), force=True)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "prefect.engine"),
        cwd=ROOT,
        env={**os.environ, "PREFECT__FLOW_RUN_ID": str(run)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
