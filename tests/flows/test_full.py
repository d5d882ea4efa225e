"""The full story on real services: every state, parallel items, gates, repairs and strategies."""

import asyncio
import json
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from flows.order import BuildOrder
from flows.remaining import remaining
from schemas.budget import CapQuestion
from schemas.errors import BudgetExceeded, Halted, WaitingForApproval
from schemas.events import Decision, Event
from schemas.stateflow import CHILDREN, PER_ITEM, STAGES, State, allowed
from services import terminal
from services.database import approvals, releases, runs, store
from services.models import read_recording, write_recording
from services.settings import read_settings
from services.terminal import Answer
from tests.databases import Server
from tests.flows.test_build import task_runs
from tests.platform import Platform, git, order, stages

pytestmark = [
    pytest.mark.services,
    pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning"),
]
MODEL = "rehearsal:items=3,layers=2"
RARE = "rehearsal:items=2,layers=1,rare_code=0.3,seed=43"
RUN_LEVEL = [
    ("INITIALIZING", "ready"),
    ("TRIAGE", "full"),
    ("REQUIREMENT_INGESTION", "specified"),
    ("SPECIFICATION_ANALYSIS", "sound"),
    ("DECOMPOSITION", "planned"),
    ("UNIT_TESTING", "passed"),
    ("INTEGRATION_TESTING", "passed"),
    ("CONSISTENCY_ANALYSIS", "passed"),
    ("PERFORMANCE_VALIDATION", "passed"),
    ("SECURITY_AUDIT", "safe"),
    ("AGGREGATION", "built"),
    ("FINAL_REVIEW", "proven"),
    ("GENERATE_DEPLOYMENT_ARTIFACTS", "rendered"),
]
ITEM_LEVEL = ["GENERATE_TESTS", "IMPLEMENT_CODE", "AUDIT_CODE", "REFACTOR_CODE"]


def full_order(model: str = MODEL, **policy: Any) -> BuildOrder:
    return order(model, mode="full", **policy)


def of_run(events: list[Event]) -> list[Event]:
    return [e for e in events if "item" not in e.payload]


def of_item(events: list[Event], item: str) -> list[Event]:
    return [e for e in events if e.payload.get("item") == item]


async def decide(platform: Platform, decision: Decision, comment: str = "") -> str:
    """Decide what waits; the gate that it was."""
    async with platform.database() as database, database.transaction() as conn:
        [waiting] = await approvals.list_approvals(conn, undecided=True)
        assert await approvals.decide(conn, waiting.id, decision, "ada", comment)
        return waiting.gate


async def test_a_brief_becomes_a_release_through_every_state(platform: Platform) -> None:
    ending = await platform.build(full_order())

    assert ending.state == "COMPLETED"
    events = await platform.events()
    assert stages(of_run(events)) == RUN_LEVEL
    for item in ("WI-1", "WI-2", "WI-3"):
        assert [state for state, _ in stages(of_item(events, item))] == ITEM_LEVEL
        steps = [(e.from_state, e.to_state) for e in of_item(events, item) if e.kind == "entered"]
        assert steps[0][0] == steps[-1][1] == State.GENERATION_CYCLE
    visited = {State(s) for s, _ in stages(events)}
    lite = set(CHILDREN[State.LITE_CYCLE])
    assert visited == STAGES - lite - {State.FAILURE_ANALYSIS, State.AUTOMATED_RETHINK}

    [opened] = [e for e in events if e.kind == "execution_opened"]
    left = [e for e in events if e.kind == "left"]
    seen = await task_runs(platform, opened.payload["flow_run"], len(left))
    named = [f"{e.payload.get('item', '')} {e.from_state}".strip() for e in left]
    assert Counter(t["name"] for t in seen) == Counter(named), "one task run for each visit"

    keys = [f"{ending.run}-{n}" for n in ("decomposition", "unit-testing", "wi-1", "wi-2", "wi-3")]
    pages = await platform.api("artifacts", {"artifacts": {"key": {"any_": keys}}})
    assert sorted(page["key"] for page in pages) == sorted(keys)
    [item] = [str(page["data"]) for page in pages if page["key"].endswith("wi-1")]
    assert len(re.findall("^## ", item, re.MULTILINE)) == len(ITEM_LEVEL), "one page with all its stages"

    tree = set(git(ending.path, "ls-tree", "-r", "--name-only", "HEAD").splitlines())
    assert {"Dockerfile", ".dockerignore", "CHANGELOG.md", "sbom.cdx.json", "mkdocs.yml"} <= tree
    assert {"docs/index.md", "tests/test_m_1.py", "src/tiny_sums_project/m_3.py"} <= tree
    manifest = json.loads((Path(str(ending.path)) / ".phoenix/manifest.json").read_text())
    assert set(manifest["claims"]) == {"FR-1.1", "FR-2.1", "FR-3.1"}


async def test_an_item_waits_for_the_accepted_code_that_it_builds_on(platform: Platform) -> None:
    await platform.build(full_order("rehearsal:items=3,layers=3"))
    events = await platform.events()
    accepted = {
        e.payload["item"]: e.sequence
        for e in events
        if e.kind == "entered" and e.payload.get("item") and e.to_state is State.GENERATION_CYCLE
    }
    begun = {
        e.payload["item"]: e.sequence
        for e in events
        if e.kind == "entered" and e.payload.get("item") and e.to_state is State.IMPLEMENT_CODE
    }
    assert accepted["WI-1"] < begun["WI-2"] < accepted["WI-2"] < begun["WI-3"]


async def test_bad_plans_specifications_code_and_tests_are_mended(platform: Platform) -> None:
    faults = "seed=4,bad_plan=0.5,unsound=0.5,bad_code=0.3,bad_test=0.3,vacuous_test=0.3,schema_violation=0.1"
    ending = await platform.build(full_order(f"{MODEL},{faults}", repairs=5))
    assert ending.state == "COMPLETED"
    assert (await platform.usage()).calls > 13, "some answers had to be asked for again"


async def test_an_item_that_waited_for_a_repair_goes_on_with_the_tests_that_it_has(
    platform: Platform,
) -> None:
    once = "rehearsal:items=2,layers=2,bad_code=0.5,seed=0"
    ending = await platform.build(full_order(once, attempts=1))
    assert ending.state == "COMPLETED"
    events = await platform.events()
    [failed, green] = [outcome for s, outcome in stages(of_item(events, "WI-1")) if s == "IMPLEMENT_CODE"]
    assert (failed, green) == ("failed", "green")
    waited = [e.payload["cached"] for e in of_item(events, "WI-2") if e.kind == "left"]
    assert waited == [False, True, False, False, False], "its suite is written once, and its code follows it"


async def test_code_that_never_passes_gets_another_strategy_and_then_halts(platform: Platform) -> None:
    with pytest.raises(Halted, match=r"IMPLEMENT_CODE WI-1"):
        await platform.build(full_order(f"{MODEL},bad_code=1", repairs=1, attempts=1, rethinks=1))
    events = await platform.events()
    assert "AUTOMATED_RETHINK" in [s for s, _ in stages(of_run(events))]
    moves = [e for e in events if e.kind == "entered" and e.from_state and e.to_state]
    refused = [
        (e.from_state, e.payload["outcome"], e.to_state)
        for e in moves
        if e.from_state and e.to_state and not allowed(e.from_state, e.payload["outcome"], e.to_state)
    ]
    assert refused == []


async def test_an_exhausted_budget_stops_every_item_and_nothing_is_paid_twice(platform: Platform) -> None:
    slow = f"{MODEL},latency=0.5"
    with pytest.raises(WaitingForApproval, match="plan gate"):
        await platform.build(full_order(slow, plan_gate="ask"))
    planned = await platform.usage()
    await decide(platform, "approve")
    # Each item's tests are worth up to 0.0692 USD and cost some 0.0014: one or two calls fit, one at a time.
    small = Decimal("0.0765")
    with pytest.raises(BudgetExceeded, match=r"cap is 0\.0765 USD.* with --budget 0\.\d\d"):
        await platform.build(full_order(slow, plan_gate="ask", budget_usd=small))
    paid = await platform.usage()
    assert planned.calls < paid.calls < 12
    assert planned.cost_usd < paid.cost_usd <= small
    async with platform.database() as database, database.transaction() as conn:
        run = await runs.find_run(conn, "tiny-sums")
        rest = await remaining(conn, run, read_settings())
        [gate] = [a for a in await approvals.list_approvals(conn, run=run.id) if a.gate == "budget"]
        question = CapQuestion.model_validate_json(await store.get_artifact(conn, gate.subject))
    assert question.remaining == rest
    assert rest is not None
    assert rest.calls[0] == 9 + planned.calls - paid.calls, "nine calls follow the plan when all goes well"
    assert rest.cost_usd is not None
    assert 0 < rest.cost_usd[0] < rest.cost_usd[1] <= question.proposed - question.spent
    ending = await platform.build(full_order(slow, plan_gate="ask", budget_usd=question.proposed))
    assert ending.state == "COMPLETED"
    whole = await platform.usage()
    assert (whole.calls, whole.replayed) == (12, 0), "as many as in one go: no answer was paid for twice"


async def test_what_a_changed_brief_leaves_alone_is_not_generated_again(
    platform: Platform, tmp_path: Path
) -> None:
    first = await platform.build(full_order())
    changed = order(MODEL, text=f"{order().brief.text}\nNumbers may be negative.\n", mode="full")
    ending = await platform.build(changed)
    second = [e for e in await platform.events() if e.run == ending.run]
    assert not {State(s) for s, _ in stages(second)} & PER_ITEM, "every item's key was accepted before"
    assert stages(of_run(second)) == RUN_LEVEL
    assert git(ending.path, "log", "--format=%s").splitlines()[0] == "Release 0.2.0 of tiny-sums"

    tape = tmp_path / "tape.json"
    async with platform.database() as database:
        await write_recording(database, ending.run, tape, "a rehearsal")
        await write_recording(database, first.run, tmp_path / "first.json", "a rehearsal")
    told = [
        {(e.agent, e.subject) for e in read_recording(p).entries} for p in (tape, tmp_path / "first.json")
    ]
    assert told[0] == told[1], "what was taken over from the first run is recorded as well"


async def test_the_same_parts_in_other_files_get_a_version_of_their_own(platform: Platform) -> None:
    await platform.build(full_order())
    ending = await platform.build(full_order(docs="sphinx"))
    second = [e for e in await platform.events() if e.run == ending.run and e.kind == "entered"]
    assert [e.to_state for e in second if e.payload["outcome"] == "renewed"] == [State.AGGREGATION]
    assert git(ending.path, "log", "--format=%s").splitlines()[0] == "Release 0.2.0 of tiny-sums"
    assert "docs/conf.py" in git(ending.path, "ls-tree", "-r", "--name-only", "HEAD")


async def test_each_gate_is_decided_by_a_human_and_a_revision_changes_what_is_shown(
    platform: Platform,
) -> None:
    wanted = full_order(release_gate="ask", requirements_gate="ask", plan_gate="ask")
    with pytest.raises(WaitingForApproval, match="requirements gate"):
        await platform.build(wanted)
    assert await decide(platform, "revise", "Say what happens with zero.") == "requirements"
    with pytest.raises(WaitingForApproval, match="requirements gate"):
        await platform.build(wanted)
    async with platform.database() as database, database.transaction() as conn:
        asked = await approvals.list_approvals(conn)
    assert len({a.subject for a in asked}) == 2, "the comment changed the specification"
    for gate in ("requirements", "plan", "release"):
        assert await decide(platform, "approve") == gate
        if gate != "release":
            with pytest.raises(WaitingForApproval):
                await platform.build(wanted)
    ending = await platform.build(wanted)
    assert "Phoenix-Approved-By: ada" in git(ending.path, "log", "-1", "--format=%B")


async def test_two_runs_of_a_project_at_once_develop_each_item_once(platform: Platform) -> None:
    wanted = (full_order(f"{MODEL},latency=0.3", attempts=n, release_gate="ask") for n in (2, 3))
    ends = await asyncio.gather(*(platform.build(one) for one in wanted), return_exceptions=True)

    assert [type(end) for end in ends] == [WaitingForApproval, WaitingForApproval]
    events = await platform.events()
    assert len({e.run for e in events}) == 2, "another policy is another run"
    for item in ("WI-1", "WI-2", "WI-3"):
        left = [e for e in of_item(events, item) if e.kind == "left"]
        written = [e for e in left if e.from_state is State.IMPLEMENT_CODE]
        assert len({e.run for e in written}) == 1, "who came second took the accepted item over"
        made = [(e.from_state, e.payload["key"]) for e in left if not e.payload["cached"]]
        assert len(made) == len(set(made)), "no stage was worked on twice"


async def test_two_runs_of_a_project_that_are_approved_at_once_release_two_versions(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, shown = asyncio.Barrier(2), []

    async def approved(text: str) -> Answer:
        shown.append(text.splitlines()[0])
        if len(shown) <= 2:
            await both.wait()
        return Answer("approve", "")

    monkeypatch.setattr(terminal, "ask", approved)
    texts = (order().brief.text, f"{order().brief.text}\nNumbers may be negative.\n")
    wanted = [order(MODEL, text=text, mode="lite", release_gate="ask") for text in texts]
    ends = await asyncio.gather(*(platform.build(one) for one in wanted))

    async with platform.database() as database, database.transaction() as conn:
        second, first = await releases.list_releases(conn, "tiny-sums")
    assert {first.run, second.run} == {end.run for end in ends}
    assert (first.version, second.version, second.supersedes) == ("0.1.0", "0.2.0", "0.1.0")
    title = "# Release {} of tiny-sums"
    assert shown == [title.format(v) for v in ("0.1.0", "0.1.0", "0.2.0")], "the other tree is shown again"
    log = git(ends[0].path, "log", "--format=%s").splitlines()
    assert log == ["Release 0.2.0 of tiny-sums", "Release 0.1.0 of tiny-sums"]
    renewed = [e for e in await platform.events() if e.payload.get("outcome") == "renewed"]
    assert [e.run for e in renewed] == [second.run]


async def test_a_revised_release_is_specified_again_and_its_changed_items_begin_anew(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([Answer("revise", "Say what happens with zero."), Answer("approve", "")])

    async def answered(shown: str) -> Answer:
        return next(answers)

    monkeypatch.setattr(terminal, "ask", answered)
    ending = await platform.build(full_order(release_gate="ask"))
    assert ending.state == "COMPLETED"
    visits = Counter(state for state, _ in stages(of_item(await platform.events(), "WI-1")))
    assert visits["GENERATE_TESTS"] == 2, "the first item is told what was settled"


async def test_code_that_fresh_inputs_refute_is_mended_and_the_input_is_kept(
    platform: Platform, tmp_path: Path, servers: dict[str, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its suite holds on the inputs that everybody knows, so that only the audit can tell."""
    ending = await platform.build(full_order(RARE))
    told = stages(of_item(await platform.events(), "WI-1"))
    assert told[1:] == [
        ("IMPLEMENT_CODE", "green"),
        ("AUDIT_CODE", "failed"),
        ("IMPLEMENT_CODE", "green"),
        ("AUDIT_CODE", "held"),
        ("REFACTOR_CODE", "done"),
    ]
    kept = (Path(str(ending.path)) / "tests/test_m_1.py").read_text()
    [example] = re.findall(r"^@hypothesis\.example\((value=-?\d+)\)$", kept, re.MULTILINE)
    asked = "select convert_from(c.request, 'UTF8') as request from run_calls r join model_calls c "
    asked += "on c.digest = r.request where r.subject = 'WI-1' order by c.asked_at"
    async with platform.database() as database, database.transaction() as conn:
        requests = [row.request for row in await conn.execute(text(asked))]
        run = await runs.find_run(conn, ending.run)
    told_of = ["@hypothesis.example" in request for request in requests]
    assert told_of == [example in request for request in requests], "an agent meets it in the suite only"
    assert told_of.count(True) > 0
    assert not any(told_of[:2])

    tape = tmp_path / "tape.json"
    async with platform.database() as database:
        await write_recording(database, run.id, tape, "a rehearsal")
    with servers["embedded"].fresh(servers["embedded"].migrated()) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("PHOENIX_HOME", str(tmp_path / "other"))
        again = Platform(platform.prefect_url, url, tmp_path)
        replayed = await again.build(full_order(f"recorded:{tape}"))
    assert git(replayed.path, "rev-parse", "HEAD^{tree}") == git(ending.path, "rev-parse", "HEAD^{tree}")
