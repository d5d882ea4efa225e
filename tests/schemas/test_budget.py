"""What is said of a budget that is too small, and what is proposed."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.base import as_money
from schemas.budget import Remaining, Shortfall, budgets_of, proposed_cap
from tests.builders import brief, policy

AMOUNTS = st.decimals(0, 1000, places=8)


def short(**changes: Any) -> Shortfall:
    """A run's budget that lacks four cents."""
    facts = {"told": "0.06", "cap": "0.06", "spent": "0.05", "reserved": "0.01", "needed": "0.0312"}
    lever = "type the same command again with --budget {usd}"
    return Shortfall.model_validate({"scope": "run", "key": "3f2a", "lever": lever, **facts, **changes})


def test_the_message_names_the_budget_its_numbers_and_what_to_type() -> None:
    assert str(short()) == (
        "budget run 3f2a: the cap is 0.06 USD, spent 0.05 USD, reserved 0.01 USD, the next call needs up to "
        "0.0312 USD. To go on, type the same command again with --budget 0.10."
    )
    assert str(short(wanted="0.5")).endswith("with --budget 0.5 (at least 0.10).")


@given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS)
def test_the_proposed_cap_always_holds_the_next_call(
    cap: Decimal, spent: Decimal, reserved: Decimal, needed: Decimal
) -> None:
    found = short(cap=cap, spent=spent, reserved=reserved, needed=needed)
    tokens: dict[str, Any] = {"calls": (1, 2), "input_tokens": (1, 2), "output_tokens": (1, 2)}
    unpriced = Remaining(**tokens, cost_usd=None)
    for rest in (None, unpriced):
        assert proposed_cap(found, rest) >= max(2 * cap, spent + reserved + needed)
    for most in (Decimal(0), Decimal(7)):
        priced = Remaining(**tokens, cost_usd=(Decimal(0), most))
        assert proposed_cap(found, priced) >= max(spent + most, spent + reserved + needed)


def test_each_budget_says_what_raises_it() -> None:
    caps = {"budget_usd": "1", "project_budget_usd": "2", "day_budget_usd": "3"}
    run, project, day = budgets_of("3f2a", brief(), policy(**caps))
    assert (run.scope, run.key, project.scope, project.key) == ("run", "3f2a", "project", "twice")
    assert (day.scope, day.key, day.cap) == ("day", "", Decimal(3))
    assert "--budget {usd}" in run.lever
    assert "PHOENIX_PROJECT_BUDGET_USD={usd}" in project.lever
    assert "PHOENIX_DAY_BUDGET_USD={usd}" in day.lever
    tight = brief(budget_usd=Decimal("0.5"))
    asked, *_ = budgets_of("3f2a", tight, policy(**caps).tightened_by(tight.asks))
    assert "budget_usd: {usd} in the front matter" in asked.lever


def test_an_amount_is_read_or_refused() -> None:
    assert [as_money(t) for t in ("0", "2.50")] == [0, Decimal("2.5")]
    wrong = ("-1", "nan", "inf", "much", "", "1e20", "0.000000001")
    assert [as_money(t) for t in wrong] == [None] * len(wrong)
