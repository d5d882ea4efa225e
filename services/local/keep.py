"""A service process that lives as long as somebody uses it.

Every user holds a shared lock on `users.lock`, which the kernel frees when the user dies, however it dies.
Whoever leaves tries for the exclusive lock: who gets it was the last one and stops the service.
Starting and finding happen under `start.lock`, so there is one service however many come at once.
"""

import asyncio
import fcntl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

from schemas.errors import ConfigurationError, Unreachable

PATIENCE_S = 120
"""How long one process waits for another one that is starting or stopping the same service."""


class Service(Protocol):
    """What is to be kept: how to find it running, how to start it and how to stop it."""

    async def find(self) -> str | None:
        """Where the service answers, or None when it does not run; what is left of a dead one is cleared."""

    async def start(self) -> str:
        """Start it detached from this process and return where it answers."""

    def stop(self) -> None:
        """Stop it and return when it is gone."""


@asynccontextmanager
async def kept(folder: Path, service: Service) -> AsyncIterator[tuple[str, bool]]:
    """Where the service answers, and whether it was started for this use.

    Raises:
        ConfigurationError: the folder cannot be written.
        Unreachable: another process holds the service's locks for too long.
    """
    make_folder(folder)
    with _open(folder / "users.lock") as users:
        with _open(folder / "start.lock") as start:
            await _lock(start, fcntl.LOCK_EX, folder)
            await _lock(users, fcntl.LOCK_SH, folder)
            try:
                found = await service.find()
                address = found or await service.start()
            except BaseException:
                await _leave(users, service)
                raise
        try:
            yield address, found is None
        finally:
            await _leave(users, service)


async def _leave(users: int, service: Service) -> None:
    if locked(users, fcntl.LOCK_EX):
        await to_its_end(service.stop)


async def to_its_end(work: Callable[[], None]) -> None:
    """Run it in a thread; a cancellation waits until it is done, so that nothing goes on unseen."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


def make_folder(folder: Path) -> None:
    """Make a folder below PHOENIX_HOME."""
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn a refusal of the file system into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {path}: {error.strerror}. Set PHOENIX_HOME to a folder that you may write to."
        ) from None


def locked(descriptor: int, kind: int) -> bool:
    """Whether this open file got the lock at once."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _open(path: Path) -> Iterator[int]:
    with writable(path):
        file = path.open("ab")
    with file:
        yield file.fileno()


async def _lock(descriptor: int, kind: int, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not locked(descriptor, kind):
        if time.monotonic() > deadline:
            raise Unreachable(
                f"another phoenix has been starting or stopping the service in {folder} for {PATIENCE_S} s; "
                "end it, then try again"
            )
        await asyncio.sleep(0.05)
