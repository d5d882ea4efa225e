"""Runs, executions, gates, releases and items."""

import asyncio
import os
from datetime import UTC, datetime, timedelta

import pytest

from schemas.errors import InputError, TransitionRefused
from schemas.events import Decision
from schemas.stateflow import State
from services.database import Database, ledger, store
from services.database.approvals import ask, decide, decision_for, get_approval, list_approvals
from services.database.items import (
    Accepted,
    PlannedItem,
    accept,
    accepted_generations,
    plan_items,
    planned_items,
)
from services.database.releases import get_release, latest_releases, list_releases, record_release
from services.database.runs import (
    Run,
    brief_of,
    executing,
    find_run,
    finished_runs,
    flow_runs_of_finished,
    list_runs,
    open_execution,
    open_run,
    policy_of,
)
from tests.services.database_builders import POLICY, brief, new_run, process

pytestmark = pytest.mark.services


async def test_an_unfinished_run_of_the_same_brief_and_policy_is_continued(database: Database) -> None:
    first, again = await new_run(database), await new_run(database)
    other = await new_run(database, text="Count lines.\n")
    async with database.transaction() as conn:
        ask_first = POLICY.model_copy(update={"attempts": 7})
        stricter = await open_run(conn, brief(), ask_first)
        assert await brief_of(conn, first.id) == brief()
        assert await policy_of(conn, stricter.id) == ask_first
    assert (first.continued, again.continued, again.id) == (False, True, first.id)
    assert len({first.id, other.id, stricter.id}) == 3


async def test_a_flow_run_is_old_when_every_run_that_it_carried_is(database: Database) -> None:
    old, new = await new_run(database, "old"), await new_run(database, "new")
    async with database.transaction() as conn:
        for run, carriers in ((old, ("alone", "shared")), (new, ("shared", "fresh"))):
            for carrier in carriers:
                execution = await open_execution(conn, run.id, carrier)
        await open_execution(conn, old.id)
        await ledger.transition(
            conn,
            run=old.id,
            execution=execution,
            outcome="cancel",
            target=State.CANCELLED,
            actor="t",
            payload={},
        )
        now = datetime.now(UTC)
        for before, ended in ((now + timedelta(days=1), [old.id]), (now - timedelta(days=1), [])):
            assert [run.id for run in await finished_runs(conn, before)] == ended
            assert await flow_runs_of_finished(conn, before) == ({"alone": old.id} if ended else {})


async def test_a_finished_run_is_not_continued(database: Database) -> None:
    run = await new_run(database)
    async with executing(database, run.id) as execution, database.transaction() as conn:
        await ledger.transition(
            conn,
            run=run.id,
            execution=execution,
            outcome="cancel",
            target=State.CANCELLED,
            actor="t",
            payload={},
        )
    with pytest.raises(TransitionRefused):
        async with executing(database, run.id):
            raise AssertionError("a cancelled run was carried on")
    assert (await new_run(database)).id != run.id


async def test_twenty_openers_at_once_open_one_run(database: Database) -> None:
    runs = await asyncio.gather(*(new_run(database) for _ in range(20)))
    assert len({run.id for run in runs}) == 1
    assert [run.continued for run in runs].count(False) == 1


async def test_each_execution_counts_and_begins_at_initializing(database: Database) -> None:
    run = await new_run(database)
    async with executing(database, run.id, "flow-1") as first, database.transaction() as conn:
        await ledger.transition(
            conn, run=run.id, execution=first, outcome="ready", target=State.TRIAGE, actor="t", payload={}
        )
    async with executing(database, run.id) as second, database.transaction() as conn:
        assert (await find_run(conn, run.id)).state is State.INITIALIZING
        story = [(e.kind.value, e.execution, e.payload.get("outcome")) for e in await ledger.events(conn)]
    assert (first, second) == (f"{run.id}.1", f"{run.id}.2")
    assert story == [
        ("run_opened", "", None),
        ("execution_opened", first, None),
        ("entered", first, "ready"),
        ("ended", first, "done"),
        ("execution_opened", second, None),
        ("entered", second, "again"),
    ]


async def test_a_second_execution_at_once_is_refused_and_a_later_one_is_not(database: Database) -> None:
    run = await new_run(database)
    with pytest.raises(RuntimeError):
        async with executing(database, run.id):
            with pytest.raises(
                InputError, match=rf"{run.id} is being carried.*pid {os.getpid()} on"
            ) as caught:
                async with executing(database, run.id):
                    raise AssertionError("two executions carry one run")
            assert "\n" not in str(caught.value)
            raise RuntimeError
    async with executing(database, run.id), database.transaction() as conn:
        ended = [e.payload for e in await ledger.events(conn, run=run.id) if e.kind == "ended"]
    assert ended == [{"outcome": "RuntimeError"}]


CARRY = """
import asyncio, sys
from services.database import Database
from services.database.runs import executing
async def main(url, run):
    async with await Database.open(url) as db, executing(db, run):
        print("carrying", flush=True)
        await asyncio.sleep(60)
asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_run_whose_process_was_killed_can_be_carried_at_once(migrated_url: str) -> None:
    async with await Database.open(migrated_url) as database:
        run = await new_run(database)
        async with process(CARRY, migrated_url, run.id, says="carrying") as carrier:
            with pytest.raises(InputError, match=f"pid {carrier.pid}"):
                async with executing(database, run.id):
                    raise AssertionError("two processes carry one run")
        execution = await _carried_within(database, run, seconds=5)
        assert execution.startswith(f"{run.id}.")
        async with database.transaction() as conn:
            await ledger.verify_chain(conn, run.project)


async def _carried_within(database: Database, run: Run, seconds: float) -> str:
    async with asyncio.timeout(seconds):
        while True:
            try:
                async with executing(database, run.id) as execution:
                    return execution
            except InputError:
                await asyncio.sleep(0.01)


async def test_a_run_is_found_by_its_project_or_the_beginning_of_its_id(database: Database) -> None:
    older, newer = await new_run(database), await new_run(database, text="More.\n")
    async with database.transaction() as conn:
        assert (await find_run(conn, "word-counter")).id == newer.id
        assert (await find_run(conn, older.id[:8])).id == older.id
        assert [run.id for run in await list_runs(conn)] == [newer.id, older.id]
        assert await list_runs(conn, "other") == []
        for unknown in ("", "%", "nothing", "zz", "_" * 12):
            with pytest.raises(InputError, match="no run or project"):
                await find_run(conn, unknown)


async def test_a_beginning_of_many_ids_is_refused(embedded: Database) -> None:
    for n in range(17):
        await new_run(embedded, f"p-{n}")
    async with embedded.transaction() as conn:
        ids = [run.id for run in await list_runs(conn)]
        shared = next(i[0] for i in ids if sum(j[0] == i[0] for j in ids) > 1)
        with pytest.raises(InputError, match="more than one"):
            await find_run(conn, shared)


async def question(db: Database, run: Run, subject: str = "a" * 64, expires: datetime | None = None) -> str:
    async with db.transaction() as conn:
        (shown,) = await store.put_artifacts(conn, [("shown", b"approve this?")])
        execution = await open_execution(conn, run.id)
        return await ask(
            conn,
            project=run.project,
            run=run.id,
            execution=execution,
            gate="release",
            subject_digest=subject,
            shown_digest=shown,
            actor="gate",
            expires_at=expires,
        )


async def test_a_subject_is_asked_once_and_a_changed_one_again(database: Database) -> None:
    run = await new_run(database)
    asked = await asyncio.gather(*(question(database, run) for _ in range(8)))
    assert len(set(asked)) == 1
    assert await question(database, run, "b" * 64) != asked[0]
    async with database.transaction() as conn:
        assert [a.subject[0] for a in await list_approvals(conn, run=run.id, undecided=True)] == ["a", "b"]
        kinds = [e.kind for e in await ledger.events(conn, run=run.id)]
    assert kinds.count("gate_asked") == 2  # type: ignore[comparison-overlap]


async def test_the_first_committed_decision_wins(database: Database) -> None:
    run = await new_run(database)
    asked = await question(database, run)

    async def vote(decision: Decision, who: str) -> bool:
        async with database.transaction() as conn:
            return await decide(conn, asked, decision, who, "because")

    votes = await asyncio.gather(vote("approve", "ann"), vote("reject", "bob"), vote("revise", "eve"))
    assert sorted(votes) == [False, False, True]
    async with database.transaction() as conn:
        found = await decision_for(conn, run.project, "release", "a" * 64)
        decided = [e for e in await ledger.events(conn, run=run.id) if e.kind == "gate_decided"]
        await ledger.verify_chain(conn, run.project)
    assert found is not None
    assert (found.decision, found.who) == [("approve", "ann"), ("reject", "bob"), ("revise", "eve")][
        votes.index(True)
    ]
    assert [(e.actor, e.payload["decision"]) for e in decided] == [(found.who, found.decision)]
    assert await question(database, run) == asked


async def test_an_expired_question_cannot_be_decided_and_is_asked_again(database: Database) -> None:
    run = await new_run(database)
    past = datetime.now(UTC) - timedelta(seconds=1)
    expired = await question(database, run, expires=past)
    async with database.transaction() as conn:
        with pytest.raises(InputError, match="expired"):
            await decide(conn, expired, "approve", "ann")
        assert await list_approvals(conn, undecided=True) == []
    second = await question(database, run)
    async with database.transaction() as conn:
        assert (await get_approval(conn, second)).ask == 2
        assert await decide(conn, second, "approve", "ann")
        with pytest.raises(InputError, match="no approval 'x'"):
            await decide(conn, "x", "approve", "ann")


async def released(
    db: Database, run: Run, version: str, supersedes: str | None, status: str = "promoted"
) -> None:
    async with db.transaction() as conn:
        manifest, files = await store.put_artifacts(conn, [("manifest", b"{}"), ("files", b"[]")])
        for _ in range(2):
            await record_release(
                conn,
                project=run.project,
                run=run.id,
                execution="",
                version=version,
                tree=f"tree-{version}",
                commit="c" * 40,
                manifest=manifest,
                files=files,
                supersedes=supersedes,
                actor="t",
                status=status,  # type: ignore[arg-type]
            )


async def test_the_latest_promoted_release_counts_and_is_recorded_once(database: Database) -> None:
    run = await new_run(database)
    async with database.transaction() as conn:
        assert await get_release(conn, run.project) is None
    await released(database, run, "0.1.0", None)
    await released(database, run, "0.2.0", "0.1.0")
    await released(database, run, "0.3.0", "0.2.0", "kept")
    async with database.transaction() as conn:
        latest = await get_release(conn, run.project)
        assert latest is not None
        assert (latest.version, latest.supersedes) == ("0.2.0", "0.1.0")
        assert await latest_releases(conn) == {run.project: latest}
        assert [r.version for r in await list_releases(conn, run.project)] == ["0.3.0", "0.2.0", "0.1.0"]
        kinds = [e.kind.value for e in await ledger.events(conn, run=run.id)]
    assert kinds.count("released") == 3


async def test_a_later_generation_supersedes_the_accepted_one(database: Database) -> None:
    run = await new_run(database)
    async with database.transaction() as conn:
        one, two = await store.put_artifacts(conn, [("candidate", b"1"), ("candidate", b"2")])
        first = Accepted(project=run.project, key="k", suite=one, candidate=one, evidence=one, run=run.id)
        second = first.model_copy(update={"candidate": two})
        for accepted in (first, first, second):
            await accept(conn, accepted)
            assert await accepted_generations(conn, run.project, ["k", "none"]) == {"k": accepted}
        items = [PlannedItem(id=f"T-{n}", key="k", title="t", body=one, reason="new") for n in range(3)]
        await plan_items(conn, run.project, run.id, items)
        again = [item.model_copy(update={"reason": "requirement FR-3 changed"}) for item in reversed(items)]
        await plan_items(conn, run.project, run.id, again)
        assert await planned_items(conn, run.id) == again
