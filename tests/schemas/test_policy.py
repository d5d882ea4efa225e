"""A brief can tighten its policy and never loosen it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.brief import FrontMatter
from schemas.policy import Policy, Tier, money
from tests.builders import policy

CAPS = st.none() | st.decimals(0, 1000, places=2)


@given(CAPS, CAPS)
def test_a_brief_never_raises_or_drops_a_cap(ours: Decimal | None, asked: Decimal | None) -> None:
    cap = policy(budget_usd=ours).tightened_by(FrontMatter(budget_usd=asked)).budget_usd
    known = [c for c in (ours, asked) if c is not None]
    assert cap == (min(known) if known else None)


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
    ],
)
def test_a_policy_out_of_bounds_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        policy(**bad)


def test_a_tier_rises_to_the_strongest_and_stays() -> None:
    assert [tier.next() for tier in Tier] == [Tier.STANDARD, Tier.STRONG, Tier.STRONG]


@pytest.mark.parametrize(
    ("value", "text"),
    [("0", "0.00 USD"), ("0.01", "0.01 USD"), ("12.345", "12.34 USD"), ("0.000012", "0.000012 USD")],
)
def test_money_reads_as_dollars(value: str, text: str) -> None:
    assert money(Decimal(value)) == text
