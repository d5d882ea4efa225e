"""The ledger of model calls, and budgets."""

import asyncio
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from schemas.budget import Budget, BudgetState
from schemas.calls import Reply, Request
from schemas.errors import BudgetExceeded, PhoenixError, Unreachable
from services.database import Database, calls
from services.database.budgets import budget_states, open_budgets, raise_cap
from services.database.calls import Claim, ModelCall
from services.database.runs import Run
from services.database.usage import run_calls_for_recording, run_usage
from tests.services.database_builders import GOOD, new_run, process, request

pytestmark = pytest.mark.services

DAY = Budget(scope="day", key="2026-01-05")
ESTIMATE = Decimal("0.20")


async def tell(db: Database, run: Run, question: Request) -> int:
    async with db.transaction() as conn:
        return await calls.tell(conn, run.id, question)


async def call(
    db: Database,
    run: Run,
    question: Request,
    *,
    cost: Decimal | None = Decimal("0.05"),
    reply: Reply = GOOD,
    budgets: tuple[Budget, ...] = (DAY,),
    sent: list[str] | None = None,
) -> ModelCall:
    """What services/models does, with a provider that answers at once."""
    await tell(db, run, question)
    async with db.transaction() as conn:
        if found := await calls.hot(conn, question.digest()):
            return found
    async with calls.claim(db, question, run=run.id, estimate=ESTIMATE, budgets=budgets) as claimed:
        if isinstance(claimed, ModelCall):
            return claimed
        if sent is not None:
            sent.append(question.digest())
            await asyncio.sleep(0.02)
        async with db.transaction() as conn:
            return await calls.settle(conn, claimed, reply, cost)


def cap(amount: str, budget: Budget = DAY) -> Budget:
    """The budget with a cap, and with what a person is told to type."""
    return budget.model_copy(update={"cap": Decimal(amount), "lever": "type --budget {usd}"})


async def state_of(db: Database, budget: Budget = DAY) -> BudgetState:
    async with db.transaction() as conn:
        [state] = await budget_states(conn, [budget])
    return state


async def books(db: Database, budget: Budget = DAY) -> tuple[Decimal, Decimal]:
    """What is reserved and spent, after checking that reservations add up to what is reserved."""
    state = await state_of(db, budget)
    async with db.transaction() as conn:
        query = text("SELECT coalesce(sum(amount), 0) FROM reservations WHERE scope = :scope AND key = :key")
        held = (await conn.execute(query, {"scope": state.scope, "key": state.key})).scalar_one()
    assert state.reserved == held
    return state.reserved, state.spent


async def test_an_answer_is_recorded_as_it_was_and_found_again(database: Database) -> None:
    run = await new_run(database)
    made = await call(database, run, request())
    assert (made.reply, made.cost, made.overrun, made.attempts) == (GOOD, Decimal("0.05"), False, 1)
    async with database.transaction() as conn:
        assert await calls.hot(conn, request().digest()) == made
        assert await calls.hot(conn, request("else").digest()) is None
    assert await books(database) == (0, Decimal("0.05"))


async def test_sixteen_claims_of_one_digest_at_once_call_once(database: Database) -> None:
    run, sent = await new_run(database), list[str]()
    made = await asyncio.gather(*(call(database, run, request(), sent=sent) for _ in range(16)))
    assert (len(sent), len(set(m.attempts for m in made))) == (1, 1)
    assert await books(database) == (0, Decimal("0.05"))


async def test_a_budget_is_never_exceeded_by_sixteen_claims_at_once(database: Database) -> None:
    run, sent, day = await new_run(database), list[str](), (cap("0.70"),)
    ends = await asyncio.gather(
        *(call(database, run, request(f"q{n}"), cost=ESTIMATE, sent=sent, budgets=day) for n in range(16)),
        return_exceptions=True,
    )
    assert len(sent) == 3
    refused = [end for end in ends if isinstance(end, BudgetExceeded)]
    assert len(refused) == 13
    assert "budget day 2026-01-05: the cap is 0.70 USD" in str(refused[0])
    assert "needs up to 0.20 USD" in str(refused[0])
    assert await books(database) == (0, Decimal("0.60"))


async def test_several_budgets_are_reserved_all_or_none(database: Database) -> None:
    own = cap("1", Budget(scope="run", key="r"))
    run = await new_run(database)
    with pytest.raises(BudgetExceeded, match=r"budget day .* cap is 0\.10 USD, spent 0\.00 USD"):
        await call(database, run, request(), budgets=(own, cap("0.1")))
    assert await books(database, own) == await books(database) == (0, 0)
    async with database.transaction() as conn:
        assert await calls.find_call(conn, request().digest()) is None
    await call(database, run, request(), budgets=(cap("0.2"), own))
    assert await books(database, own) == await books(database) == (0, Decimal("0.05"))


async def test_who_is_told_a_cap_is_held_to_it_whatever_others_were_told(database: Database) -> None:
    run = await new_run(database)
    await call(database, run, request("a"), cost=ESTIMATE, budgets=(cap("0.30"),))
    with pytest.raises(BudgetExceeded, match=r"cap is 0\.30 USD, spent 0\.20 USD.*type --budget 0\.40\.$"):
        await call(database, run, request("b"), budgets=(cap("0.30"),))
    for number, more in enumerate((DAY, cap("0.90"))):
        await call(database, run, request(f"other {number}"), budgets=(more,))
    with pytest.raises(BudgetExceeded, match=r"cap is 0\.30 USD, spent 0\.30 USD"):
        await call(database, run, request("b"), budgets=(cap("0.30"),))


async def test_a_raised_cap_holds_for_who_is_told_the_one_it_was_raised_from(database: Database) -> None:
    run = await new_run(database)
    await call(database, run, request("a"), cost=ESTIMATE)
    async with database.transaction() as conn:
        for amount in ("0.45", "0.40"):
            await raise_cap(conn, "day", DAY.key, Decimal("0.30"), Decimal(amount))
    with pytest.raises(BudgetExceeded):
        await call(database, run, request("b"), budgets=(cap("0.31"),))
    await call(database, run, request("b"), cost=ESTIMATE, budgets=(cap("0.30"),))
    async with database.transaction() as conn:
        await open_budgets(conn, [cap("0.30")])
        [state] = await budget_states(conn, [cap("0.30")])
        [other] = await budget_states(conn, [cap("0.31")])
    assert (state.cap, other.cap) == (Decimal("0.45"), Decimal("0.31"))


async def test_a_cap_of_zero_refuses_what_costs_and_takes_what_is_free(database: Database) -> None:
    run, none = await new_run(database), cap("0")
    with pytest.raises(BudgetExceeded, match=r"cap is 0\.00 USD"):
        await call(database, run, request(), budgets=(none,))
    await tell(database, run, request())
    async with calls.claim(database, request(), run=run.id, estimate=Decimal(0), budgets=[none]) as claimed:
        assert isinstance(claimed, Claim)
        async with database.statements() as conn:
            await calls.settle(conn, claimed, GOOD, Decimal(0))


async def test_a_call_waits_for_those_in_flight_before_it_is_refused(database: Database) -> None:
    run, day, seen = await new_run(database), cap("0.25"), list[str]()
    await tell(database, run, request("first"))

    async def second() -> None:
        await call(database, run, request("second"), budgets=(day,))
        seen.append("second")

    async with calls.claim(database, request("first"), run=run.id, estimate=ESTIMATE, budgets=[day]) as held:
        assert isinstance(held, Claim)
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.4)
        seen.append("first")
        async with database.statements() as conn:
            await calls.settle(conn, held, GOOD, Decimal("0.01"))
    await waiting
    assert seen == ["first", "second"]
    assert await books(database) == (0, Decimal("0.06"))


async def test_a_call_that_waits_for_a_dead_process_charges_its_orphan(migrated_url: str) -> None:
    async with await Database.open(migrated_url) as database:
        run = await new_run(database)
        async with process(CLAIM, migrated_url, run.id, says="in flight"):
            assert await books(database) == (ESTIMATE, 0)
        with pytest.raises(BudgetExceeded, match=r"spent 0\.20 USD, reserved 0\.00 USD"):
            await call(database, run, request("another"), budgets=(cap("0.39"),))
        assert await books(database) == (0, ESTIMATE)


async def test_the_day_is_that_of_the_databases_clock_in_utc(migrated_url: str) -> None:
    today, day = "to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')", Budget(scope="day")
    async with await Database.open(migrated_url) as database, database.transaction() as conn:
        await conn.execute(text("SELECT set_config('TimeZone', 'Pacific/Kiritimati', false)"))
        await open_budgets(conn, [day])
        keys = (await conn.execute(text(f"SELECT key, {today} FROM budgets"))).all()
        assert [tuple(row) for row in keys] == [(keys[0].key, keys[0].key)]
        await conn.execute(text("SELECT set_config('TimeZone', 'Pacific/Niue', false)"))
        await open_budgets(conn, [day])
        assert (await conn.execute(text("SELECT count(*) FROM budgets"))).scalar_one() == 1


async def test_what_was_reserved_on_a_day_is_spent_on_that_day(database: Database) -> None:
    run, today = await new_run(database), Budget(scope="day")
    await tell(database, run, request())
    async with calls.claim(database, request(), run=run.id, estimate=ESTIMATE, budgets=[today]) as claimed:
        assert isinstance(claimed, Claim)
        # Midnight passes: what was today is yesterday.
        async with database.transaction() as conn:
            await conn.execute(text("INSERT INTO budgets (scope, key) VALUES ('day', '2026-01-05')"))
            await conn.execute(text("UPDATE reservations SET key = '2026-01-05'"))
            await conn.execute(
                text("UPDATE budgets b SET reserved = t.reserved FROM budgets t WHERE b.key = '2026-01-05'"
                     " AND t.key <> b.key")
            )  # fmt: skip
            await conn.execute(text("UPDATE budgets SET reserved = 0 WHERE key <> '2026-01-05'"))
        async with database.statements() as conn:
            await calls.settle(conn, claimed, GOOD, Decimal("0.05"))
    assert await books(database) == (0, Decimal("0.05"))
    assert await books(database, today) == (0, 0)


async def test_opposite_orders_of_budgets_do_not_deadlock(database: Database) -> None:
    run = await new_run(database)
    pair = (DAY, Budget(scope="run", key=run.id))
    await asyncio.gather(
        *(call(database, run, request(f"q{n}"), budgets=pair[:: 1 - 2 * (n % 2)]) for n in range(24))
    )
    assert await books(database) == await books(database, pair[1]) == (0, Decimal("1.20"))


async def test_a_price_above_the_estimate_is_charged_at_the_estimate_and_flagged(database: Database) -> None:
    run = await new_run(database)
    made = await call(database, run, request(), cost=Decimal(9), budgets=(cap("0.20"),))
    assert (made.cost, made.overrun) == (ESTIMATE, True)
    assert await books(database) == (0, ESTIMATE)


async def test_an_answer_without_a_price_is_charged_at_the_estimate(database: Database) -> None:
    run = await new_run(database)
    made = await call(database, run, request(), cost=None, reply=Reply(text="", finish="length", usage=None))
    assert (made.cost, made.reply) == (ESTIMATE, Reply(text="", finish="length", usage=None))


async def test_a_failed_call_is_made_again_and_what_it_cost_is_kept(database: Database) -> None:
    run = await new_run(database)
    await tell(database, run, request())
    for charge in (Decimal(0), ESTIMATE):
        async with calls.claim(database, request(), run=run.id, estimate=ESTIMATE, budgets=[DAY]) as claimed:
            assert isinstance(claimed, Claim)
            assert await books(database) == (ESTIMATE, 0)
            async with database.transaction() as conn:
                await calls.fail(conn, claimed, "500", charge=charge)
    made = await call(database, run, request())
    assert (made.attempts, made.wasted, made.error) == (3, ESTIMATE, None)
    assert await books(database) == (0, Decimal("0.25"))


async def test_a_call_that_is_cancelled_in_flight_is_charged_at_the_estimate(database: Database) -> None:
    run = await new_run(database)
    await tell(database, run, request())

    async def hang() -> None:
        async with calls.claim(database, request(), run=run.id, estimate=ESTIMATE, budgets=[DAY]):
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await hang()
    assert await books(database) == (0, ESTIMATE)
    assert (await call(database, run, request())).wasted == ESTIMATE


async def test_whenever_a_call_is_cancelled_nothing_stays_reserved(database: Database) -> None:
    run = await new_run(database)
    for number in range(40):
        task = asyncio.create_task(call(database, run, request(f"q{number}"), sent=[]))
        await asyncio.sleep(number / 1000)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert (await books(database))[0] == 0
    assert await calls.settle_orphans(database) == 0


async def test_a_claim_that_waits_is_cancelled_without_a_trace(database: Database) -> None:
    run = await new_run(database)
    await tell(database, run, request())
    async with calls.claim(database, request(), run=run.id, estimate=ESTIMATE, budgets=[DAY]) as claimed:
        assert isinstance(claimed, Claim)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await call(database, run, request())
        async with database.transaction() as conn:
            await calls.settle(conn, claimed, GOOD, Decimal("0.01"))
    assert (await call(database, run, request())).attempts == 1
    assert await books(database) == (0, Decimal("0.01"))


async def test_a_cut_connection_lets_another_take_over_and_the_first_learns_of_it(database: Database) -> None:
    run = await new_run(database)
    await tell(database, run, request())
    with pytest.raises(Unreachable, match="took it over"):
        async with calls.claim(database, request(), run=run.id, estimate=ESTIMATE, budgets=[DAY]) as claimed:
            assert isinstance(claimed, Claim)
            async with database.transaction() as conn:
                await conn.execute(
                    text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
                )
            assert (await call(database, run, request())).attempts == 2
            async with database.transaction() as conn:
                await calls.settle(conn, claimed, GOOD, Decimal("0.05"))
    assert await books(database) == (0, Decimal("0.25"))


CLAIM = """
import asyncio, sys
from decimal import Decimal
from services.database import Database, calls
from schemas.budget import Budget
from tests.services.database_builders import request
async def main(url, run):
    async with await Database.open(url) as db:
        async with db.transaction() as conn:
            await calls.tell(conn, run, request())
        day = [Budget(scope="day", key="2026-01-05")]
        async with calls.claim(db, request(), run=run, estimate=Decimal("0.20"), budgets=day):
            print("in flight", flush=True)
            await asyncio.sleep(60)
asyncio.run(main(*sys.argv[1:]))
"""


async def test_who_waits_for_a_call_of_a_killed_process_charges_it_and_makes_it(migrated_url: str) -> None:
    async with await Database.open(migrated_url) as database:
        run = await new_run(database)
        async with process(CLAIM, migrated_url, run.id, says="in flight"):
            assert await books(database) == (ESTIMATE, 0)
            waiter = asyncio.create_task(call(database, run, request()))
            await asyncio.sleep(0.1)
        made = await waiter
        assert (made.attempts, made.wasted, made.cost) == (2, ESTIMATE, Decimal("0.05"))
        assert await books(database) == (0, Decimal("0.25"))
        async with database.transaction() as conn:
            assert (await run_usage(conn, run.id)).cost_usd == Decimal("0.25")


async def test_only_calls_of_dead_processes_are_orphans(embedded_migrated_url: str) -> None:
    async with await Database.open(embedded_migrated_url) as database:
        run = await new_run(database)
        async with process(CLAIM, embedded_migrated_url, run.id, says="in flight"):
            assert await calls.settle_orphans(database) == 0
        assert await _orphans_within(database, seconds=5) == 1
        assert await books(database) == (0, ESTIMATE)


async def _orphans_within(database: Database, seconds: float) -> int:
    async with asyncio.timeout(seconds):
        while True:
            if charged := await calls.settle_orphans(database):
                return charged
            await asyncio.sleep(0.01)


async def test_attempts_count_per_agent_and_subject_and_stay_when_told_again(database: Database) -> None:
    run = await new_run(database)
    asked = [
        request("a"),
        request("b"),
        request("a", subject="T-1"),
        request("c"),
        request("a", agent="judge"),
    ]
    for _ in range(2):
        assert [await tell(database, run, question) for question in asked] == [1, 2, 1, 3, 1]
    other = await new_run(database, "other")
    assert await tell(database, other, request("c")) == 1
    many = await asyncio.gather(*(tell(database, other, request(f"m{n}")) for n in range(10)))
    assert sorted(many) == list(range(2, 12))


async def test_an_untold_call_cannot_be_claimed(embedded: Database) -> None:
    run = await new_run(embedded)
    with pytest.raises(PhoenixError, match="before run"):
        async with calls.claim(embedded, request(), run=run.id, estimate=ESTIMATE, budgets=[DAY]):
            raise AssertionError("an untold call was claimed")


async def test_usage_tells_calls_from_replays_and_a_retold_story_changes_nothing(database: Database) -> None:
    first, second = await new_run(database), await new_run(database, "other")
    for _ in range(2):
        await call(database, first, request("a"))
        await call(
            database, first, request("b"), cost=None, reply=Reply(text="", finish="refused", usage=None)
        )
        await call(database, second, request("a"))
    async with database.transaction() as conn:
        one, two = await run_usage(conn, first.id), await run_usage(conn, second.id)
        none = await run_usage(conn, "none")
    assert one.model_dump() == {
        "calls": 2,
        "replayed": 0,
        "input_tokens": 7,
        "output_tokens": 2,
        "uncounted": 1,
        "cost_usd": Decimal("0.25"),
    }
    assert (two.calls, two.replayed, two.input_tokens, two.cost_usd) == (0, 1, 0, 0)
    assert (none.calls, none.cost_usd) == (0, 0)


async def test_a_recording_holds_what_a_run_used_from_calls_and_ledger_alike(database: Database) -> None:
    first, second = await new_run(database), await new_run(database, "other")
    await call(database, first, request("a"))
    await tell(database, second, request("unanswered"))
    for question in (request("z"), request("a"), request("q", agent="analyst")):
        await call(database, second, question)
    async with database.transaction() as conn:
        recorded = await run_calls_for_recording(conn, second.id)
    assert [(r.agent, r.attempt) for r in recorded] == [("analyst", 1), ("coder", 1), ("coder", 2)]
    assert {(r.answer, r.finish, r.usage) for r in recorded} == {(GOOD.text, GOOD.finish, GOOD.usage)}
    assert recorded[2].inputs == request("a").inputs


STEPS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["settle", "over", "unpriced", "fail", "free", "raise"]))
)


@given(steps=STEPS, limit=st.integers(0, 8))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_the_books_balance_and_the_cap_holds(
    embedded_migrated_url: str, steps: list[tuple[int, str]], limit: int
) -> None:
    asyncio.run(_story(embedded_migrated_url, steps, Decimal(limit) / 10))


async def _story(url: str, steps: list[tuple[int, str]], limit: Decimal) -> None:
    async with await Database.open(url) as db:
        async with db.transaction() as conn:
            await conn.execute(text("TRUNCATE reservations, model_calls, run_calls, budgets"))
        run, day = await new_run(db), cap(str(limit))
        for number, fate in steps:
            with suppress(BudgetExceeded, ZeroDivisionError):
                await _step(db, run, request(f"q{number}"), fate, day)
            reserved, spent = await books(db)
            assert reserved == 0
            assert spent <= limit
        async with db.transaction() as conn:
            assert (await run_usage(conn, run.id)).cost_usd == (await books(db))[1]


async def _step(db: Database, run: Run, question: Request, fate: str, day: Budget) -> None:
    await tell(db, run, question)
    async with calls.claim(db, question, run=run.id, estimate=ESTIMATE, budgets=[day]) as claimed:
        if isinstance(claimed, ModelCall):
            return
        async with db.transaction() as conn:
            if fate in ("fail", "free"):
                await calls.fail(conn, claimed, "500", charge=Decimal(0) if fate == "free" else ESTIMATE)
            elif fate == "raise":
                raise ZeroDivisionError
            else:
                costs = {"settle": Decimal("0.0512345"), "over": Decimal(3), "unpriced": None}
                await calls.settle(conn, claimed, GOOD, costs[fate])
