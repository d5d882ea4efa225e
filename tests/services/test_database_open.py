"""Opening and migrating a database."""

import asyncio
from decimal import Decimal

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from schemas.errors import ConfigurationError, Unreachable
from services.database import Database, calls, migrate
from services.database.tables import Table
from tests.services.database_builders import GOOD, new_run, request

pytestmark = pytest.mark.services


async def test_migrations_go_up_down_and_up_again(database_url: str) -> None:
    assert await migrate.current(database_url) == (None, "0004")
    assert await migrate.upgrade(database_url) == ("0004", "0004")
    assert await migrate.upgrade(database_url) == ("0004", "0004")
    assert await migrate.downgrade(database_url, "base") == (None, "0004")
    with psycopg.connect(database_url) as conn:
        left = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert left == [("alembic_version",)]
    assert (await migrate.upgrade(database_url)).database == "0004"


async def test_projects_and_days_are_charged_with_what_was_spent_before_they_had_budgets(
    database_url: str,
) -> None:
    spent = "SELECT scope, key, spent FROM budgets WHERE scope <> 'run' ORDER BY scope, key"
    async with await Database.open(database_url) as database:
        for slug, cost in (("one", "0.05"), ("one", "0.07"), ("two", "0.01")):
            run = await new_run(database, slug, f"Wish {cost}.\n")
            question = request(cost)
            async with database.transaction() as conn:
                await calls.tell(conn, run.id, question)
            claim = calls.claim(database, question, run=run.id, estimate=Decimal(1), budgets=())
            async with claim as claimed, database.statements() as conn:
                assert isinstance(claimed, calls.Claim)
                await calls.settle(conn, claimed, GOOD, Decimal(cost))
    await migrate.downgrade(database_url, "0003")
    with psycopg.connect(database_url) as conn:
        assert conn.execute(spent).fetchall() == []
    await migrate.upgrade(database_url)
    with psycopg.connect(database_url) as conn:
        [day, one, two] = conn.execute(spent).fetchall()
    assert (day[0], day[2]) == ("day", Decimal("0.13"))
    assert (one, two) == (("project", "one", Decimal("0.12")), ("project", "two", Decimal("0.01")))


async def test_calls_of_before_0003_get_the_tier_and_model_that_are_known_and_lose_them_again(
    database_url: str,
) -> None:
    await migrate.upgrade(database_url)
    await migrate.downgrade(database_url, "0002")
    with psycopg.connect(database_url) as conn:
        conn.execute("INSERT INTO projects (slug, title, head) VALUES ('p', 'P', 'h')")
        conn.execute("INSERT INTO briefs (project, digest, brief) VALUES ('p', 'b', '{}')")
        conn.execute(
            "INSERT INTO runs (id, project, brief, policy, policy_body, state) "
            "VALUES ('r', 'p', 'b', 'x', '{}', 'TRIAGE')"
        )
        conn.execute(
            "INSERT INTO model_calls (digest, state, agent, subject, tier, model, request, estimate, owner, "
            "run, attempts) VALUES ('paid', 'failed', 'triage', 'run', 'fast', 'openai:m', '', 0, '', 'r', 1)"
        )
        for number, named in enumerate(("paid", "refused"), 1):
            conn.execute(
                "INSERT INTO run_calls (run, request, agent, subject, attempt, inputs) "
                "VALUES ('r', %s, 'triage', 'run', %s, '')",
                (named, number),
            )
    await migrate.upgrade(database_url)
    with psycopg.connect(database_url) as conn:
        told = conn.execute("SELECT tier, model, reason FROM run_calls ORDER BY attempt").fetchall()
    assert told == [("fast", "openai:m", None), (None, None, None)]
    assert (await migrate.downgrade(database_url, "0001")).database == "0001"
    assert (await migrate.upgrade(database_url)).database == "0004"


async def test_the_migrations_make_exactly_the_declared_tables(database: Database) -> None:
    def difference(conn: object) -> list[object]:
        options = {"compare_server_default": True}
        return compare_metadata(MigrationContext.configure(conn, opts=options), Table.metadata)  # type: ignore[arg-type]

    async with database.engine.connect() as conn:
        assert await conn.run_sync(difference) == []


async def test_eight_callers_may_open_a_new_database_at_once(database_url: str) -> None:
    opened = await asyncio.gather(*(Database.open(database_url) for _ in range(8)))
    for database in opened:
        await database.close()


async def test_every_spelling_of_a_postgresql_url_opens(embedded_url: str) -> None:
    rest = embedded_url.removeprefix("postgresql://")
    name, socket = rest.removeprefix("postgres@/").split("?host=")
    hosted = f"postgres@{socket.replace('/', '%2F')}/{name}"
    for url in (f"postgres://{rest}", f"postgresql+psycopg://{rest}", f"postgresql://{hosted}"):
        async with await Database.open(url) as database, database.transaction() as conn:
            assert (await conn.execute(text("SELECT 1"))).scalar_one() == 1


async def test_nothing_listening_is_unreachable_in_one_line_without_the_password() -> None:
    with pytest.raises(Unreachable) as caught:
        await Database.open("postgresql://me:s3cret@127.0.0.1:9/phoenix")
    message = str(caught.value)
    assert "127.0.0.1:9/phoenix" in message
    assert message.endswith("type 'phoenix doctor' to check every part")
    assert "s3cret" not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "url", ["mysql://u:s3cret@h/d", "sqlite:///x.db", "postgresql+asyncpg://u:s3cret@h/d", "s3cret", ""]
)
async def test_a_url_of_another_dialect_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as caught:
        await Database.open(url)
    assert "s3cret" not in str(caught.value)


async def test_an_unknown_option_in_the_url_is_a_configuration_error(embedded_url: str) -> None:
    with pytest.raises(ConfigurationError, match="Correct DATABASE_URL"):
        await Database.open(f"{embedded_url}&sslmood=off")


async def test_a_missing_database_is_named(embedded_url: str) -> None:
    with pytest.raises(Unreachable, match="does not exist"):
        await Database.open(embedded_url.replace("/t", "/missing", 1))


async def test_a_database_newer_than_this_code_is_refused(database_url: str) -> None:
    await migrate.upgrade(database_url)
    with psycopg.connect(database_url) as conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match=r"'9999'.*newer"):
        await Database.open(database_url)


async def test_an_old_server_is_refused(embedded_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "OLDEST_SERVER", 99)
    with pytest.raises(ConfigurationError, match="needs 99 or newer"):
        await Database.open(embedded_url)


async def test_an_unknown_revision_to_go_back_to_is_refused(embedded_url: str) -> None:
    await migrate.upgrade(embedded_url)
    with pytest.raises(ConfigurationError, match="'7777'"):
        await migrate.downgrade(embedded_url, "7777")


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as conn:
            await conn.execute(text("INSERT INTO artifacts (digest, kind, body) VALUES ('d', 'k', '')"))
            raise RuntimeError
    async with database.transaction() as conn:
        assert (await conn.execute(text("SELECT count(*) FROM artifacts"))).scalar_one() == 0
