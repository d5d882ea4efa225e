"""When a call may go: how many run at once, how many a minute, and how long a server is left alone.

With Redis all processes share the limits and the holds. While it is away each process keeps them for itself,
as it also does beside Redis, so that a restarted Redis, which has forgotten, lets no process exceed a limit.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from services.models.rates import Rates, Share
from services.redis import Redis

if TYPE_CHECKING:
    from limits.aio.storage import Storage

TRIES = 5
LONGEST_PAUSE = 20.0
MINUTE = 60


class Together:
    """The holds and rates that processes share through Redis; while it is away, nothing holds a call back."""

    def __init__(self, redis: Redis, window_s: int) -> None:
        self._redis = redis
        self._rates = Rates(self._storage, window_s)

    async def take(self, host: str, shares: Sequence[Share]) -> float:
        """Take every share: 0, or none: seconds after which it is worth to ask again."""

        async def ask() -> float:
            held = await self._redis.client.pttl(_hold(host))
            return held / 1000 if held > 0 else await self._rates.take(shares)

        return await self._redis.ask(ask, otherwise=0.0)

    async def hold(self, host: str, seconds: float) -> None:
        """Let every call to the server wait, in every process."""

        async def ask() -> None:
            if await self._redis.client.pttl(_hold(host)) < seconds * 1000:
                await self._redis.client.set(_hold(host), 1, px=round(seconds * 1000) + 1)

        await self._redis.ask(ask, otherwise=None)

    def _storage(self) -> "Storage":
        from limits.aio.storage import RedisStorage

        pool: Any = self._redis.client.connection_pool
        return RedisStorage("redis://", implementation="redispy", connection_pool=pool)


class Slots:
    """A bound on calls in flight, the rates of models, and the hold that a refusal puts on a server."""

    def __init__(self, bound: int, redis: Redis | None = None, window_s: int = MINUTE) -> None:
        self._free = asyncio.Semaphore(bound)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._held: dict[str, float] = {}
        self._own = Rates(_in_memory, window_s)
        self._together = Together(redis, window_s) if redis else None

    @asynccontextmanager
    async def slot(self, host: str, shares: Sequence[Share] = ()) -> AsyncIterator[None]:
        """A place among the calls in flight, once nobody holds the server and the rates allow it.

        Who waits for the same server and limits goes in the order of coming.
        """
        async with self._turns[" ".join([host, *(share.name for share in shares)])]:
            await self._enter(host, shares)
        try:
            yield
        finally:
            self._free.release()

    async def hold(self, host: str, seconds: float) -> None:
        """Let every call to the server wait, in every process."""
        self._held[host] = max(self._held.get(host, 0.0), time.monotonic() + seconds)
        if self._together:
            await self._together.hold(host, seconds)

    async def _enter(self, host: str, shares: Sequence[Share]) -> None:
        wait = 0.0
        while True:
            await asyncio.sleep(wait)
            await self._free.acquire()
            try:
                wait = await self._take(host, shares)
            except BaseException:
                self._free.release()
                raise
            if not wait:
                return
            self._free.release()

    async def _take(self, host: str, shares: Sequence[Share]) -> float:
        """0 when the call may go now, and its shares are taken; else seconds."""
        wait = max(self._held.get(host, 0.0) - time.monotonic(), 0.0) or await self._own.wait(shares)
        if not wait and self._together:
            wait = await self._together.take(host, shares)
        return wait or await self._own.take(shares)


def _in_memory() -> "Storage":
    from limits.aio.storage import MemoryStorage

    return MemoryStorage()


def _hold(host: str) -> str:
    return f"phoenix/hold/{host}"


def pause_before(tries: int, base: float, asked: float | None) -> float:
    """Seconds to wait after a try: what the server asked for, else half to all of a doubling bound."""
    bound = min(LONGEST_PAUSE, base * 2**tries)
    if asked is not None:
        return max(asked, 0.0) + random.uniform(0, bound / 10)  # nosec B311
    return random.uniform(bound / 2, bound)  # nosec B311
