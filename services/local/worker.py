"""A process worker of the work pool, and the detached process that keeps the whole platform."""

import asyncio
import contextlib
import os
import signal
import subprocess  # nosec B404
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from services.local.deployed import POOL, ROOT
from services.local.keep import make_folder, writable
from services.local.prefect_server import client_environment

PATIENCE_S = 10
"""How long a worker and its flow runs may take to end before they are killed."""


def usual_limit() -> int:
    """How many flow runs a worker of this machine carries at once: most of them wait for models."""
    return max(4, 2 * (os.cpu_count() or 1))


@asynccontextmanager
async def worker(
    home: Path, url: str, limit: int, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in a session of its own, with which all its flow runs end when this context ends."""
    make_folder(home / "prefect")
    with writable(home), (home / "worker.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "prefect", "worker", "start"),
            *("--pool", POOL, "--type", "process", "--limit", str(limit)),
            cwd=ROOT,
            env=worker_environment(home, url, environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        await _end(process)


def worker_environment(home: Path, url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What a worker and its flow runs are given: they look for work every second and log to the server."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    return {
        **environment,
        **client_environment(home, url, debug=True),
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_TO_API_ENABLED": "true",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PHOENIX_HOME": str(home),
        "PATH": programs,
    }


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the worker's session: first by asking."""
    for ask in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, ask)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()


def spawn_detached(arguments: tuple[str, ...], log: Path) -> "subprocess.Popen[bytes]":
    """The phoenix command in a session of its own; what it says goes to a file."""
    with writable(log), log.open("wb") as file:
        return subprocess.Popen(  # nosec B603
            [sys.executable, "-m", "phoenix.main", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
