"""The agents of the Lite path."""

from schemas.agent import Agent
from schemas.answers import PlanAnswer, SecurityAnswer, TriageAnswer
from schemas.policy import Tier

TRIAGE = Agent("triage", "triage.md", ("brief",), TriageAnswer, Tier.FAST, 2_000)
PLANNER = Agent("planner", "planner.md", ("brief", "feedback"), PlanAnswer, Tier.STANDARD, 12_000)
TEST_ENGINEER = Agent(
    "test_engineer",
    "test_engineer.md",
    ("srs", "contract", "feedback"),
    None,
    Tier.STANDARD,
    16_000,
    optional=("needs",),
)
IMPLEMENTATION = Agent(
    "implementation",
    "implementation.md",
    ("contract", "tests", "previous", "failures"),
    None,
    Tier.STANDARD,
    16_000,
    optional=("srs", "needs"),
)
REFACTORING = Agent(
    "refactoring",
    "refactoring.md",
    ("code", "measures"),
    None,
    Tier.STANDARD,
    16_000,
    optional=("findings",),
)
DOCUMENTATION = Agent(
    "documentation", "documentation.md", ("srs", "code", "failures"), None, Tier.FAST, 6_000
)
SECURITY = Agent("security", "security.md", ("findings", "code"), SecurityAnswer, Tier.STANDARD, 4_000)
