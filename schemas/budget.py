"""Budgets: what may be spent on what, and what is said when it is not enough."""

from decimal import ROUND_UP, Decimal
from typing import Literal

from schemas.base import Money, Value
from schemas.brief import Brief
from schemas.policy import Policy, plain

Scope = Literal["run", "project", "day"]
Range = tuple[int, int]
_CENT = Decimal("0.01")


class Budget(Value):
    """A budget that applies to a call, and the cap that this process is held to."""

    scope: Scope
    key: str = ""
    """The run's id, the project's slug or the date; empty for the day, in UTC by the database's clock, on
    which a call is reserved."""
    cap: Money | None = None
    """None only counts."""
    lever: str = ""
    """What a person types to raise the cap, with {usd} for the amount."""


def budgets_of(run: str, brief: Brief, policy: Policy) -> tuple[Budget, ...]:
    """Every budget that applies to a call of the run, with what raises its cap."""
    again = "and type the same command again"
    own = "type the same command again with --budget {usd}"
    asked = brief.asks.budget_usd
    if asked is not None and asked == policy.budget_usd:
        own = f"set budget_usd: {{usd}} in the front matter of the brief {again}"
    project = f"set PHOENIX_PROJECT_BUDGET_USD={{usd}} {again}"
    day = f"set PHOENIX_DAY_BUDGET_USD={{usd}} {again}, or wait for the next day (UTC)"
    return (
        Budget(scope="run", key=run, cap=policy.budget_usd, lever=own),
        Budget(scope="project", key=brief.slug, cap=policy.project_budget_usd, lever=project),
        Budget(scope="day", cap=policy.day_budget_usd, lever=day),
    )


class BudgetState(Value):
    """A budget's cap (None only counts), and what is reserved and spent against it, in US dollars."""

    scope: Scope
    key: str
    cap: Decimal | None
    reserved: Decimal
    spent: Decimal


class Shortfall(Value):
    """A budget that cannot hold a call's worst price."""

    scope: Scope
    key: str
    told: Decimal
    """The cap that the process was told; a human may have raised it since."""
    cap: Decimal
    spent: Decimal
    reserved: Decimal
    """For other calls, which are in flight."""
    needed: Decimal
    lever: str
    wanted: Decimal | None = None
    """A cap that is likely to last, where more is known than the next call."""

    def hopeless(self) -> bool:
        """Whether the call would not fit either if all that is in flight cost nothing."""
        return self.spent + self.needed > self.cap

    def enough(self) -> Decimal:
        """The least cap, in whole cents, that holds the call."""
        return (self.spent + self.reserved + self.needed).quantize(_CENT, ROUND_UP)

    def __str__(self) -> str:
        wanted = self.wanted or self.enough()
        least = f" (at least {self.enough()})" if wanted > self.enough() else ""
        return (
            f"budget {self.scope} {self.key}: the cap is {exact(self.cap)}, spent {exact(self.spent)}, "
            f"reserved {exact(self.reserved)}, the next call needs up to {exact(self.needed)}. "
            f"To go on, {self.lever.format(usd=wanted)}{least}."
        )


class Remaining(Value):
    """What the rest of a run takes, each from the least to the most."""

    calls: Range
    input_tokens: Range
    output_tokens: Range
    cost_usd: tuple[Decimal, Decimal] | None
    """None when the price of a tier's model is not known."""


class CapQuestion(Value):
    """What a budget gate asks: may this cap be raised? Its digest is the gate's subject."""

    run: str
    """The run that has reached the cap."""
    scope: Scope
    key: str
    told: Decimal
    cap: Decimal
    spent: Decimal
    needed: Decimal
    remaining: Remaining | None
    proposed: Decimal
    """What an approval raises the cap to."""


def exact(value: Decimal) -> str:
    """US dollars with all their digits, at least the cents."""
    cents = value.quantize(_CENT)
    return f"{cents if cents == value else plain(value)} USD"


def proposed_cap(short: Shortfall, remaining: Remaining | None) -> Decimal:
    """The cap to propose: for the most that remains where it is known, else twice what it was."""
    if remaining is None or remaining.cost_usd is None:
        return max(short.enough(), (2 * short.cap).quantize(_CENT, ROUND_UP))
    return max(short.enough(), (short.spent + remaining.cost_usd[1]).quantize(_CENT, ROUND_UP))
