"""Which model answers which agent, and why, as it is set and shown at the front door."""

import asyncio
import json
from pathlib import Path
from typing import Any, get_args

import pytest

from schemas.policy import AgentName
from tests.phoenix.command import environment, phoenix
from tests.platform import Platform

MODEL = "rehearsal:items=4,layers=4,seed=3"
OWN = "rehearsal:items=4,layers=4,seed=3,latency=0.001"
FULL = ("--mode", "full", "--approve", "auto", "--json")
CALL = ["agent", "subject", "attempt", "tier", "model", "reason", "replayed", "cost_usd"]


def pins(**named: Any) -> str:
    return json.dumps(named)


@pytest.mark.services
def test_every_choice_and_its_reason_is_told_by_status_and_report(
    served: dict[str, str], brief: str, platform: Platform
) -> None:
    chosen = {"PHOENIX_MODEL": MODEL, "PHOENIX_STRONG_FROM": "2", "PHOENIX_AGENT_MODELS": pins(reviewer=OWN)}
    done = phoenix("build", brief, *FULL, env={**served, **chosen})
    assert done.code == 0, done.err
    run = json.loads(done.out)["run"]
    calls = json.loads(phoenix("status", run, "--json", env=served).out)["calls"]
    assert [*calls[0]] == CALL
    complex_items = {c["subject"] for c in calls if str(c["reason"]).startswith("complexity ")}
    simple_items = {c["subject"] for c in calls if c["agent"] == "implementation"} - complex_items
    assert complex_items and simple_items
    for call in calls:
        reviewed, hard = call["agent"] == "reviewer", call["subject"] in complex_items
        assert ("latency=0.001" in call["model"]) is reviewed is (call["reason"] == "pinned by policy")
        if call["agent"] in ("test_engineer", "implementation"):
            assert (call["tier"] == "strong") is hard
    page = Path(json.loads(done.out)["report"]).read_text()
    assert page.count("pinned by policy") == sum(c["agent"] == "reviewer" for c in calls) > 0
    assert page.count("complexity ") >= len(complex_items)
    assert asyncio.run(queried(platform, run)) == len(calls)


async def queried(platform: Platform, run: str) -> int:
    """How many calls of a run a person finds with all that was chosen and why."""
    from sqlalchemy import text

    query = "SELECT count(*) FROM run_calls WHERE run = :run AND tier || model || reason IS NOT NULL"
    async with platform.database() as database, database.transaction() as conn:
        return int((await conn.execute(text(query), {"run": run})).scalar_one())


@pytest.mark.services
def test_a_model_on_the_command_line_is_above_pins_of_the_environment(
    served: dict[str, str], brief: str
) -> None:
    env = {**served, "PHOENIX_AGENT_MODELS": pins(planner="openai:nobody-knows")}
    done = phoenix("build", brief, "--model", "rehearsal:seed=7", "--approve", "auto", "--json", env=env)
    assert done.code == 0, done.err
    calls = json.loads(phoenix("status", "tiny-sums", "--json", env=served).out)["calls"]
    assert {c["reason"] for c in calls} == {"agent's own tier"}
    unpriced = phoenix("build", brief, env={**env, "PHOENIX_MODEL": "rehearsal:", "OPENAI_API_KEY": "sk-x"})
    assert (unpriced.code, unpriced.out) == (2, "")
    assert "nobody-knows" in unpriced.line


BAD = ("{bad", "[" * 100_000, "[]", '"reviewer"', "3", pins(reviewer=1), pins(reviewr="openai:x"))


@pytest.mark.parametrize("value", BAD, ids=lambda v: v[:20])
def test_bad_pins_are_refused_in_one_line_that_lists_the_agents(
    value: str, brief: str, tmp_path: Path
) -> None:
    env = environment(PHOENIX_HOME=str(tmp_path / "home"), DATABASE_URL=None, PHOENIX_AGENT_MODELS=value)
    done = phoenix("build", brief, "--model", "rehearsal:", env=env)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.strip().splitlines()) == 1
    assert done.line.startswith("phoenix: invalid setting: PHOENIX_AGENT_MODELS: ")
    for said in (*get_args(AgentName), '{"reviewer": "openai:NAME"}'):
        assert said in done.line
    assert "reviewr" not in value or "no agent 'reviewr'" in done.line
