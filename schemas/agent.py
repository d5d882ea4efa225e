"""What an agent is."""

from dataclasses import dataclass

from pydantic import BaseModel

from schemas.policy import AgentName, Tier


@dataclass(frozen=True)
class Agent:
    """A specialist: a persona and rules in a prompt file, declared inputs, and the form of its answer."""

    name: AgentName
    prompt: str
    """The prompt file's name below agents/prompts."""
    inputs: tuple[str, ...]
    """The names of the declared inputs, each a text in the prompt."""
    answer: type[BaseModel] | None
    """The schema of a JSON answer; None when the answer is files."""
    tier: Tier
    max_output_tokens: int = 8_000
    optional: tuple[str, ...] = ()
    """Inputs that are left out where there is nothing to say; a prompt sees them empty."""
