"""The agents of the full path, beside those that it shares with the Lite path."""

from schemas.agent import Agent
from schemas.answers import CauseAnswer, DecompositionAnswer, ReviewAnswer, StrategyAnswer
from schemas.blueprint import Blueprint
from schemas.policy import Tier
from schemas.specification import Specification

REQUIREMENTS = Agent(
    "requirements_analyst", "requirements.md", ("statements", "feedback"), Specification, Tier.STRONG, 16_000
)
ARCHITECT = Agent(
    "architect", "architect.md", ("specification", "allowlist", "feedback"), Blueprint, Tier.STRONG, 8_000
)
DECOMPOSITION = Agent(
    "decomposition",
    "decomposition.md",
    ("specification", "blueprint", "feedback"),
    DecompositionAnswer,
    Tier.STRONG,
    32_000,
)
INTEGRATION = Agent(
    "integration_engineer",
    "integration.md",
    ("srs", "contracts", "edges", "feedback"),
    None,
    Tier.STANDARD,
    12_000,
)
VERIFICATION = Agent(
    "verification", "verification.md", ("evidence", "contracts"), CauseAnswer, Tier.STRONG, 4_000
)
SUPERVISOR = Agent("supervisor", "supervisor.md", ("failures", "tried"), StrategyAnswer, Tier.STRONG, 4_000)
REVIEWER = Agent(
    "reviewer", "reviewer.md", ("srs", "contracts", "matrix"), ReviewAnswer, Tier.STANDARD, 3_000
)
