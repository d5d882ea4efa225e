"""Uses a service until its stdin ends: `python -m tests.services.local_user KIND HOME`."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.local.postgres import embedded_postgres
from services.local.prefect_server import prefect_server
from services.settings import Settings

ROOT = Path(__file__).parents[2]


def at(home: Path, api: str | None = None) -> Settings:
    return Settings.model_validate({"PHOENIX_HOME": home, "PREFECT_API_URL": api})


def service(kind: str, home: Path) -> AbstractAsyncContextManager[Any]:
    return embedded_postgres(home) if kind == "postgres" else prefect_server(at(home))


@dataclass(frozen=True)
class User:
    process: "subprocess.Popen[str]"

    def says(self) -> Any:
        """What it got; waits until it has it."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return json.loads(line)


@asynccontextmanager
async def user(kind: str, home: Path) -> AsyncIterator[User]:
    """A user in a process of its own, which leaves in the end if it is still there."""
    command = [sys.executable, "-m", "tests.services.local_user", kind, str(home)]
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: ASYNC220
        command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield User(process)
        finally:
            await asyncio.to_thread(process.communicate)


async def _main(kind: str, home: Path) -> None:
    async with service(kind, home) as got:
        print(json.dumps(got, default=vars), flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Path(sys.argv[2])))
