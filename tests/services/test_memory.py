"""Remembering and recalling on a real PostgreSQL and a real Chroma."""

import asyncio
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import structlog

from schemas.errors import ConfigurationError, InputError, Unreachable
from schemas.memory import Hint
from services import secrets
from services.database import Database
from services.memory import Memory
from services.memory.chroma import IndexLost, patiently
from tests.services.database_builders import process
from tests.services.memories import TEXTS, entries, entry, remember, settings

pytestmark = pytest.mark.services
QUESTION = "print how often each word occurs in a file"


async def test_what_was_remembered_is_recalled_best_first_with_its_source(
    database: Database, tmp_path: Path
) -> None:
    async with Memory(settings(tmp_path), database) as memory:
        assert await remember(database, memory, *entries()) == len(TEXTS)
        hints = await memory.recall(None, QUESTION)
        assert memory.index.lost is None
        assert (await memory.status()).index == "ok"
    assert hints[0].text == TEXTS[0]
    assert (hints[0].body, hints[0].source.project) == (f"Body: {TEXTS[0]}", "p")
    assert [h.score for h in hints] == sorted((h.score for h in hints), reverse=True)


async def test_the_same_again_is_no_new_entry_and_equal_texts_score_highest(
    embedded: Database, tmp_path: Path
) -> None:
    async with Memory(settings(tmp_path), embedded) as memory:
        assert await remember(embedded, memory, *entries(), *entries()) == len(TEXTS)
        assert await remember(embedded, memory, entry(TEXTS[0], run="r2")) == 0
        [hint] = await memory.recall(None, TEXTS[0], limit=1)
    assert (hint.score, hint.source.run) == (1000, "r1")


async def test_kind_and_project_limit_what_is_found(embedded: Database, tmp_path: Path) -> None:
    text = "Sort a list of numbers."
    made = [entry(text, kind, project) for kind in ("pattern", "code", "failure") for project in ("p", "q")]
    async with Memory(settings(tmp_path), embedded) as memory:
        await remember(embedded, memory, *made)
        found = await memory.recall(made[0].kind, text, project="q")
        everything = await memory.recall(None, text, limit=10)
    assert [(h.kind, h.source.project) for h in found] == [("pattern", "q")]
    assert len(everything) == 6


async def test_what_comes_and_goes_later_is_noticed_by_an_index_that_is_open(
    embedded: Database, tmp_path: Path
) -> None:
    async with Memory(settings(tmp_path), embedded) as memory:
        await remember(embedded, memory, *entries())
        [old] = await memory.recall(None, TEXTS[1], limit=1)
        assert await memory.expire(old.entry[:10]) == old.entry
        await remember(embedded, memory, entry("Parse a CSV of stock prices."))
        [new] = await memory.recall(None, TEXTS[1], limit=1)
        assert memory.index.lost is None
        with pytest.raises(InputError, match="no entry"):
            await memory.expire("nothing")
        with pytest.raises(InputError, match=r"no entry|more than one"):
            await memory.expire("")
    assert new.text == "Parse a CSV of stock prices."


async def test_a_rolled_back_transaction_is_not_remembered(embedded: Database, tmp_path: Path) -> None:
    async with Memory(settings(tmp_path), embedded) as memory:
        with pytest.raises(RuntimeError):
            async with embedded.transaction() as conn:
                await memory.remember(conn, entries())
                raise RuntimeError
        assert await memory.recall(None, TEXTS[0]) == ()


async def test_secrets_are_not_remembered(embedded: Database, tmp_path: Path) -> None:
    secrets.remember("hunter2-hunter2")
    async with Memory(settings(tmp_path), embedded) as memory:
        await remember(embedded, memory, entry("log in with hunter2-hunter2", body="key = 'hunter2-hunter2'"))
        [hint] = await memory.recall(None, "log in")
    assert hint.text + hint.body == "log in with ***key = '***'"


async def test_pinned_hints_stay_the_same_after_more_was_remembered(
    embedded: Database, tmp_path: Path
) -> None:
    async with Memory(settings(tmp_path), embedded) as memory:
        await remember(embedded, memory, *entries())

        async def ask() -> tuple[Hint, ...]:
            return await memory.recall(None, QUESTION, limit=2)

        first = await memory.pinned("stage/1", ask)
        await remember(embedded, memory, entry(QUESTION))
        assert (await ask())[0].text == QUESTION
        assert await memory.pinned("stage/1", ask) == first
        assert (await memory.pinned("stage/2", ask))[0].text == QUESTION
        both = await asyncio.gather(*(memory.pinned("stage/3", ask) for _ in range(4)))
    assert len(set(both)) == 1


async def test_off_means_that_nothing_is_read_or_written(embedded: Database, tmp_path: Path) -> None:
    async with Memory(settings(tmp_path), embedded) as memory:
        await remember(embedded, memory, *entries())
    async with Memory(settings(tmp_path / "off", PHOENIX_MEMORY="off"), embedded) as memory:

        async def ask() -> tuple[Hint, ...]:
            raise AssertionError

        assert await remember(embedded, memory, entry("New.")) == 0
        assert await memory.recall(None, TEXTS[0]) == ()
        assert await memory.pinned("key", ask) == ()
        assert (await memory.status()).index == "not used"
        with pytest.raises(ConfigurationError, match="PHOENIX_MEMORY"):
            await memory.rebuild()
    assert not (tmp_path / "off").exists()
    async with Memory(settings(tmp_path), embedded) as memory:
        assert sum((await memory.status()).entries.values()) == len(TEXTS)


def truncate(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "present":
            path.write_bytes(b"")


def scribble(folder: Path) -> None:
    for path in folder.rglob("chroma.sqlite3"):
        path.write_bytes(b"no database " * 1000)


def cut(folder: Path) -> None:
    for path in folder.rglob("chroma.sqlite3"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def delete(folder: Path) -> None:
    for path in folder.rglob("chroma.sqlite3"):
        path.unlink()


def delete_all(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize("damage", [truncate, scribble, cut, delete, delete_all])
async def test_a_damaged_index_gives_the_same_hints_and_is_rebuilt(
    embedded: Database, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    async with Memory(settings(tmp_path), embedded) as memory:
        await remember(embedded, memory, *entries())
        before = await memory.recall(None, QUESTION)
    assert len(before) > 1
    damage(tmp_path / "memory")
    async with Memory(settings(tmp_path), embedded) as memory:
        assert await memory.recall(None, QUESTION) == before
        assert await memory.recall(None, QUESTION) == before
        assert (await memory.rebuild()).entries == len(TEXTS)
        assert await memory.recall(None, QUESTION) == before
        assert memory.index.lost is None
        assert (await memory.status()).index == "ok"


async def test_a_broken_index_is_told_once_and_the_next_process_begins_a_new_one(
    embedded: Database, tmp_path: Path
) -> None:
    async with Memory(settings(tmp_path), embedded) as memory:
        await remember(embedded, memory, *entries())
        await memory.recall(None, QUESTION)
    scribble(tmp_path / "memory")
    async with Memory(settings(tmp_path), embedded) as memory:
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                assert await memory.recall(None, QUESTION)
        assert [line["event"].split(";")[0] for line in logs] == ["the memory's index is lost"]
        assert (await memory.status()).index == "will be built at the first search"
    async with Memory(settings(tmp_path), embedded) as memory:
        assert await memory.recall(None, QUESTION)
        assert (memory.index.lost, (await memory.status()).index) == (None, "ok")
    assert len([p for p in (tmp_path / "memory").glob("index-*") if p.is_dir()]) == 1


async def test_a_home_that_cannot_be_written_stops_nothing(embedded: Database, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, no folder")
    async with Memory(settings(tmp_path / "home"), embedded) as memory:
        await remember(embedded, memory, *entries())
        assert (await memory.recall(None, QUESTION))[0].text == TEXTS[0]
        with pytest.raises(Unreachable, match="cannot be written"):
            await memory.rebuild()


async def test_work_that_hangs_or_panics_is_an_index_lost() -> None:
    with pytest.raises(IndexLost, match="no answer"):
        await patiently(lambda: __import__("time").sleep(5), 0.05)

    def panic() -> None:
        raise BaseException("in its core")

    with pytest.raises(IndexLost, match="in its core"):
        await patiently(panic, 5)


WRITER = """
import asyncio, sys
from pathlib import Path
from services.database import Database
from services.memory import Memory
from tests.services.memories import entry, remember, settings

async def main():
    home = settings(Path(sys.argv[2]))
    async with await Database.open(sys.argv[1]) as database, Memory(home, database) as memory:
        print("ready", flush=True)
        for number in range(100_000):
            made = entry(f"Requirement number {number} about topic {number % 7}.")
            await remember(database, memory, made)
            print(made.name(), flush=True)
            await memory.recall(None, "a requirement about a topic")

asyncio.run(main())
"""


async def test_a_writer_killed_in_the_middle_loses_nothing_that_was_acknowledged(
    embedded: Database, embedded_migrated_url: str, tmp_path: Path
) -> None:
    acknowledged: list[str] = []
    for _ in range(2):
        async with process(WRITER, embedded_migrated_url, str(tmp_path), says="ready") as writer:
            assert writer.stdout is not None
            for _ in range(12):
                acknowledged.append((await writer.stdout.readline()).decode().strip())
    with psycopg.connect(embedded_migrated_url) as conn:
        kept = {row[0] for row in conn.execute("SELECT digest FROM memories")}
    assert set(acknowledged) <= kept
    async with Memory(settings(tmp_path), embedded) as memory:
        hints = await memory.recall(None, "Requirement number 3 about topic 3.", limit=1)
        assert hints[0].score == 1000
        assert (await memory.rebuild()).entries == len(kept)


@pytest.fixture
def chroma_server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("chroma")
    command = [program, "run", "--path", tmp_path / "server", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                httpx.get(f"{url}/api/v2/heartbeat")
                break
            except httpx.TransportError:
                __import__("time").sleep(0.1)
        yield url
        server.terminate()


async def test_a_chroma_server_serves_and_its_loss_stops_nothing(
    embedded: Database, tmp_path: Path, chroma_server: str
) -> None:
    remote = settings(tmp_path, CHROMA_URL=chroma_server)
    async with Memory(remote, embedded) as memory:
        await remember(embedded, memory, *entries())
        hints = await memory.recall(None, QUESTION)
        assert memory.index.lost is None
        assert (await memory.rebuild()).entries == len(TEXTS)
        assert await memory.recall(None, QUESTION) == hints
    assert not (tmp_path / "memory").exists()
    async with Memory(settings(tmp_path, CHROMA_URL="http://127.0.0.1:9"), embedded) as memory:
        assert await memory.recall(None, QUESTION) == hints
        assert memory.index.lost is not None
