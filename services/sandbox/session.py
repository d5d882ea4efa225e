"""One job while it runs: watched, fed and read, then turned into an outcome."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from schemas.verdict import Confinement
from services.sandbox.bwrap import WRITABLE
from services.sandbox.collect import collect
from services.sandbox.job import Job, Outcome
from services.sandbox.sample import cpu, sample, shared_fairly_mb
from services.sandbox.streams import Feed, Sink
from services.sandbox.tree import Tree

_EVERY_S = 0.025
FLOOD = 64
_INODES = 20_000
_MIB = 1 << 20


class Session:
    """A started job; outcome is set when it is over."""

    outcome: Outcome

    def __init__(self, job: Job, tree: Tree, keep_stdout: int) -> None:
        self.changed = asyncio.Event()
        """Set whenever output came or the program ended."""
        self.over = False
        self._job, self._tree = job, tree
        self._places = {
            name: tree.pin(name) for name in (*WRITABLE, *(("/code",) if job.code_writable else ()))
        }
        self.stdout = Sink(tree.stdout, keep_stdout, self.changed.set)
        self._stderr = Sink(tree.stderr, job.limits.output_bytes, self.changed.set)
        self.stdin = Feed(tree.stdin)
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(tree.main_fd, self._main_ended)
        self._hits: dict[str, None] = {}
        self._killed = False
        self._cpu_s = self._peak_mb = 0.0
        self._begin = time.monotonic()

    async def watch(self) -> int | None:
        """Wait for the end, or bring it about when a limit is exceeded; the exit code, None when killed."""
        pause = _EVERY_S / 5
        while not await self._end_within(min(pause, self._left())):
            pause = min(_EVERY_S, pause * 2)
            self._measure()
            if self._exceeded():
                self.kill()
        self._wall_s = time.monotonic() - self._begin
        if self._killed:
            await self._tree.dead()
        code = await self._tree.exit_code(self._measure)
        self.stdout.drain()
        self._stderr.drain()
        self.over = True
        self.changed.set()
        return None if self._killed else code

    def kill(self) -> None:
        """End it now."""
        self._killed = True
        self._tree.kill()

    def finish(self, code: int | None, confinement: Confinement) -> None:
        """Set the outcome of a tree that is dead."""
        limits = self._job.limits
        number = code - 128 if code is not None and code - 128 in signal.valid_signals() else None
        for hit, ending in (("cpu", signal.SIGXCPU), ("file_size", signal.SIGXFSZ)):
            if number == ending:
                self._hits[hit] = None
        files, refused = collect(self._places["/out"], self._job.collect, limits.file_mb * _MIB)
        out, err = bytes(self.stdout.kept), bytes(self._stderr.kept)
        self.outcome = Outcome(
            exit_code=code,
            signal=signal.SIGKILL if code is None else number,
            stdout=out[: limits.output_bytes],
            stderr=err,
            truncated=len(out) > limits.output_bytes or self.stdout.dropped + self._stderr.dropped > 0,
            limits_hit=tuple(self._hits),
            wall_s=self._wall_s,
            cpu_s=self._cpu_s,
            peak_mb=self._peak_mb,
            collected=files,
            refused=refused,
            confinement=confinement,
        )

    def close(self) -> None:
        """Leave the event loop."""
        self._loop.remove_reader(self._tree.main_fd)
        for stream in (self.stdin, self.stdout, self._stderr):
            stream.close()

    def _main_ended(self) -> None:
        self._loop.remove_reader(self._tree.main_fd)
        self._ended.set()

    async def _end_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(None if self._killed else seconds):
                await self._ended.wait()
        return self._ended.is_set()

    def _left(self) -> float:
        return max(0.0, self._begin + self._job.limits.wall_s - time.monotonic())

    def _measure(self) -> None:
        now = sample(self._tree.init)
        limits = self._job.limits
        self._cpu_s = max(self._cpu_s, now.cpu_s, cpu(self._tree.init))
        resident = now.resident_mb
        if resident > limits.memory_mb:
            resident = shared_fairly_mb(now.pids) or resident
        self._peak_mb = max(self._peak_mb, resident)
        if now.tasks >= limits.processes - 1:
            self._hits["processes"] = None

    def _exceeded(self) -> bool:
        limits = self._job.limits
        inodes = (os.fstatvfs(place) for place in self._places.values())
        tests = {
            "wall": self._left() <= 0,
            "cpu": self._cpu_s > limits.cpu_s,
            "memory": self._peak_mb > limits.memory_mb,
            "output": self.stdout.total + self._stderr.total > FLOOD * limits.output_bytes,
            "files": any(space.f_files - space.f_ffree > _INODES for space in inodes),
        }
        hit = [name for name, true in tests.items() if true]
        self._hits.update(dict.fromkeys(hit))
        return bool(hit)


@asynccontextmanager
async def started(job: Job, command: Callable[[int], list[str]], keep_stdout: int) -> AsyncIterator[Session]:
    """A session whose program was just let go; every process is dead at the end, whatever happens."""
    tree = Tree(command)
    session = None
    try:
        await tree.ready()
        session = Session(job, tree, keep_stdout)
        yield session
    finally:
        if session:
            session.close()
        tree.close()
