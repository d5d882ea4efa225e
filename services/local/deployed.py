"""What a Prefect server must hold before a worker can take anything."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import yaml

from schemas.errors import ConfigurationError, PhoenixError

ROOT = Path(__file__).parents[2]
"""Where the code, prefect.yaml and the automations are."""
POOL = "phoenix"


async def deploy(url: str) -> tuple[str, ...]:
    """The deployments of prefect.yaml, applied to the server with all that they need; again changes nothing.

    Raises:
        ConfigurationError: this is no checkout of Phoenix.
        PhoenixError: Prefect refuses a deployment.
    """
    if not (ROOT / "prefect.yaml").is_file():
        raise ConfigurationError(
            f"{ROOT} has no prefect.yaml. Workers need a checkout of Phoenix: clone it and type it there."
        )
    from services.local.results import save_block

    await save_block()
    await _make_pool()
    await _install(yaml.safe_load((ROOT / "deployments" / "automations.yaml").read_text()))
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, "PREFECT_API_URL": url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        raise PhoenixError(f"'prefect deploy --all' failed: {' '.join(lines[-3:])[:500]}")
    return tuple(d["name"] for d in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"])


async def _make_pool() -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    async with get_client() as client:
        try:
            await client.create_work_pool(
                WorkPoolCreate(name=POOL, type="process", base_job_template=template)
            )
        except ObjectAlreadyExists:
            return


async def _install(wanted: list[dict[str, Any]]) -> None:
    """Every automation once, as it is written; one of ours that is not wanted any more goes."""
    from prefect.automations import AutomationCore
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        there = [a for a in await client.read_automations() if a.name.startswith(f"{POOL}-")]
        for one in wanted:
            core = AutomationCore.model_validate(one)
            same = [a for a in there if a.name == core.name]
            if same:
                await client.update_automation(same[0].id, core)
                there.remove(same[0])
            else:
                await client.create_automation(core)
        for old in there:
            await client.delete_automation(old.id)
