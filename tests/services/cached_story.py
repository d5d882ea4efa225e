"""Proves in a real flow what the stages rely on: `python -m tests.services.cached_story HOME`."""

import asyncio
import json
import os
import sys
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.local.prefect_server import client_environment, prefect_server
from tests.services.local_user import at

SAID: ContextVar[str] = ContextVar("said", default="nothing")


@dataclass
class Looks:
    count: int = 0


@dataclass(frozen=True)
class Context:
    """Holds something bound to a loop, and counts who reads its fields while it is armed."""

    engine: asyncio.Lock
    looks: Looks = field(default_factory=Looks)

    def __getattribute__(self, name: str) -> Any:
        if name == "engine":
            object.__getattribute__(self, "looks").count += 1
        return object.__getattribute__(self, name)


class Fatal(Exception):
    pass


class Passing(Exception):
    pass


async def prove(home: Path) -> dict[str, object]:
    from prefect import flow, task
    from prefect.artifacts import acreate_markdown_artifact
    from prefect.cache_policies import CachePolicy
    from prefect.client.orchestration import get_client
    from prefect.tasks import exponential_backoff
    from prefect.utilities.annotations import quote

    from services.local import results

    @dataclass
    class StageKey(CachePolicy):
        def compute_key(self, task_ctx: Any, inputs: Any, flow_parameters: Any, **_: Any) -> str:
            return str(inputs["key"])

    rows: dict[str, tuple[str, str]] = {}
    bodies: list[str] = []
    tries = {"Fatal": 0, "Passing": 0}
    looks = Looks()

    async def read(key: str) -> tuple[str, str] | None:
        return rows.get(key)

    async def not_fatal(_: Any, __: Any, state: Any) -> bool:
        return not isinstance(await state.result(raise_on_failure=False), Fatal)

    retrying = {
        "retries": 2,
        "retry_delay_seconds": exponential_backoff(backoff_factor=0.05),
        "retry_jitter_factor": 1,
        "retry_condition_fn": not_fatal,
    }

    @task(
        persist_result=True,
        result_serializer="json",
        cache_policy=StageKey(),
        task_run_name="{label}",
        **retrying,
    )
    async def stage(context: Context, key: str, label: str) -> dict[str, str]:
        assert isinstance(context, Context)
        bodies.append(SAID.get())
        await acreate_markdown_artifact("# it ran", key="what-happened")
        rows[key] = ("done", f"sha-{key}")
        return {"outcome": "done", "answer": f"sha-{key}"}

    @task(**retrying)
    async def fails(kind: type[Exception]) -> None:
        tries[kind.__name__] += 1
        raise kind("no")

    @flow(result_storage=results.REFERENCE, persist_result=False)
    async def story() -> list[object]:
        SAID.set("set by the flow")
        context = Context(asyncio.Lock(), looks)
        state = await stage.with_options(name="STAGE")(
            context=quote(context), key="a", label="stage a", return_state=True
        )
        return [state.name, await state.result()]

    @flow(persist_result=False)
    async def troubles() -> None:
        await asyncio.gather(fails(Fatal), fails(Passing), return_exceptions=True)

    results.bind(read)
    await asyncio.gather(*(results.save_block() for _ in range(8)))
    await results.save_block()
    first, second = await story(), await story()
    rows.clear()
    third = await story()
    await troubles()
    async with get_client() as client:
        artifacts = {a.key for a in await client.read_artifacts() if a.key}
        names: set[str] = set()
        while "stage a" not in names:
            names = {run.name for run in await client.read_task_runs()}
            await asyncio.sleep(0.2)
    return {
        "first": first,
        "second": second,
        "without its row": third,
        "bodies": len(bodies),
        "context variable": bodies[0],
        "looks into the quoted object": looks.count,
        "tries": tries,
        "names": sorted(n for n in names if n.startswith("stage")),
        "artifacts": sorted(artifacts),
    }


async def main(home: Path) -> None:
    async with prefect_server(at(home)) as server:
        os.environ.update(client_environment(home, server.url))
        sys.stdout.write(json.dumps(await prove(home)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
