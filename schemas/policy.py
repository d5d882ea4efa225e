"""The policy: what is allowed in a run."""

from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import Field

from schemas.base import Money, Value, digest
from schemas.brief import FrontMatter

Mode = Literal["auto", "full", "lite"]
GateRule = Literal["ask", "auto"]
AgentName = Literal[
    "triage",
    "planner",
    "requirements_analyst",
    "architect",
    "decomposition",
    "test_engineer",
    "implementation",
    "refactoring",
    "integration_engineer",
    "verification",
    "supervisor",
    "security",
    "reviewer",
    "documentation",
]
OWN_TIER = "agent's own tier"
PINNED = "pinned by policy"
PATIENT_ATTEMPTS = 2
"""Attempts on the first tier before it rises."""


class Tier(StrEnum):
    """How strong a model an agent needs."""

    FAST = "fast"
    STANDARD = "standard"
    STRONG = "strong"

    def next(self) -> "Tier":
        """The tier to escalate to; the strongest stays."""
        return {Tier.FAST: Tier.STANDARD}.get(self, Tier.STRONG)


class Choice(Value):
    """Which model is asked, and why."""

    tier: Tier
    model: str
    reason: str


class Policy(Value):
    """What is allowed: models, gates, caps and thresholds."""

    mode: Mode = "auto"
    models: dict[Tier, str]
    """The model name of each tier."""
    pins: dict[AgentName, str] = Field(default_factory=dict)
    """The model names of agents that are asked one model whatever their tier."""
    strong_from: int = Field(default=8, ge=1, le=11)
    """The least complexity of a work item whose agents start at the strong tier; 11 means none."""
    release_gate: GateRule = "ask"
    requirements_gate: GateRule = "auto"
    plan_gate: GateRule = "auto"
    budget_usd: Money | None = None
    """The cap of one run in US dollars; None means no cap."""
    project_budget_usd: Money | None = None
    """The cap of all runs of a project together."""
    day_budget_usd: Money | None = None
    """The cap of a calendar day (UTC), all projects together."""
    budget_gate: GateRule = "ask"
    """Whether a human is asked to raise a cap that is reached; auto never raises one."""
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

    def choice(self, agent: AgentName, tier: Tier, complexity: int | None = None, attempt: int = 1) -> Choice:
        """The model for an agent of a tier; more for a complex work item, and after checks that failed."""
        reason = OWN_TIER
        if complexity is not None and complexity >= self.strong_from and tier is not Tier.STRONG:
            tier, reason = Tier.STRONG, f"complexity {complexity}"
        for _ in range(attempt - PATIENT_ATTEMPTS):
            if tier is not Tier.STRONG:
                tier, reason = tier.next(), f"attempt {attempt} after failed checks"
        model = self.pins.get(agent)
        return Choice(tier=tier, model=model or self.models[tier], reason=PINNED if model else reason)

    def model_names(self) -> tuple[str, ...]:
        """Every model that may be asked."""
        return tuple(dict.fromkeys((*self.models.values(), *self.pins.values())))

    def digest(self) -> str:
        """The digest of all that can change an answer; caps only say how soon a run has to stop."""
        caps = {"project_budget_usd", "day_budget_usd", "budget_gate"}
        return digest({**self.model_dump(mode="json", exclude=caps), "budget_usd": None})

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
                "budget_gate": asks.approve or self.budget_gate,
            }
        )


def plain(value: Decimal) -> str:
    """US dollars in digits alone, without trailing zeros."""
    return f"{value.normalize():f}"


def money(value: Decimal) -> str:
    """US dollars as people read them: cents, or six places for less than a cent."""
    return f"{value:.2f} USD" if value == 0 or value >= Decimal("0.01") else f"{value:.6f} USD"
