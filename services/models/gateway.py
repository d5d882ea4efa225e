"""The one door to every model: each call is looked up, reserved, made, recorded and settled here."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from schemas.calls import Reply, Request, Usage
from schemas.errors import BudgetExceeded, ConfigurationError, PhoenixError, Unreachable
from services.models import names
from services.models.ledger import CallLedger, CallScope, Claim, DatabaseLedger
from services.models.limits import TRIES, Slots, pause_before
from services.models.names import ModelName, parse_model_name
from services.models.outcome import TryFailed
from services.models.prices import price_of, worst_usage
from services.models.rates import shares_of
from services.redis import Redis
from services.settings import Settings

if TYPE_CHECKING:
    from services.database import Database

OLLAMA_URL = "http://localhost:11434/v1"
NO_KEY = "no-key-needed"


class Chat(Protocol):
    """A model that can be asked once."""

    async def ask(self, request: Request, attempt: int) -> Reply:
        """One try."""

    async def close(self) -> None:
        """Close what is open."""


class Models:
    """Every model of this process, behind the ledger, the budgets and the limits."""

    def __init__(
        self,
        settings: Settings,
        database: "Database",
        *,
        ollama_url: str = OLLAMA_URL,
        first_pause: float = 0.5,
    ) -> None:
        self.drift: Counter[str] = Counter()
        """By run: later answers of a recording that were made for other inputs."""
        self._settings = settings
        self._ledger: CallLedger = DatabaseLedger(database)
        self._ollama_url, self._first_pause = ollama_url, first_pause
        self._redis = Redis(settings.redis_url) if settings.redis_url else None
        self._slots = Slots(settings.concurrent_calls, self._redis)
        self._chats: dict[str, Chat] = {}
        self._named: dict[str, str] = {}
        self._refused: dict[str, BudgetExceeded] = {}
        """By run: the refusal after which it makes no new call."""

    async def complete(self, scope: CallScope, request: Request) -> Reply:
        """The answer to a request: the recorded one, else a new one that is paid for and recorded.

        Raises:
            BudgetExceeded: a budget cannot hold the call's worst price; nothing was sent.
            ConfigurationError: the model's name, price or key cannot work.
            InputError: a recording was made for something else.
            Unreachable: every try failed.
        """
        name = self._full_name(request.model)
        request = request.model_copy(update={"model": name.identity()})
        answer, attempt = await self._ledger.tell(scope, request)
        if answer is not None:
            return answer
        estimate = price_of(name, worst_usage(request), self._settings)
        return await self._new_answer(scope, request, attempt, name, estimate)

    async def _new_answer(
        self, scope: CallScope, request: Request, attempt: int, name: ModelName, estimate: Decimal
    ) -> Reply:
        host = self._host(name)
        shares = shares_of(name, host, request, self._settings)
        for tries in range(TRIES):
            try:
                async with self._slots.slot(host, shares):
                    return await self._one_try(scope, request, attempt, name, estimate)
            except TryFailed as failed:
                last = failed
            wait = pause_before(tries, self._first_pause, last.retry_after)
            if tries + 1 == TRIES or wait > self._settings.model_timeout_s:
                break
            if last.throttled:
                await self._slots.hold(host, wait)
            await asyncio.sleep(wait)
        asked = f"; it asks to wait {last.retry_after:.0f} s" if last.retry_after else ""
        raise Unreachable(
            f"{host} gave no answer for {request.model} in {tries + 1} tries (last: {last.reason}{asked}). "
            "Check that it is up and reachable, then run the same command again: nothing is paid twice."
        )

    async def _one_try(
        self, scope: CallScope, request: Request, attempt: int, name: ModelName, estimate: Decimal
    ) -> Reply:
        if scope.run in self._refused:
            raise self._refused[scope.run]
        try:
            async with self._ledger.claim(scope, request, estimate) as claim:
                if isinstance(claim, Reply):
                    return claim
                return await self._paid(claim, scope, request, attempt, name, estimate)
        except BudgetExceeded as error:
            self._refused[scope.run] = error
            raise

    async def _paid(
        self,
        claim: Claim,
        scope: CallScope,
        request: Request,
        attempt: int,
        name: ModelName,
        estimate: Decimal,
    ) -> Reply:
        try:
            reply = await self._chat(name, scope.run).ask(request, attempt)
        except TryFailed as failed:
            await claim.fail(failed.reason, estimate if failed.perhaps_paid else Decimal(0))
            raise
        except PhoenixError as error:
            await claim.fail(type(error).__name__, Decimal(0))
            raise
        cost = price_of(name, reply.usage, self._settings) if reply.usage else None
        return await _to_the_end(claim.settle(reply, cost))

    async def check(self, name: str) -> None:
        """Whether a model can be asked; no money is spent.

        Raises:
            ConfigurationError: the name is unknown, or its key is missing or refused.
            Unpriced: no price is known.
            InputError: the recording is missing or invalid.
            Unreachable: the server does not answer.
        """
        parsed = self._full_name(name)
        if parsed.provider == "rehearsal":
            return
        if parsed.provider == "recorded":
            from services.models.recording import read_recording

            read_recording(names.recording_path(parsed))
            return
        from services.models.openai_chat import probe

        key, url = self._key(parsed), self._url(parsed)
        price_of(parsed, Usage(input_tokens=1, output_tokens=1), self._settings)
        listed = await probe(parsed.identity(), parsed.rest, url, key)
        if parsed.provider == "ollama" and listed and not {parsed.rest, f"{parsed.rest}:latest"} & {*listed}:
            raise ConfigurationError(
                f"{self._host(parsed)} does not have {name}; type 'ollama pull {parsed.rest}', "
                f"or choose one of: {', '.join(listed)}."
            )

    async def close(self) -> None:
        """Close every connection."""
        for chat in self._chats.values():
            await chat.close()
        self._chats.clear()
        if self._redis:
            await self._redis.close()

    async def __aenter__(self) -> "Models":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _full_name(self, name: str) -> ModelName:
        """The name taken apart; a bare identity stands for the name that last had it."""
        parsed = parse_model_name(self._named.get(name, name))
        self._named[parsed.identity()] = f"{parsed.provider}:{parsed.rest}"
        return parsed

    def _chat(self, name: ModelName, run: str) -> Chat:
        key = f"{run} {name.rest}" if name.provider == "recorded" else f"{name.provider}:{name.rest}"
        if key not in self._chats:
            self._chats[key] = self._open(name, run)
        return self._chats[key]

    def _open(self, name: ModelName, run: str) -> Chat:
        if name.provider in ("recorded", "rehearsal"):
            from services.models.playing import recorded_chat, rehearsal_chat

            return (
                recorded_chat(name, run, self.drift) if name.provider == "recorded" else rehearsal_chat(name)
            )
        from services.models.openai_chat import OpenAIChat

        timeout = self._settings.model_timeout_s
        return OpenAIChat(name.identity(), name.rest, self._url(name), self._key(name), timeout)

    def _host(self, name: ModelName) -> str:
        if name.provider not in ("openai", "ollama"):
            return name.provider
        return urlsplit(self._url(name)).netloc.rpartition("@")[2]

    def _url(self, name: ModelName) -> str:
        from services.models.openai_chat import OPENAI_URL

        return self._ollama_url if name.provider == "ollama" else self._settings.openai_base_url or OPENAI_URL

    def _key(self, name: ModelName) -> str:
        key = self._settings.openai_api_key
        if name.provider == "openai" and key is not None and key.get_secret_value():
            return key.get_secret_value()
        if name.provider == "ollama" or self._settings.openai_base_url:
            return NO_KEY
        raise ConfigurationError(
            f"{name.identity()} needs a key: set OPENAI_API_KEY, "
            "or OPENAI_BASE_URL for a server that asks for none."
        )


async def _to_the_end(work: Coroutine[None, None, Reply]) -> Reply:
    """Record a paid answer, also when the caller is cancelled meanwhile."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
