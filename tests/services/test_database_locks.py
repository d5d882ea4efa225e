"""Session locks that expire: a holder that lives keeps its lock, one that hangs or dies does not."""

import asyncio
import signal
import time

import pytest
from structlog.testing import capture_logs

from services.database import Database, items
from services.database.session_lock import lock_key, session_lock
from tests.services.database_builders import process

pytestmark = pytest.mark.services
KEY = lock_key("test", "work")
HOLDER = """
import asyncio, sys
from services.database import Database
from services.database.session_lock import lock_key, session_lock

async def main() -> None:
    async with await Database.open(sys.argv[1]) as database:
        async with session_lock(database.locks, lock_key("test", "work"), lease_s=float(sys.argv[2])):
            print("held", flush=True)
            await asyncio.sleep(60)

asyncio.run(main())
"""


async def seconds_until_free(database: Database, lease_s: float | None = None) -> float:
    began = time.monotonic()
    async with asyncio.timeout(20), session_lock(database.locks, KEY, lease_s=lease_s) as held:
        assert held
        return time.monotonic() - began


async def free(database: Database) -> bool:
    async with session_lock(database.locks, KEY, wait=False) as held:
        return held


async def test_a_holder_that_hangs_keeps_the_lock_for_its_lease_and_no_longer(
    database: Database, migrated_url: str
) -> None:
    async with process(HOLDER, migrated_url, "1", says="held") as holder:
        await asyncio.sleep(1.5)
        assert not await free(database), "who lives keeps it beyond a lease"
        holder.send_signal(signal.SIGSTOP)
        assert 0.3 < await seconds_until_free(database) < 10


async def test_a_holder_that_is_killed_frees_the_lock_at_once(database: Database, migrated_url: str) -> None:
    async with process(HOLDER, migrated_url, "60", says="held"):
        waiter = asyncio.create_task(seconds_until_free(database))
        await asyncio.sleep(0.3)
        assert not waiter.done()
    assert await waiter < 10


async def test_a_holder_that_comes_back_too_late_is_told_and_goes_on(database: Database) -> None:
    with capture_logs() as logs:
        async with session_lock(database.locks, KEY, lease_s=0.4):
            time.sleep(1)  # noqa: ASYNC251
            await asyncio.sleep(0.3)
            assert await free(database)
    assert [line["log_level"] for line in logs] == ["warning"]
    assert await free(database)


async def test_a_lease_ends_with_its_lock_and_not_with_the_connection_later(database: Database) -> None:
    assert await seconds_until_free(database, lease_s=0.2) < 10
    async with session_lock(database.locks, KEY):
        await asyncio.sleep(0.6)
        async with await Database.open(database.engine.url.render_as_string(hide_password=False)) as other:
            assert not await free(other)


async def test_an_item_is_developed_by_one_worker_of_its_project_at_a_time(database: Database) -> None:
    async with items.developing(database, "sums", "k1") as alone:
        assert alone
        async with items.developing(database, "sums", "k1") as second:
            assert not second
        for project, key in (("sums", "k2"), ("words", "k1")):
            async with items.developing(database, project, key) as apart:
                assert apart
    async with items.developing(database, "sums", "k1") as afterwards:
        assert afterwards
