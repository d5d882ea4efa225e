"""Models behind an OpenAI-compatible server, asked through LangChain's ChatOpenAI."""

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from schemas.calls import Message, Reply, Request, Usage
from schemas.errors import ConfigurationError, Unreachable
from services.models.outcome import FormRefused, TryFailed, from_provider

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage
    from langchain_openai import ChatOpenAI

OPENAI_URL = "https://api.openai.com/v1"
FORMS = ("strict", "schema", "function", "object")
_MOST_TOKENS = 2**31 - 1
"""What a column holds; a provider that claims more is lying."""
CAPS = ("both", "max_completion_tokens", "max_tokens")


class OpenAIChat:
    """One model on one server, with the forms that the server turned out to understand."""

    def __init__(self, model: str, name: str, base_url: str, key: str, timeout: float) -> None:
        self.model, self.name, self.key, self.timeout = model, name, key, timeout
        self.host = urlsplit(base_url).netloc or base_url
        self.chat = _client(name, base_url, key, timeout)
        self.form = 0
        self.cap = 1 if base_url.rstrip("/") == OPENAI_URL else 0

    async def ask(self, request: Request, attempt: int) -> Reply:
        """One try, stepping down the forms that the server refuses.

        Raises:
            TryFailed: no answer, and another try may bring one.
            PhoenixError: no other try can.
        """
        while True:
            form, cap = self.form, self.cap
            try:
                return _reply(await self._send(request, FORMS[form], CAPS[cap]))
            except FormRefused as refused:
                self._step_down(refused, form, cap, request.response_schema is not None)

    async def _send(self, request: Request, form: str, cap: str) -> "AIMessage":
        from langchain_core.messages import AIMessage

        try:
            async with asyncio.timeout(self.timeout):
                bound = self.chat.bind(**_arguments(request, form, cap))
                answer = await bound.ainvoke(_messages(request, form))
        except Exception as error:
            raise from_provider(error, self.model, self.host, self.key) from None
        if not isinstance(answer, AIMessage):
            raise TypeError(type(answer).__name__)
        return answer

    def _step_down(self, refused: FormRefused, form: int, cap: int, has_schema: bool) -> None:
        about_cap = "max_tokens" in refused.text or "max_completion_tokens" in refused.text
        if about_cap and cap + 1 < len(CAPS):
            self.cap = max(self.cap, cap + 1)
        elif has_schema and not about_cap and form + 1 < len(FORMS):
            self.form = max(self.form, form + 1)
        else:
            raise ConfigurationError(
                f"{self.host} refused the request for {self.model} (HTTP 400): {refused.text[:300]}"
            )

    async def close(self) -> None:
        """Close the connections."""
        await self.chat.root_async_client.close()


async def probe(model: str, name: str, base_url: str, key: str) -> tuple[str, ...]:
    """The model names that a server lists; empty when it has no list. No money is spent.

    Raises:
        ConfigurationError: the key was refused.
        Unreachable: nothing answers.
    """
    import openai

    host = urlsplit(base_url).netloc or base_url
    async with openai.AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, timeout=15) as client:
        try:
            async with asyncio.timeout(20):
                return tuple(sorted([entry.id async for entry in client.models.list()]))
        except (openai.NotFoundError, openai.BadRequestError):
            return ()
        except Exception as error:
            told = from_provider(error, model, host, key)
            if isinstance(told, TryFailed):
                told = Unreachable(
                    f"{host} does not answer for {model}: {told.reason}. "
                    "Start the server, or check OPENAI_BASE_URL and the network."
                )
            raise told from None


def _client(name: str, base_url: str, key: str, timeout: float) -> "ChatOpenAI":
    import openai
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    return ChatOpenAI(
        model=name,
        api_key=SecretStr(key),
        base_url=base_url,
        timeout=timeout,
        max_retries=0,
        use_responses_api=False,
        disable_streaming=True,
        http_async_client=openai.DefaultAsyncHttpxClient(timeout=timeout),
    )


def _arguments(request: Request, form: str, cap: str) -> dict[str, Any]:
    """The keyword arguments of a call; extra_body keeps the SDK from parsing and raising."""
    body: dict[str, Any] = {}
    arguments: dict[str, Any] = {"extra_body": body}
    if cap == "max_tokens":
        body["max_tokens"] = request.max_output_tokens
    else:
        arguments["max_completion_tokens"] = request.max_output_tokens
        if cap == "both":
            body["max_tokens"] = request.max_output_tokens
    schema, name = request.response_schema, _schema_name(request)
    if schema is None:
        return arguments
    if form in ("strict", "schema"):
        named = {"name": name, "strict": form == "strict", "schema": schema}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    elif form == "function":
        function = {"name": name, "description": "Give the answer.", "parameters": schema}
        body["tools"] = [{"type": "function", "function": function}]
        body["tool_choice"] = {"type": "function", "function": {"name": name}}
    else:
        body["response_format"] = {"type": "json_object"}
    return arguments


def _schema_name(request: Request) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in request.agent)[:60] or "answer"


def _messages(request: Request, form: str) -> list[tuple[str, str]]:
    messages = request.messages
    if form == "object" and request.response_schema is not None:
        schema = json.dumps(request.response_schema, ensure_ascii=False)
        rule = "Answer with one JSON object and nothing else. It must fit this JSON Schema:\n"
        messages = (*messages, Message(role="user", content=rule + schema))
    return [("ai" if m.role == "assistant" else m.role, m.content) for m in messages]


def _reply(answer: "AIMessage") -> Reply:
    reason = answer.response_metadata.get("finish_reason")
    refusal = answer.additional_kwargs.get("refusal")
    text = str(answer.text)
    if not text and answer.tool_calls:
        text = json.dumps(answer.tool_calls[0]["args"], ensure_ascii=False)
    elif not text and answer.invalid_tool_calls:
        text = answer.invalid_tool_calls[0]["args"] or ""
    if refusal or reason == "content_filter":
        return Reply(text=_clean(refusal or text), finish="refused", usage=_usage(answer))
    return Reply(text=_clean(text), finish="length" if reason == "length" else "stop", usage=_usage(answer))


def _clean(text: object) -> str:
    return str(text).encode("utf-8", "replace").decode()


def _usage(answer: "AIMessage") -> Usage | None:
    told = answer.usage_metadata
    if not told or told["input_tokens"] <= 0 or told["output_tokens"] < 0:
        return None
    cached = told.get("input_token_details", {}).get("cache_read") or 0
    return Usage(
        input_tokens=min(told["input_tokens"], _MOST_TOKENS),
        output_tokens=min(told["output_tokens"], _MOST_TOKENS),
        cached_tokens=max(0, min(cached, told["input_tokens"], _MOST_TOKENS)),
    )
