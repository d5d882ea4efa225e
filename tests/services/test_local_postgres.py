import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from schemas.errors import ConfigurationError
from services.local.postgres import embedded_postgres
from tests.services.local_user import user

pytestmark = pytest.mark.services


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="phoenix-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def pid(home: Path) -> int:
    return int((home / "postgres/data/postmaster.pid").read_text().splitlines()[0])


async def ask(url: str, question: str) -> object:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        row = await (await connection.execute(question.encode())).fetchone()
        return row and row[0]


async def test_what_was_written_is_there_at_the_second_start(home: Path) -> None:
    async with embedded_postgres(home) as url, await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("CREATE TABLE t AS SELECT 7 AS n")
    assert not (home / "postgres/data/postmaster.pid").exists()
    async with embedded_postgres(home) as url:
        assert await ask(url, "SELECT n FROM t") == 7
        assert await ask(url, "SELECT lower('ÄÖ')") == "äö"


async def test_users_at_the_same_time_share_one_server_and_the_last_one_stops_it(home: Path) -> None:
    async with user("postgres", home) as first, user("postgres", home) as second:
        async with embedded_postgres(home) as url:
            assert [first.says(), second.says()] == [url, url]
            ours = pid(home)
        assert await ask(url, "SELECT 1") == 1
        assert pid(home) == ours
        assert os.getsid(ours) != os.getsid(0)
    assert not (home / "postgres/data/postmaster.pid").exists()


async def test_the_server_of_a_killed_user_is_used_again(home: Path) -> None:
    async with user("postgres", home) as killed:
        killed.says()
        orphan = pid(home)
        killed.process.kill()
    async with embedded_postgres(home) as url:
        assert pid(home) == orphan
        assert await ask(url, "SELECT 1") == 1


async def test_a_killed_server_is_started_again(home: Path) -> None:
    async with embedded_postgres(home):
        os.kill(pid(home), signal.SIGKILL)
    async with embedded_postgres(home) as url:
        os.kill(pid(home), signal.SIGKILL)
        await asyncio.sleep(0.1)
        async with embedded_postgres(home) as again:
            assert await ask(again, "SELECT 1") == 1
        assert await ask(url, "SELECT 1") == 1


async def test_a_pid_file_that_names_another_process_is_not_believed(home: Path) -> None:
    async with embedded_postgres(home):
        pass
    file = home / "postgres/data/postmaster.pid"
    file.write_text(f"{os.getppid()}\n{home}/postgres/data\n1\n5432\n{home}/postgres/data\n\n1 1\nready\n")
    async with embedded_postgres(home) as url:
        assert await ask(url, "SELECT 1") == 1


async def test_data_that_was_half_created_is_created_anew(home: Path) -> None:
    half = home / "postgres/data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    async with embedded_postgres(home) as url:
        assert await ask(url, "SELECT 1") == 1


async def test_a_path_too_long_for_a_socket_works(home: Path) -> None:
    async with embedded_postgres(home / ("long " * 25).strip()) as url:
        assert await ask(url, "SELECT 1") == 1
    left = [p for p in Path(tempfile.gettempdir()).glob("phoenix-pg-*") if str(p) in url]
    assert left == []


async def test_a_home_that_cannot_be_written_is_one_line_that_says_what_to_do(home: Path) -> None:
    (home / "file").touch()
    with pytest.raises(ConfigurationError, match="Set PHOENIX_HOME to a folder") as refused:
        async with embedded_postgres(home / "file"):
            pass
    assert "\n" not in str(refused.value)
