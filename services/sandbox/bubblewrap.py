"""The bubblewrap backend."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from schemas.errors import SandboxUnavailable
from schemas.verdict import Confinement
from services.sandbox.bwrap import Tools, command
from services.sandbox.conversation import Conversation
from services.sandbox.job import Job, Outcome
from services.sandbox.session import FLOOD, Session, started
from services.sandbox.staging import staged
from services.sandbox.turns import Turns

AT_ONCE = 2 * (os.cpu_count() or 1)
"""How many jobs run at once; more would only make each other's wall limits strike."""

_NOBODY = 65534
_ENOUGH = 1000
_HIGHEST = 2_000_000_000
_MISSING = (
    "seccomp: none",
    "memory: sampled, without memfd and socket buffers",
    "cpu of the tree: sampled",
    "file count: sampled",
    "tmpfs: beside the memory limit",
    "cpu pinning: none",
)
_MISSING_AS_ROOT = "nested user namespaces: allowed"


class Bubblewrap:
    """Runs each job in a bubblewrap of its own; as root, under a user id that no other job has."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._root = os.geteuid() == 0
        self._taken: set[int] = set()
        self._turns = Turns(AT_ONCE)
        missing = (*_MISSING, _MISSING_AS_ROOT) if self._root else _MISSING
        self.confinement = Confinement(backend="bubblewrap", level="full", missing=missing)

    async def run(self, job: Job) -> Outcome:
        """What the job did, with every one of its processes dead; it waits for its turn before it starts."""
        async with self._turns.turn(), self._session(job, job.limits.output_bytes) as session:
            session.stdin.send(job.stdin, last=True)
            session.finish(await session.watch(), self.confinement)
        return session.outcome

    @asynccontextmanager
    async def converse(self, job: Job) -> AsyncIterator[Conversation]:
        """A line-by-line conversation with the job; Job.stdin is sent first, and the tree dies at the end."""
        async with self._session(job, FLOOD * job.limits.output_bytes) as session:
            watching = asyncio.create_task(session.watch())
            try:
                session.stdin.send(job.stdin)
                yield Conversation(session)
            finally:
                if not session.over:
                    session.kill()
                session.finish(await watching, self.confinement)

    @asynccontextmanager
    async def _session(self, job: Job, keep_stdout: int) -> AsyncIterator[Session]:
        with self._uid() as uid, staged(job, uid) as folder:
            arguments = lambda info: command(self._tools, job, folder, uid, info, self._root)  # noqa: E731
            async with started(job, arguments, keep_stdout) as session:
                session.stdin.send(b"go\n")
                yield session

    @contextmanager
    def _uid(self) -> Iterator[int]:
        """A user id of ours that no running job of this process has, and likely none of another."""
        if not self._root:
            yield 1000
            return
        first, count = _mapped()
        while (uid := first + count // 2 + secrets.randbelow(count // 2)) in self._taken or uid == _NOBODY:
            continue
        self._taken.add(uid)
        try:
            yield uid
        finally:
            self._taken.discard(uid)


def _mapped() -> tuple[int, int]:
    """The widest range of ids, first and count, that exists here for users and for groups."""
    ranges = [_widest(Path(f"/proc/self/{kind}_map").read_text()) for kind in ("uid", "gid")]
    first = max(start for start, _ in ranges)
    last = min(start + count for start, count in ranges)
    count = min(last, _HIGHEST) - first
    if count < _ENOUGH:
        raise SandboxUnavailable(
            f"root has only {count} user ids here, so a program cannot get one of its own"
        )
    return first, count


def _widest(table: str) -> tuple[int, int]:
    rows = [[int(word) for word in line.split()] for line in table.splitlines()]
    start, _, count = max(rows, key=lambda row: row[2])
    return start, count
