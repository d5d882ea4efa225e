"""How many calls run at once, and how long all of them hold back after a refusal."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TRIES = 5
LONGEST_PAUSE = 20.0


class Slots:
    """A bound on calls in flight, and a hold that a throttled call puts on all calls to its server."""

    def __init__(self, bound: int) -> None:
        self._free = asyncio.Semaphore(bound)
        self._held: dict[str, float] = {}

    @asynccontextmanager
    async def slot(self, host: str) -> AsyncIterator[None]:
        """A place among the calls in flight, once nobody holds the server."""
        while True:
            await asyncio.sleep(self._wait(host))
            async with self._free:
                if not self._wait(host):
                    yield
                    return

    def _wait(self, host: str) -> float:
        return max(0.0, self._held.get(host, 0.0) - time.monotonic())

    def hold(self, host: str, seconds: float) -> None:
        """Let every call to the server wait."""
        self._held[host] = max(self._held.get(host, 0.0), time.monotonic() + seconds)


def pause_before(tries: int, base: float, asked: float | None) -> float:
    """Seconds to wait after a try: what the server asked for, else full jitter on a doubling bound."""
    jitter = random.uniform(0, min(LONGEST_PAUSE, base * 2**tries))  # nosec B311
    return max(asked, 0.0) + jitter / 10 if asked is not None else jitter
