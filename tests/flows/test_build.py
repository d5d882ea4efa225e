"""The build story on a real Prefect server, a real PostgreSQL, a real sandbox and real git."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest

from flows.order import BuildOrder
from schemas.errors import BudgetExceeded, Halted, InputError, Rejected, WaitingForApproval
from schemas.events import Decision
from services.database import approvals, runs
from services.database.approvals import Asked
from tests.platform import Platform, git, order, stages

pytestmark = [
    pytest.mark.services,
    pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning"),
]

PATH = [
    ("INITIALIZING", "ready"),
    ("TRIAGE", "lite"),
    ("PLAN_AND_TEST", "red"),
    ("IMPLEMENT_AND_FIX", "green"),
    ("REFACTOR_AND_DOCUMENT", "done"),
    ("SECURITY_AUDIT", "safe"),
    ("AGGREGATION", "built"),
    ("FINAL_REVIEW", "proven"),
    ("GENERATE_DEPLOYMENT_ARTIFACTS", "rendered"),
]


async def task_runs(platform: Platform, flow_run: str, count: int) -> list[dict[str, object]]:
    """The task runs of one flow run in their order, once the server has recorded them all."""
    for _ in range(100):
        found = await platform.api(
            "task_runs",
            {"flow_runs": {"id": {"any_": [flow_run]}}, "sort": "EXPECTED_START_TIME_ASC"},
        )
        if len(found) >= count and all(t["state_type"] == "COMPLETED" for t in found):
            break
        await asyncio.sleep(0.1)
    return found


async def test_a_brief_becomes_a_release_with_one_task_run_per_visited_state(platform: Platform) -> None:
    ending = await platform.build(order())

    assert ending.state == "COMPLETED"
    events = await platform.events()
    assert stages(events) == PATH
    [opened] = [e for e in events if e.kind == "execution_opened"]
    seen = await task_runs(platform, opened.payload["flow_run"], len(PATH))
    assert [t["name"] for t in seen] == [state for state, _ in PATH]
    keys = [f"{ending.run}-{state.lower().replace('_', '-')}" for state, _ in PATH]
    artifacts = await platform.api("artifacts", {"artifacts": {"key": {"any_": keys}}})
    assert {a["key"] for a in artifacts} == set(keys)
    assert all(str(a["data"]).startswith("## ") for a in artifacts)
    assert git(ending.path, "status", "--porcelain") == ""
    assert f"Phoenix-Run: {ending.run}" in git(ending.path, "log", "-1", "--format=%B")


async def test_the_same_answers_give_the_same_tree_in_another_home(
    platform: Platform, tmp_path: Path
) -> None:
    first = await platform.build(order())
    again = await platform.build(order(repairs=3).model_copy(update={"output": str(tmp_path / "elsewhere")}))
    assert again.run != first.run, "another policy is another run"
    assert git(first.path, "rev-parse", "HEAD^{tree}") == git(again.path, "rev-parse", "HEAD^{tree}")
    usage = await platform.usage()
    assert (usage.calls, usage.cost_usd) == (0, 0), "every answer was in the ledger"
    [_, opened] = [e for e in await platform.events() if e.kind == "execution_opened"]
    seen = await task_runs(platform, opened.payload["flow_run"], len(PATH))
    assert {t["state_name"] for t in seen} == {"Cached"}


async def test_bad_code_is_repaired_and_bad_answers_are_asked_again(platform: Platform) -> None:
    ending = await platform.build(order("rehearsal:seed=3,bad_code=0.6,schema_violation=0.3"))
    assert ending.state == "COMPLETED"
    assert (await platform.usage()).calls > 5


async def test_a_model_that_always_answers_nonsense_halts_the_run_and_another_try_asks_anew(
    platform: Platform,
) -> None:
    wanted = order("rehearsal:schema_violation=1")
    with pytest.raises(Halted, match=r"agent planner"):
        await platform.build(wanted)
    first = await platform.usage()
    with pytest.raises(Halted):
        await platform.build(wanted)
    second = await platform.usage()
    assert (first.calls, second.calls) == (3, 6), "a bad answer is not replayed for ever"
    events = await platform.events()
    assert stages(events)[-1] == ("FAILURE_ANALYSIS", "halt")
    assert len({e.run for e in events}) == 1, "the second try continues the run"


async def test_code_that_never_passes_is_sent_back_and_then_halts(platform: Platform) -> None:
    with pytest.raises(Halted, match="IMPLEMENT_AND_FIX"):
        await platform.build(order("rehearsal:bad_code=1", repairs=1, attempts=2))
    visited = [state for state, _ in stages(await platform.events())]
    assert visited.count("FAILURE_ANALYSIS") == 2
    assert visited.count("IMPLEMENT_AND_FIX") == 2


async def test_an_exhausted_budget_stops_the_run_and_a_higher_cap_continues_without_paying_twice(
    platform: Platform,
) -> None:
    for _ in range(2):
        with pytest.raises(BudgetExceeded, match=r"run .* with --budget 0\.12"):
            await platform.build(order(budget_usd=Decimal("0.06")))
    paid = await platform.usage()
    assert paid.calls >= 1
    assert paid.cost_usd <= Decimal("0.06")
    assert [(a.gate, a.decision) for a in await asked(platform)] == [("budget", None)], "asked once"
    ending = await platform.build(order(budget_usd=Decimal(5)))
    whole = await platform.usage()
    assert ending.state == "COMPLETED"
    assert len({e.run for e in await platform.events()}) == 1, "a raised cap continues the run"
    assert (whole.calls, whole.replayed) == (5, 0), "as many as in one go"
    assert [a.gate for a in await asked(platform) if not a.over()] == ["release"]


async def asked(platform: Platform) -> list[Asked]:
    async with platform.database() as database, database.transaction() as conn:
        return await approvals.list_approvals(conn)


async def test_an_approved_budget_gate_raises_its_cap_until_another_cap_is_named(platform: Platform) -> None:
    small = order(budget_usd=Decimal("0.06"))
    with pytest.raises(BudgetExceeded):
        await platform.build(small)
    await decide(platform, "revise", "0.07")
    with pytest.raises(BudgetExceeded, match=r"the cap is 0\.07 USD") as caught:
        await platform.build(small)
    assert caught.value.short.told == Decimal("0.06")
    with pytest.raises(BudgetExceeded, match=r"the cap is 0\.05 USD"):
        await platform.build(order(budget_usd=Decimal("0.05")))
    with pytest.raises(BudgetExceeded, match=r"the cap is 0\.07 USD"):
        await platform.build(small)
    await decide(platform, "approve")
    assert (await platform.build(small)).state == "COMPLETED"
    assert len({e.run for e in await platform.events()}) == 1


async def test_a_rejected_budget_gate_keeps_the_cap_and_the_run(platform: Platform) -> None:
    small = order(budget_usd=Decimal("0.06"))
    for _ in range(2):
        with pytest.raises(BudgetExceeded, match=r"the cap is 0\.06 USD"):
            await platform.build(small)
        if waiting := [a for a in await asked(platform) if a.decision is None]:
            assert len(waiting) == 1
            await decide(platform, "reject", "too dear")
    assert [a.decision for a in await asked(platform)] == ["reject"], "a decided subject is not asked again"
    assert (await platform.build(order())).state == "COMPLETED"


async def decide(platform: Platform, decision: Decision, comment: str = "") -> None:
    async with platform.database() as database, database.transaction() as conn:
        [waiting] = await approvals.list_approvals(conn, undecided=True)
        assert await approvals.decide(conn, waiting.id, decision, "ada", comment)


async def waits(platform: Platform, wanted: BuildOrder) -> None:
    with pytest.raises(WaitingForApproval, match="release gate"):
        await platform.build(wanted)


async def test_nothing_is_released_before_the_gate_is_decided(platform: Platform, tmp_path: Path) -> None:
    wanted = order(release_gate="ask")
    await waits(platform, wanted)
    await waits(platform, wanted)
    assert not (tmp_path / "home/releases").exists()
    asked = [e for e in await platform.events() if e.kind == "gate_asked"]
    assert len(asked) == 1, "an unchanged subject is never asked twice"
    await decide(platform, "approve")
    ending = await platform.build(wanted)
    assert "Phoenix-Approved-By: ada" in git(ending.path, "log", "-1", "--format=%B")


async def test_a_policys_approval_never_stands_where_a_human_is_wanted(platform: Platform) -> None:
    await platform.build(order())
    await waits(platform, order(release_gate="ask"))
    await decide(platform, "approve")
    ending = await platform.build(order(release_gate="ask"))
    async with platform.database() as database, database.transaction() as conn:
        asked = await approvals.list_approvals(conn)
    assert [(a.who, a.decision) for a in asked] == [("policy", "approve"), ("ada", "approve")]
    assert ending.state == "COMPLETED"


async def test_a_rejected_release_ends_the_run(platform: Platform, tmp_path: Path) -> None:
    wanted = order(release_gate="ask")
    await waits(platform, wanted)
    await decide(platform, "reject", "not needed")
    with pytest.raises(Rejected, match="not needed"):
        await platform.build(wanted)
    async with platform.database() as database, database.transaction() as conn:
        assert (await runs.find_run(conn, "tiny-sums")).state == "REJECTED"
    assert not (tmp_path / "home/releases").exists()


async def test_a_revision_reaches_the_agents_and_one_that_changes_nothing_halts(platform: Platform) -> None:
    wanted = order(release_gate="ask")
    await waits(platform, wanted)
    await decide(platform, "revise", "Say more about negative numbers.")
    before = await platform.usage()
    with pytest.raises(Halted, match="the revision changed nothing"):
        await platform.build(wanted)
    assert (await platform.usage()).calls > before.calls, "the comment was given to the agents"


async def test_the_next_brief_of_a_project_gets_the_next_version(platform: Platform, tmp_path: Path) -> None:
    first = await platform.build(order())
    changed = order(text=a_longer_brief())
    second = await platform.build(changed)
    assert first.path == second.path
    assert git(second.path, "log", "--format=%s").splitlines() == [
        "Release 0.2.0 of tiny-sums",
        "Release 0.1.0 of tiny-sums",
    ]
    manifest = json.loads((Path(str(second.path)) / ".phoenix/manifest.json").read_text())
    assert manifest["version"] == "0.2.0"


def a_longer_brief() -> str:
    from tests.platform import BRIEF

    return BRIEF + "\nThe functions must be fast.\n"


async def test_a_changed_release_folder_is_refused_and_kept(platform: Platform) -> None:
    ending = await platform.build(order())
    readme = Path(str(ending.path)) / "README.md"
    readme.write_text("mine\n")
    with pytest.raises(InputError, match="changes that Phoenix did not make"):
        await platform.build(order(text=a_longer_brief()))
    assert readme.read_text() == "mine\n"
    git(ending.path, "checkout", "README.md")
    assert (await platform.build(order(text=a_longer_brief()))).state == "COMPLETED"


async def test_two_executions_of_one_run_are_not_told_at_once(platform: Platform) -> None:
    wanted = order("rehearsal:latency=0.5")
    first = asyncio.create_task(platform.build(wanted))
    async with platform.database() as database:
        while True:
            async with database.transaction() as conn:
                found = await runs.list_runs(conn)
            if found and any(e.kind == "left" for e in await platform.events()):
                break
            await asyncio.sleep(0.05)
        with pytest.raises(InputError, match="carried by another process"):
            async with runs.executing(database, found[0].id):
                pass
    assert (await first).state == "COMPLETED"
