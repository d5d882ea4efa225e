"""The policy: what is allowed in a run."""

from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import Field

from schemas.base import Money, Value
from schemas.brief import FrontMatter

Mode = Literal["auto", "full", "lite"]
GateRule = Literal["ask", "auto"]


class Tier(StrEnum):
    """How strong a model an agent needs."""

    FAST = "fast"
    STANDARD = "standard"
    STRONG = "strong"

    def next(self) -> "Tier":
        """The tier to escalate to; the strongest stays."""
        return {Tier.FAST: Tier.STANDARD}.get(self, Tier.STRONG)


class Policy(Value):
    """What is allowed: models, gates, caps and thresholds."""

    mode: Mode = "auto"
    models: dict[Tier, str]
    """The model name of each tier."""
    release_gate: GateRule = "ask"
    requirements_gate: GateRule = "auto"
    plan_gate: GateRule = "auto"
    budget_usd: Money | None = None
    """The cap of one run in US dollars; None means no cap."""
    attempts: int = Field(default=4, ge=1, le=10)
    """Candidates per visit of the implementation state."""
    repairs: int = Field(default=2, ge=0, le=5)
    """How often failure analysis may send a run back before it halts."""
    rethinks: int = Field(default=1, ge=0, le=3)
    """How often the supervisor may try another strategy before the run halts."""
    parallel: int = Field(default=16, ge=1, le=64)
    """Stages of work items that run at once."""
    mutants: int = Field(default=5, ge=0, le=100)
    """Mutants of each accepted candidate that its suite is tried on."""
    docs: Literal["mkdocs", "sphinx"] = "mkdocs"
    """What builds the API documentation of a release of the full path."""
    lite_up_to: int = Field(default=4, ge=1, le=10)
    """The largest triage size that takes the Lite path."""
    allowlist: tuple[str, ...] = ()
    """Third-party distributions that generated code may import."""
    python: str = "3.11"
    """The oldest Python that a release supports."""

    def tightened_by(self, asks: FrontMatter) -> "Policy":
        """This policy with a brief's front matter applied; a brief can lower a cap or add a gate."""
        caps = [cap for cap in (self.budget_usd, asks.budget_usd) if cap is not None]
        return self.model_copy(
            update={
                "mode": asks.mode if asks.mode and self.mode == "auto" else self.mode,
                "budget_usd": min(caps, default=None),
                "release_gate": asks.approve or self.release_gate,
                "requirements_gate": asks.approve or self.requirements_gate,
                "plan_gate": asks.approve or self.plan_gate,
            }
        )


def plain(value: Decimal) -> str:
    """US dollars in digits alone, without trailing zeros."""
    return f"{value.normalize():f}"


def money(value: Decimal) -> str:
    """US dollars as people read them: cents, or six places for less than a cent."""
    return f"{value:.2f} USD" if value == 0 or value >= Decimal("0.01") else f"{value:.6f} USD"
