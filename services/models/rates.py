"""Requests and tokens per minute of each model: never more in any sixty seconds."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

from schemas.calls import Request
from services.models.names import ModelName
from services.models.prices import worst_usage
from services.settings import RateLimit, Settings

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.storage import Storage
    from limits.aio.strategies import MovingWindowRateLimiter

GRAINS = 10_000
"""A token limit is counted in at most so many grains, each of which is an entry in the storage."""
SOON_S = 0.05
SKEW_S = 5.0
"""By how much the clocks of processes that share a storage may differ."""


@dataclass(frozen=True)
class Share:
    """What a call takes of a limit."""

    name: str
    """Whose limit of what it is."""
    limit: int
    cost: int


def limit_of(name: ModelName, settings: Settings) -> RateLimit | None:
    """The first limit whose pattern fits the model's name, with or without its provider."""
    if name.provider == "recorded":
        return None
    names = (f"{name.provider}:{name.rest}", name.rest)
    for pattern, limit in settings.rate_limits.items():
        if any(fnmatchcase(known, pattern) for known in names):
            return limit
    return None


def shares_of(name: ModelName, host: str, request: Request, settings: Settings) -> tuple[Share, ...]:
    """What a request takes of its model's limits on this server: its tokens at worst.

    A request that may need more tokens than a minute has takes the whole minute.
    """
    found, limit = [], limit_of(name, settings)
    whose = f"{host}/{name.rest}"
    if limit and limit.requests_per_minute:
        found.append(Share(f"{whose}/requests", limit.requests_per_minute, 1))
    if limit and limit.tokens_per_minute:
        grain = -(-limit.tokens_per_minute // GRAINS)
        usage = worst_usage(request)
        grains = -(-(usage.input_tokens + usage.output_tokens) // grain)
        most = limit.tokens_per_minute // grain
        found.append(Share(f"{whose}/tokens", most, min(grains, most)))
    return tuple(found)


class Rates:
    """Moving windows in one storage. Processes that share a storage must agree on the time of day."""

    def __init__(self, storage: "Callable[[], Storage]", window_s: int) -> None:
        self._storage, self._window_s = storage, window_s

    async def wait(self, shares: Sequence[Share]) -> float:
        """Seconds after which it is worth to ask again; 0 when every share is free."""
        return max([await self._wait(share) for share in shares], default=0.0)

    async def take(self, shares: Sequence[Share]) -> float:
        """Take every share: 0. Else seconds after which it is worth to ask again.

        Who is overtaken between looking and taking loses what was taken so far: less goes, never more.
        """
        wait = await self.wait(shares)
        if wait:
            return wait
        for share in shares:
            if not await self._windows.hit(self._limit(share), share.name, cost=share.cost):
                return SOON_S
        return 0.0

    async def _wait(self, share: Share) -> float:
        limit = self._limit(share)
        if await self._windows.test(limit, share.name, cost=share.cost):
            return 0.0
        oldest_ends = (await self._windows.get_window_stats(limit, share.name)).reset_time
        wait = oldest_ends - time.time()
        if wait > self._window_s + SKEW_S:  # the clock was set back: what is counted lies in the future
            await self._windows.clear(limit, share.name)
            return SOON_S
        return max(SOON_S, wait)

    @cached_property
    def _windows(self) -> "MovingWindowRateLimiter":
        from limits.aio.strategies import MovingWindowRateLimiter

        return MovingWindowRateLimiter(self._storage())

    def _limit(self, share: Share) -> "RateLimitItem":
        from limits import RateLimitItemPerSecond

        return RateLimitItemPerSecond(share.limit, self._window_s, "phoenix")
