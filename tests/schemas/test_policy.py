"""A brief can tighten its policy and never loosen it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.brief import FrontMatter
from schemas.policy import OWN_TIER, Choice, Policy, Tier, money
from tests.builders import MODELS, brief, policy

CAPS = st.none() | st.decimals(0, 1000, places=2)


@given(CAPS, CAPS)
def test_a_brief_never_raises_or_drops_a_cap(ours: Decimal | None, asked: Decimal | None) -> None:
    cap = policy(budget_usd=ours).tightened_by(FrontMatter(budget_usd=asked)).budget_usd
    known = [c for c in (ours, asked) if c is not None]
    assert cap == (min(known) if known else None)


@given(CAPS, CAPS, CAPS, st.sampled_from(["ask", "auto"]))
def test_no_cap_makes_another_policy(
    run: Decimal | None, project: Decimal | None, day: Decimal | None, rule: str
) -> None:
    caps = {"budget_usd": run, "project_budget_usd": project, "day_budget_usd": day, "budget_gate": rule}
    assert policy(**caps).digest() == policy().digest() != policy(attempts=1).digest()


def test_no_cap_makes_another_brief() -> None:
    assert brief(budget_usd=Decimal(1)).digest() == brief().digest() != brief(mode="lite").digest()


def test_a_brief_can_add_the_gate_and_never_remove_it() -> None:
    assert policy(release_gate="auto").tightened_by(FrontMatter(approve="ask")).release_gate == "ask"
    for rule in ("ask", "auto"):
        assert policy(release_gate=rule).tightened_by(FrontMatter()).release_gate == rule
    with pytest.raises(ValidationError):
        FrontMatter.model_validate({"approve": "auto"})


def test_a_mode_that_was_chosen_stays() -> None:
    assert policy(mode="auto").tightened_by(FrontMatter(mode="full")).mode == "full"
    assert policy(mode="lite").tightened_by(FrontMatter(mode="full")).mode == "lite"
    assert policy(mode="lite").tightened_by(FrontMatter(mode="auto")).mode == "lite"


def test_a_tightened_policy_is_still_valid() -> None:
    tight = policy().tightened_by(FrontMatter(budget_usd=Decimal("0.5"), mode="lite", approve="ask"))
    assert Policy.model_validate(tight.model_dump()) == tight


@pytest.mark.parametrize(
    "bad",
    [
        {"budget_usd": -1},
        {"budget_usd": "NaN"},
        {"attempts": 0},
        {"repairs": 6},
        {"lite_up_to": 11},
        {"mode": "x"},
        {"strong_from": 12},
        {"pins": {"nobody": "openai:x"}},
    ],
)
def test_a_policy_out_of_bounds_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        policy(**bad)


@pytest.mark.parametrize(
    ("complexity", "attempt", "tier", "reason"),
    [
        (None, 1, Tier.STANDARD, OWN_TIER),
        (7, 2, Tier.STANDARD, OWN_TIER),
        (8, 1, Tier.STRONG, "complexity 8"),
        (10, 4, Tier.STRONG, "complexity 10"),
        (7, 3, Tier.STRONG, "attempt 3 after failed checks"),
        (None, 4, Tier.STRONG, "attempt 4 after failed checks"),
    ],
)
def test_complexity_chooses_the_first_tier_and_failed_checks_raise_it(
    complexity: int | None, attempt: int, tier: Tier, reason: str
) -> None:
    choice = policy().choice("implementation", Tier.STANDARD, complexity, attempt)
    assert choice == Choice(tier=tier, model=MODELS[tier], reason=reason)


def test_a_fast_agent_rises_step_by_step_and_a_strong_one_keeps_its_own_tier() -> None:
    risen = [policy().choice("documentation", Tier.FAST, None, n) for n in (2, 3, 4)]
    assert [c.tier for c in risen] == [Tier.FAST, Tier.STANDARD, Tier.STRONG]
    assert policy().choice("architect", Tier.STRONG, 9, 9).reason == OWN_TIER


def test_nothing_starts_at_the_strong_tier_from_eleven_on() -> None:
    assert policy(strong_from=11).choice("implementation", Tier.STANDARD, 10).tier is Tier.STANDARD


def test_a_pin_is_one_of_the_models_that_may_be_asked() -> None:
    pinned = policy(pins={"reviewer": "openai:mine", "security": "openai:small"})
    assert pinned.model_names() == ("openai:small", "openai:middle", "openai:large", "openai:mine")
    assert pinned.choice("reviewer", Tier.STANDARD).model == "openai:mine"


def test_a_tier_rises_to_the_strongest_and_stays() -> None:
    assert [tier.next() for tier in Tier] == [Tier.STANDARD, Tier.STRONG, Tier.STRONG]


@pytest.mark.parametrize(
    ("value", "text"),
    [("0", "0.00 USD"), ("0.01", "0.01 USD"), ("12.345", "12.34 USD"), ("0.000012", "0.000012 USD")],
)
def test_money_reads_as_dollars(value: str, text: str) -> None:
    assert money(Decimal(value)) == text
