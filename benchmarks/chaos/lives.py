"""One command, typed again after each of its deaths: what interrupts it, and what each life came to."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.chaos import tally

ROOT = Path(__file__).parents[2]
PATIENCE_S = 600
CALM_EXITS = {0: "finished", 6: "budget", 7: "unreachable", 2: "refused"}

Meanwhile = Callable[[asyncio.subprocess.Process], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Life:
    """One process of the command."""

    number: int
    began: float
    code: int
    out: str
    err: str

    @property
    def killed(self) -> bool:
        """Whether the plug was pulled."""
        return self.code == -signal.SIGKILL

    @property
    def last(self) -> str:
        """The last line that it said."""
        return (self.err.strip().splitlines() or [""])[-1]

    @property
    def clear(self) -> bool:
        """Whether it ended as a command may: killed from outside, done, or with one line and its code."""
        return self.killed or (self.code in CALM_EXITS and "Traceback" not in self.err)


@dataclass
class Project:
    """A brief, the home and the folder that it is built in, and the lives of the command so far."""

    folder: Path
    model: str
    brief: str
    options: tuple[str, ...] = ("--mode", "full")
    environment: Mapping[str, str] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """Its PHOENIX_HOME."""
        return self.folder / "home"

    @property
    def output(self) -> Path:
        """Where its release goes."""
        return self.folder / "releases" / "out"

    @property
    def log(self) -> Path:
        """What the observed command wrote down."""
        return self.folder / "log"

    def tally(self) -> tally.Tally:
        """The log, read."""
        return tally.read(self.log)

    async def first_write(self, since: int) -> None:
        """Wait for the first durable write after so many bytes of the log."""
        while b'"write"' not in (self.log.read_bytes()[since:] if self.log.exists() else b""):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def live(self, strikes: str = "", meanwhile: Meanwhile | None = None, **more: str) -> Life:
        """Type the command and wait until it ends; `meanwhile(process)` may do something to it."""
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        file = self.folder / "brief.md"
        file.write_text(self.brief)
        watched = os.pathsep.join(map(str, (self.home, self.output.parent)))
        ours = ("PREFECT_", "PHOENIX_MODEL", "CHAOS_")
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(ours)},
            **{"CHAOS_LOG": str(self.log), "CHAOS_STRIKE": strikes, "CHAOS_WATCHED": watched},
            **{"PHOENIX_HOME": str(self.home), **self.environment, **more},
        }  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.chaos.child", "build", str(file), "--model", self.model]
        command += ["--approve", "auto", "--json", "--output", str(self.output), *self.options]
        began = time.time()
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        disturbing = asyncio.create_task(meanwhile(process)) if meanwhile else None
        try:
            async with asyncio.timeout(PATIENCE_S):
                out, err = await process.communicate()
        except TimeoutError:
            pull(process)
            out, err = await process.communicate()
            err += b"\nTraceback: it did not end in time"
        if disturbing:
            disturbing.cancel()
            with suppress(asyncio.CancelledError):
                await disturbing
        code = process.returncode if process.returncode is not None else 1
        self.lives.append(Life(len(self.lives), began, code, out.decode(), err.decode()))
        return self.lives[-1]


async def later(seconds: float, act: Callable[..., Any], *arguments: Any) -> None:
    """Do something after a while."""
    await asyncio.sleep(seconds)
    act(*arguments)


def pull(process: asyncio.subprocess.Process) -> None:
    """SIGKILL to the command's whole process group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def kill_service(home: Path, name: str) -> bool:
    """SIGKILL to the PostgreSQL or the Prefect server of a home, without a farewell; whether one ran."""
    try:
        if name == "postgres":
            pid = int((home / "postgres/data/postmaster.pid").read_text().split()[0])
        else:
            pid = int(json.loads((home / "prefect/server.json").read_text())["pid"])
        if name not in Path(f"/proc/{pid}/cmdline").read_text():
            return False
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError, IndexError):
        return False
    return True
