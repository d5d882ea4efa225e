"""A model call: what is asked, and what comes back."""

from typing import Any, Literal

from schemas.base import Digest, Value, digest
from schemas.policy import OWN_TIER, Tier


class Message(Value):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Request(Value):
    """One question to a model."""

    agent: str
    subject: str
    """What the question is about: a work item's id, or 'run'."""
    tier: Tier
    model: str
    """The model's name with its provider, such as openai:gpt-5.1."""
    reason: str = OWN_TIER
    """Why it is this tier and model."""
    messages: tuple[Message, ...]
    response_schema: dict[str, Any] | None
    """The JSON Schema of the answer; None for plain text."""
    max_output_tokens: int
    sample: int
    """The index of a wanted second opinion; 0 is the first."""
    inputs: Digest
    """The digest of the agent's declared inputs, without the prompt's wording."""
    values: dict[str, str]
    """The declared inputs themselves, for models that do not read prompts."""

    def digest(self) -> str:
        """What the answer is recorded under: all that goes over the wire, and the sample."""
        return digest(
            {
                "agent": self.agent,
                "model": self.model,
                "messages": [m.model_dump() for m in self.messages],
                "schema": self.response_schema,
                "max_output_tokens": self.max_output_tokens,
                "sample": self.sample,
            }
        )


class Usage(Value):
    """Tokens as the provider counted them; input includes what its cache served."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


class Reply(Value):
    """What a model answered."""

    text: str
    finish: Literal["stop", "length", "refused"]
    usage: Usage | None
    """None when the provider reported none."""


class RecordedAnswer(Value):
    """One entry of a recording."""

    agent: str
    subject: str
    attempt: int
    inputs: Digest
    answer: str
    finish: Literal["stop", "length", "refused"] = "stop"
    usage: Usage | None
