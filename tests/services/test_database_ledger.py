"""The ledger: chains, refusals, transitions; and the store beside it."""

import asyncio
from decimal import Decimal
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from schemas.base import digest
from schemas.errors import InputError, PhoenixError, TransitionRefused
from schemas.events import GENESIS, EventKind
from schemas.stateflow import TERMINAL, TRANSITIONS, State, allowed
from services.database import Database, ledger, store
from services.database.runs import Run, find_run
from tests.services.database_builders import new_run

pytestmark = pytest.mark.services


async def note(db: Database, run: Run, payload: dict[str, Any]) -> None:
    async with db.transaction() as conn:
        await ledger.append(
            conn,
            project=run.project,
            run=run.id,
            execution="e",
            kind=EventKind.NOTED,
            actor="test",
            payload=payload,
        )


async def move(db: Database, run: Run, outcome: str, target: State) -> None:
    async with db.transaction() as conn:
        await ledger.transition(
            conn, run=run.id, execution="e", outcome=outcome, target=target, actor="test", payload={"n": 1}
        )


async def test_two_hundred_concurrent_appends_make_one_verified_chain(database: Database) -> None:
    first, second = await new_run(database), await new_run(database, "other")
    await asyncio.gather(*(note(database, (first, second)[n % 4 == 0], {"n": n}) for n in range(200)))
    async with database.transaction() as conn:
        assert await ledger.verify_chain(conn, first.project) == 151
        assert await ledger.verify_chain(conn, second.project) == 51
        found = await ledger.events(conn, project=first.project)
    assert [event.sequence for event in found] == list(range(1, 152))
    assert found[0].previous == GENESIS
    assert all(a.hash() == b.previous for a, b in pairwise(found))


async def test_an_event_is_committed_with_its_fact_or_not_at_all(database: Database) -> None:
    run = await new_run(database)
    with pytest.raises(RuntimeError):
        async with database.transaction() as conn:
            await ledger.append(
                conn,
                project=run.project,
                run=run.id,
                execution="",
                kind=EventKind.NOTED,
                actor="test",
                payload={},
            )
            raise RuntimeError
    async with database.transaction() as conn:
        assert await ledger.verify_chain(conn, run.project) == 1


ATTACKS = (
    "UPDATE {} SET {}={} WHERE false",
    "UPDATE {} SET {}={}",
    "DELETE FROM {}",
    "TRUNCATE {} CASCADE",
    "SET LOCAL session_replication_role = replica; DELETE FROM {}",
)


@pytest.mark.parametrize(("table", "column"), [("events", "actor"), ("artifacts", "kind")])
async def test_the_database_refuses_its_owner_to_change_what_was_written(
    migrated_url: str, table: str, column: str
) -> None:
    async with await Database.open(migrated_url) as database:
        run = await new_run(database)
        async with database.transaction() as conn:
            await store.put_artifacts(conn, [("note", b"body")])
        for attack in ATTACKS:
            with psycopg.connect(migrated_url) as conn, pytest.raises(psycopg.Error, match="append-only"):
                conn.execute(attack.format(table, column, column).encode())
        async with database.transaction() as conn:
            assert await ledger.verify_chain(conn, run.project) == 1


TAMPERED = {
    "UPDATE events SET actor = 'eve' WHERE sequence = 3": 3,
    "UPDATE events SET payload = '{\"n\": 7}' WHERE sequence = 2": 2,
    "UPDATE events SET at = '2020-01-01T00:00:00.000000+00:00' WHERE sequence = 4": 4,
    "DELETE FROM events WHERE sequence = 3": 3,
    "DELETE FROM events WHERE sequence = 6": 6,
    "UPDATE events SET sequence = 9 WHERE sequence = 6": 6,
}


async def test_a_tampered_chain_is_found_where_it_breaks(database: Database) -> None:
    run = await new_run(database)
    for n in range(5):
        await note(database, run, {"n": n})
    for tamper, sequence in TAMPERED.items():
        async with database.engine.connect() as conn:
            assert await ledger.verify_chain(conn, run.project) == 6
            await conn.execute(text("ALTER TABLE events DISABLE TRIGGER events_append_only"))
            await conn.exec_driver_sql(tamper)
            with pytest.raises(PhoenixError, match=rf"broken at event {sequence}:"):
                await ledger.verify_chain(conn, run.project)
            await conn.rollback()


async def test_two_projects_and_their_chains_are_independent(embedded: Database) -> None:
    await new_run(embedded, "one")
    await new_run(embedded, "two")
    async with embedded.transaction() as conn:
        assert [e.sequence for e in await ledger.events(conn)] == [1, 1]
        with pytest.raises(InputError, match="no project 'three'"):
            await ledger.append(
                conn, project="three", run="", execution="", kind=EventKind.NOTED, actor="t", payload={}
            )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(payload=st.dictionaries(st.text(), JSON, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_payload_keeps_its_hash_through_the_database(
    embedded_migrated_url: str, payload: dict[str, Any]
) -> None:
    async def round_trip() -> None:
        async with await Database.open(embedded_migrated_url) as database:
            run = await new_run(database)
            await note(database, run, payload)
            async with database.transaction() as conn:
                await ledger.verify_chain(conn, run.project)

    asyncio.run(round_trip())


async def test_decimals_nested_values_and_odd_characters_are_kept(database: Database) -> None:
    run = await new_run(database)
    await note(
        database, run, {"usd": Decimal("0.10"), "b": [{"a": 10**30, "é\x00": "\ud800 ✓"}], "s": State.TRIAGE}
    )
    async with database.transaction() as conn:
        event = (await ledger.events(conn, run=run.id))[-1]
        await ledger.verify_chain(conn, run.project)
    assert event.payload == {"usd": "0.10", "b": [{"a": 10**30, "é\ufffd": "? ✓"}], "s": "TRIAGE"}
    with pytest.raises(TypeError, match="float"):
        await note(database, run, {"seconds": 0.5})


async def test_a_transition_moves_the_run_and_announces_it(database: Database) -> None:
    run = await new_run(database)
    await move(database, run, "ready", State.TRIAGE)
    await move(database, run, "cancel", State.CANCELLED)
    async with database.transaction() as conn:
        found = await find_run(conn, run.id)
        steps = [(e.kind, e.from_state, e.to_state, e.payload) for e in await ledger.events(conn, run=run.id)]
    assert (found.state, found.ended_at is not None) == (State.CANCELLED, True)
    assert steps[1] == ("entered", State.INITIALIZING, State.TRIAGE, {"n": 1, "outcome": "ready"})
    assert steps[2][2] is State.CANCELLED


async def test_the_table_decides_every_transition(embedded: Database) -> None:
    run = await new_run(embedded)
    outcomes = sorted({step.outcome for step in TRANSITIONS})
    for origin in (State.TRIAGE, State.HALTED, *sorted(TERMINAL)):
        for target in (State.INITIALIZING, State.COMPLETED, State.DECOMPOSITION, State.HALTED):
            for outcome in outcomes:
                accepted = await _tried(embedded, run, origin, outcome, target)
                assert accepted == allowed(origin, outcome, target), (origin, outcome, target)


async def _tried(db: Database, run: Run, origin: State, outcome: str, target: State) -> bool:
    async with db.engine.connect() as conn:
        await conn.execute(text("UPDATE runs SET state = :state"), {"state": origin})
        try:
            await ledger.transition(
                conn, run=run.id, execution="", outcome=outcome, target=target, actor="t", payload={}
            )
        except TransitionRefused as refused:
            assert "\n" not in str(refused)
            return False
        finally:
            await conn.rollback()
    return True


async def test_of_two_transitions_at_once_the_second_sees_the_first(database: Database) -> None:
    run = await new_run(database)
    both = (move(database, run, "ready", State.TRIAGE) for _ in range(2))
    ends = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["NoneType", "TransitionRefused"]


async def test_artifacts_are_named_by_their_content_and_written_once(database: Database) -> None:
    bodies = [("code", b"a\x00\xff"), ("note", b""), ("copy", b"a\x00\xff")]
    async with database.transaction() as conn:
        first = await store.put_artifacts(conn, bodies)
        assert await store.put_artifacts(conn, iter(bodies)) == first
        assert await store.put_artifacts(conn, []) == []
        assert [await store.get_artifact(conn, name) for name in first] == [body for _, body in bodies]
        with pytest.raises(InputError, match="not in this database"):
            await store.get_artifact(conn, digest("nothing"))


async def test_twenty_writers_of_the_same_artifacts_do_not_block_each_other(database: Database) -> None:
    async def write(turn: int) -> None:
        bodies = [("n", str(n).encode()) for n in range(40)]
        async with database.transaction() as conn:
            await store.put_artifacts(conn, bodies[turn:] + bodies[:turn])

    await asyncio.gather(*(write(turn) for turn in range(20)))


async def test_the_first_result_of_a_key_stays(database: Database) -> None:
    run = await new_run(database)
    async with database.transaction() as conn:
        one, two = await store.put_artifacts(conn, [("a", b"1"), ("a", b"2")])
        for outcome, answer in (("red", one), ("green", two)):
            await store.put_result(
                conn, "key", stage="S", outcome=outcome, answer_digest=answer, run=run.id, item="T-1"
            )
        found = await store.get_result(conn, "key")
        assert await store.get_result(conn, "other") is None
    assert found == store.StageResult(key="key", stage="S", outcome="red", answer=one, run=run.id, item="T-1")


async def test_a_result_without_its_answer_is_refused(embedded: Database) -> None:
    run = await new_run(embedded)
    with pytest.raises(DBAPIError, match="results_answer_fkey"):
        async with embedded.transaction() as conn:
            await store.put_result(
                conn, "k", stage="S", outcome="o", answer_digest="none", run=run.id, item=None
            )
