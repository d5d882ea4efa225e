"""AUTOMATED_RETHINK: a new strategy, or the end of trying."""

import pytest

from schemas.answers import StrategyAnswer
from schemas.failure import Strategy
from schemas.stages import Rethought
from schemas.stateflow import State, allowed
from tasks.automated_rethink import rethink
from tests.tasks.builders import Script, evidence, work_in


def says(action: str, *items: str, strategy: str = "Use a table.") -> Script:
    answer = StrategyAnswer.model_validate({"action": action, "items": items, "strategy": strategy})
    return Script(supervisor=[answer.model_dump_json()])


async def thought(script: Script, *tried: Strategy) -> Rethought:
    failures = (evidence(item="WI-2", summary="no candidate", details="assert 1 == 2"),)
    work = work_in(State.AUTOMATED_RETHINK, script)
    return await rethink.body(work, failures=failures, tried=tried, items=("WI-1", "WI-2"))


@pytest.mark.parametrize(
    ("action", "items", "target"),
    [
        ("replan", (), State.DECOMPOSITION),
        ("replan", ("WI-2",), State.DECOMPOSITION),
        ("regenerate", ("WI-2",), State.GENERATION_CYCLE),
    ],
)
async def test_a_new_strategy_leads_where_the_table_allows(
    action: str, items: tuple[str, ...], target: State
) -> None:
    script = says(action, *items)
    found = await thought(script)
    assert found.outcome == action
    assert found.strategy == Strategy(target=target, items=items, text="Use a table.")
    assert allowed(State.AUTOMATED_RETHINK, found.outcome, target)
    assert "WI-2: no candidate\nassert 1 == 2" in script.told("supervisor", "failures")[0]


async def test_a_supervisor_who_gives_up_ends_the_trying() -> None:
    found = await thought(says("give_up", strategy="Nothing helps."))
    assert (found.outcome, found.strategy, found.reason) == ("exhausted", None, "Nothing helps.")


async def test_a_strategy_that_was_tried_ends_the_trying_and_another_does_not() -> None:
    tried = Strategy(target=State.GENERATION_CYCLE, items=("WI-2",), text="Use a table.")
    again = await thought(says("regenerate", "WI-2"), tried)
    assert (again.outcome, again.strategy) == ("exhausted", None)
    assert "tried before" in again.reason
    script = says("regenerate", "WI-2", strategy="Use a list.")
    assert (await thought(script, tried)).outcome == "regenerate"
    assert script.told("supervisor", "tried") == ["- Use a table."]


@pytest.mark.parametrize("items", [(), ("WI-9",)])
async def test_a_regeneration_of_no_item_ends_the_trying(items: tuple[str, ...]) -> None:
    found = await thought(says("regenerate", *items))
    assert (found.outcome, found.strategy) == ("exhausted", None)
    assert "names no work item" in found.reason


async def test_items_that_there_are_not_are_left_out() -> None:
    found = await thought(says("regenerate", "WI-2", "WI-9"))
    assert found.strategy is not None
    assert found.strategy.items == ("WI-2",)
