"""Chat models that need no provider: a recording, and a rehearsal. Imported only when one is asked."""

import asyncio
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from schemas.calls import Reply, Request

Play = Callable[[Request, int], Reply]
"""The reply to a request at an attempt."""


class PlayedChat(BaseChatModel):
    """A chat model whose answers are played from the request's declared inputs, never from its prompt."""

    play: Play
    latency: float = 0.0

    @property
    def _llm_type(self) -> str:
        return "phoenix-played"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        request: Request | None = None,
        attempt: int = 1,
        **kwargs: Any,
    ) -> ChatResult:
        if request is None:
            raise TypeError("a played model needs the keyword argument 'request'")
        return ChatResult(generations=[ChatGeneration(message=_message(self.play(request, attempt)))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        await asyncio.sleep(self.latency)
        return self._generate(messages, **kwargs)

    async def ask(self, request: Request, attempt: int) -> Reply:
        """The reply to a request at an attempt."""
        messages = [("ai" if m.role == "assistant" else m.role, m.content) for m in request.messages]
        answer = await self.ainvoke(messages, request=request, attempt=attempt)
        return Reply.model_validate(answer.response_metadata["reply"])

    async def close(self) -> None:
        """Nothing is open."""


def _message(reply: Reply) -> AIMessage:
    usage = reply.usage
    counted = None
    if usage is not None:
        counted = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
        }
    metadata = {"finish_reason": reply.finish, "reply": reply.model_dump()}
    return AIMessage(content=reply.text, response_metadata=metadata, usage_metadata=counted)
