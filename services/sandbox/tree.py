"""One bubblewrap with everything below it: started, pinned, killed as a whole.

bwrap (ours, kept stopped) ── init (pid 1 inside) ── main (the program) ── whatever it starts

bwrap stays stopped so that it cannot reap init: a dead init still tells the
processor time of all that it reaped.
"""

import asyncio
import os
import re
import select
import signal
import subprocess  # nosec B404 - starting confined programs is the point
from collections.abc import Callable
from contextlib import ExitStack, suppress

from schemas.errors import SandboxUnavailable
from services.sandbox import sample

_START_S = 30
_DEATH_MS = 5000


class Tree:
    """A tree of processes that ends with us at the latest."""

    def __init__(self, command: Callable[[int], list[str]]) -> None:
        """Start bwrap; command gets the descriptor for bwrap's report about its child."""
        self._open = ExitStack()
        self.init = self.main = 0
        self._init_fd: int | None = None
        self.main_fd = -1
        try:
            self._start(command)
        except BaseException:
            self._open.close()
            raise

    def _start(self, command: Callable[[int], list[str]]) -> None:
        with ExitStack() as theirs:
            ends = [os.pipe() for _ in range(4)]
            (self._info, info), (stdin, to_stdin), (self.stdout, stdout), (self.stderr, stderr) = ends
            for descriptor in (info, stdin, stdout, stderr):
                theirs.callback(os.close, descriptor)
            for descriptor in (self._info, self.stdout, self.stderr):
                self._keep(descriptor)
            self.stdin = self._open.enter_context(open(to_stdin, "wb", buffering=0))  # noqa: PTH123
            self._bwrap = subprocess.Popen(  # nosec B603 - our own list of arguments, no shell
                command(info), stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=(info,), env={}, cwd="/"
            )
        self._bwrap_fd = self._keep(os.pidfd_open(self._bwrap.pid))

    async def ready(self) -> None:
        """Wait until every mount exists and the program waits for its first line.

        Raises:
            SandboxUnavailable: bwrap failed; its first line of complaint is in the message.
        """
        try:
            async with asyncio.timeout(_START_S):
                await readable(self._info)
                self._find_init()
                await readable(self.stdout)
        except TimeoutError:
            raise SandboxUnavailable(f"a sandbox did not start within {_START_S} seconds") from None
        if self._init_fd is None or os.read(self.stdout, 1) != b".":
            raise SandboxUnavailable(f"bubblewrap could not start: {self._complaint()}")
        os.kill(self._bwrap.pid, signal.SIGSTOP)
        started = sample.children(self.init, self.init)
        if len(started) != 1:
            raise SandboxUnavailable("/proc does not list child processes (CONFIG_PROC_CHILDREN), or not one")
        self.main = started[0]
        self.main_fd = self._keep(os.pidfd_open(self.main))

    def pin(self, place: str) -> int:
        """A descriptor of a folder inside, good until close() even when all processes are dead."""
        return self._keep(
            os.open(f"/proc/{self.init}/root{place}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        )

    def kill(self) -> None:
        """Kill every process inside at once."""
        if self._init_fd is not None:
            _send_kill(self._init_fd)

    async def exit_code(self, wait: Callable[[], None]) -> int:
        """What bwrap says about the ended program; wait is called between its end and bwrap's."""
        for _ in range(100):
            if self.main not in sample.children(self.init, self.init):
                break
            await asyncio.sleep(0.001)
        wait()
        os.kill(self._bwrap.pid, signal.SIGCONT)
        await readable(self._bwrap_fd)
        code = self._bwrap.wait()
        self.kill()
        await self.dead()
        return code

    async def dead(self) -> None:
        """Wait until no process inside is left; the kernel ends init last."""
        if self._init_fd is not None:
            await readable(self._init_fd)

    def close(self) -> None:
        """Kill what lives, without waiting for the event loop, and give every descriptor back."""
        if not self.init and _poll(self._info):
            self._find_init()
        self.kill()
        if self._bwrap.returncode is None:
            _send_kill(self._bwrap_fd)
            self._bwrap.wait()
        if self._init_fd is not None:
            _poll(self._init_fd)
        self._open.close()

    def _find_init(self) -> None:
        report = re.search(rb'"child-pid": (\d+)', os.read(self._info, 4096))
        if report is None:
            return
        self.init = int(report[1])
        with suppress(ProcessLookupError):
            self._init_fd = self._keep(os.pidfd_open(self.init))

    def _complaint(self) -> str:
        _poll(self._bwrap_fd)
        os.set_blocking(self.stderr, False)
        try:
            text = os.read(self.stderr, 2000).decode(errors="replace").strip()
        except BlockingIOError:
            text = ""
        return text.splitlines()[0] if text else f"exit code {self._bwrap.poll()}, no message"

    def _keep(self, descriptor: int) -> int:
        self._open.callback(os.close, descriptor)
        return descriptor


async def readable(descriptor: int) -> None:
    """Wait until a descriptor can be read; of a process: until it is dead."""
    loop = asyncio.get_running_loop()
    happened = asyncio.Event()
    loop.add_reader(descriptor, happened.set)
    try:
        await happened.wait()
    finally:
        loop.remove_reader(descriptor)


def _poll(descriptor: int) -> bool:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(_DEATH_MS))


def _send_kill(process: int) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, signal.SIGKILL)
