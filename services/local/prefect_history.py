"""What the Prefect server keeps of flow runs, seen and deleted through its API.

It is imported once PREFECT_API_URL names the server, because Prefect reads its settings when it is imported.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.exceptions import ObjectNotFound, PrefectException

from schemas.errors import Unreachable

PAGE = 100


@dataclass(frozen=True)
class Kept:
    """A flow run that the server still has, with what goes when it goes."""

    flow_run: UUID
    name: str
    task_runs: int
    artifacts: int


@dataclass(frozen=True)
class History:
    """The history of one server."""

    client: PrefectClient

    async def kept(self, flow_runs: Sequence[str]) -> AsyncIterator[Kept]:
        """Those of the flow runs that the server has."""
        for start in range(0, len(flow_runs), PAGE):
            page = [UUID(named) for named in flow_runs[start : start + PAGE]]
            wanted = FlowRunFilter(id=FlowRunFilterId(any_=page))
            for found in await self.client.read_flow_runs(flow_run_filter=wanted, limit=PAGE):
                mine = {"any_": [str(found.id)]}
                task_runs = await self._count("task_runs", {"flow_runs": {"id": mine}})
                artifacts = await self._count("artifacts", {"artifacts": {"flow_run_id": mine}})
                yield Kept(found.id, found.name, task_runs, artifacts)

    async def delete(self, kept: Kept) -> None:
        """Delete a flow run with its artifacts and task runs; what is gone already is no error."""
        mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[kept.flow_run]))
        while found := await self.client.read_artifacts(artifact_filter=mine, limit=PAGE):
            for artifact in found:
                await self._gone(self.client.delete_artifact(artifact.id))
        await self._gone(self.client.delete_flow_run(kept.flow_run))

    async def _gone(self, deletion: Any) -> None:
        with suppress(ObjectNotFound):
            await deletion

    async def _count(self, what: Any, which: dict[str, Any]) -> int:
        answer = await self.client.request("POST", f"/{what}/count", json=which)  # type: ignore[arg-type]
        return int(answer.json())


@asynccontextmanager
async def history(url: str) -> AsyncIterator[History]:
    """The history of the server at a URL.

    Raises:
        Unreachable: it stopped answering.
    """
    try:
        async with get_client() as client:
            yield History(client)
    except (httpx.HTTPError, PrefectException) as error:
        raise Unreachable(
            f"the Prefect server at {url} stopped answering ({type(error).__name__}). "
            "Type the same command again to go on."
        ) from None
