"""Redis, where processes meet: never waited for longer than a moment, and left alone while it is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from pydantic import SecretStr

from schemas.errors import ConfigurationError, Unreachable
from services.telemetry import logger

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client

T = TypeVar("T")
PATIENCE_S = 0.4
"""How long one try may take."""
PAUSE_S = 10.0
"""How long Redis is left alone after it did not answer."""


class Redis:
    """One Redis server. That it is away delays one call by at most twice the patience, and stops none."""

    def __init__(self, url: SecretStr, pause_s: float = PAUSE_S) -> None:
        """Connects to nothing yet.

        Raises:
            ConfigurationError: the URL is not one of a Redis server.
        """
        self.client = _client(url.get_secret_value())
        self.place = _place(self.client)
        self._pause_s, self._away, self._again_at = pause_s, False, 0.0

    async def ask(self, question: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """What Redis answers; while it is away, the other answer at once."""
        if self._away and time.monotonic() < self._again_at:
            return otherwise
        self._again_at = time.monotonic() + self._pause_s
        try:
            answer = await _promptly(question, tries=1 if self._away else 2)
        except _Away as away:
            self._left(str(away))
            return otherwise
        self._came_back()
        return answer

    async def check(self) -> None:
        """Whether Redis answers.

        Raises:
            Unreachable: it does not.
        """
        try:
            await _promptly(self.client.ping, tries=1)
        except _Away as away:
            raise Unreachable(
                f"Redis at {self.place} does not answer ({away}); each process keeps the limits for itself. "
                "Start it, or correct or remove REDIS_URL."
            ) from None

    async def close(self) -> None:
        """Close every connection."""
        await self.client.aclose()

    def _left(self, reason: str) -> None:
        if not self._away:
            logger().warning(
                "Redis does not answer; until it does each process keeps the limits for itself",
                redis=self.place,
                reason=reason,
            )
        self._away, self._again_at = True, time.monotonic() + self._pause_s

    def _came_back(self) -> None:
        if self._away:
            logger().info("Redis answers again; the limits are shared", redis=self.place)
        self._away = False


class _Away(Exception):
    """Redis gave no answer; names the kind of error, because its text may hold what was sent."""


async def _promptly(question: Callable[[], Awaitable[T]], tries: int) -> T:
    """The answer; a busy process or a stale connection may cost the first try."""
    from redis.exceptions import RedisError

    while True:
        tries -= 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await question()
        except (RedisError, OSError) as error:
            if not tries:
                raise _Away(type(error).__name__) from None


def _client(url: str) -> "Client":
    from redis.asyncio import Redis as Client
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    try:
        client = Client.from_url(url, retry=Retry(NoBackoff(), 0))
        client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        raise ConfigurationError(
            "REDIS_URL is not the URL of a Redis server. Allowed: redis://USER:PASSWORD@HOST:PORT/NUMBER, "
            "rediss://… or unix://PATH, with special characters of a password as %XX. Correct or remove it."
        ) from None
    return client


def _place(client: "Client") -> str:
    """Where the server is, without a password."""
    where = client.connection_pool.connection_kwargs
    return str(where.get("path") or f"{where.get('host', 'localhost')}:{where.get('port', 6379)}")
