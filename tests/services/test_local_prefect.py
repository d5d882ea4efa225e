import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import httpx
import pytest
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from schemas.errors import ConfigurationError, Unreachable
from services.local.farewell import farewell
from services.local.prefect_server import client_environment, prefect_server, server_environment
from tests.services.local_user import ROOT, at, user

pytestmark = pytest.mark.services


def pid(home: Path) -> int:
    return int(json.loads((home / "prefect/server.json").read_text())["pid"])


async def test_the_server_survives_killed_users_and_a_killed_server(tmp_path: Path) -> None:
    async with user("prefect", tmp_path) as starter:
        while not (tmp_path / "prefect/server.json").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        starter.process.kill()
    half_started = pid(tmp_path)
    async with user("prefect", tmp_path) as second, prefect_server(at(tmp_path)) as server:
        assert second.says()["url"] == server.url
        assert not server.started_by_us
        assert pid(tmp_path) == half_started
        assert os.getsid(half_started) == half_started
        second.process.kill()
        os.kill(half_started, signal.SIGKILL)
    async with prefect_server(at(tmp_path)) as again:
        assert again.started_by_us
        assert again.url == server.url, "a person's bookmark stays right"
        shown = await asyncio.to_thread(lambda: urlopen(f"{again.ui_url}/ui-settings").read())
        assert json.loads(shown)["api_url"] == again.url, "the browser asks this server"
        ended = pid(tmp_path)
    with pytest.raises(ProcessLookupError):
        os.kill(ended, 0)


async def test_prefect_takes_from_its_cache_what_our_bodies_committed(tmp_path: Path) -> None:
    """The whole proof runs in a process of its own, with the environment that ours gives to it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.services.cached_story", str(tmp_path),
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    proof = json.loads(out)
    value = {"outcome": "done", "answer": "sha-a"}
    assert proof["first"] == ["Completed", value]
    assert proof["second"] == ["Cached", value]
    assert proof["without its row"] == ["Completed", value]
    assert proof["bodies"] == 2
    assert proof["context variable"] == "set by the flow"
    assert proof["looks into the quoted object"] == 0
    assert proof["tries"] == {"Fatal": 1, "Passing": 3}
    assert proof["names"] == ["stage a"]
    assert proof["artifacts"] == ["what-happened"]
    assert err.decode() == ""


@asynccontextmanager
async def answering(text: str) -> AsyncIterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/api"
        finally:
            server.shutdown()
            thread.join()


async def test_a_named_server_is_used_and_left_alone(tmp_path: Path) -> None:
    async with answering("true") as url, prefect_server(at(tmp_path / "unused", url + "/")) as server:
        assert (server.url, server.ui_url, server.started_by_us) == (url, url.removesuffix("/api"), False)
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/api", "nonsense"])
async def test_a_named_server_that_is_not_there_is_one_line(url: str, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"unset PREFECT_API_URL") as refused:
        async with prefect_server(at(tmp_path, url)):
            pass
    assert "\n" not in str(refused.value)


async def test_a_named_server_that_is_another_program_is_refused(tmp_path: Path) -> None:
    async with answering("<html>hello</html>") as url:
        with pytest.raises(Unreachable, match="not the API of a Prefect server"):
            async with prefect_server(at(tmp_path, url)):
                pass


async def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="Set PHOENIX_HOME"):
        async with prefect_server(at(tmp_path / "file")):
            pass


def test_the_server_gets_no_key_and_no_setting_of_its_starter(tmp_path: Path) -> None:
    given = server_environment(
        tmp_path,
        {"PATH": "/bin", "OPENAI_API_KEY": "k", "PREFECT_API_URL": "http://other", "PHOENIX_MODEL": "m"},
    )
    assert given["PATH"] == "/bin"
    assert not {"OPENAI_API_KEY", "PREFECT_API_URL", "PHOENIX_MODEL"} & set(given)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The schema as Prefect's own migrations make it."""
    home = tmp_path_factory.mktemp("prefect")
    environment = server_environment(home, os.environ)
    made = subprocess.run(
        [sys.executable, "-m", "tests.services.prefect_schema"],
        cwd=ROOT, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    yield made.stdout


def parts(schema: str) -> list[list[str]]:
    """Its statements, each without the order of its lines, which differs from one migration to the next."""
    return sorted(sorted(line.strip(", \t") for line in part.splitlines()) for part in schema.split(";\n"))


def test_the_kept_schema_is_what_prefects_migrations_make(migrated: str) -> None:
    kept = (ROOT / "services/local/prefect_schema.sql").read_text()
    assert parts(kept) == parts(migrated), (
        "renew it: PREFECT_HOME=$(mktemp -d) python -m tests.services.prefect_schema > it"
    )


def test_the_client_is_quiet_unless_debugging(tmp_path: Path) -> None:
    assert client_environment(tmp_path, "u")["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "CRITICAL"
    assert "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL" not in client_environment(tmp_path, "u", debug=True)


async def test_a_server_that_is_gone_is_not_waited_for() -> None:
    """Each event that is left would cost ten seconds when the interpreter ends."""
    gone = "http://127.0.0.1:9/api"
    with temporary_settings({PREFECT_API_URL: gone}):
        for number in range(30):
            emit_event(event="phoenix.test", resource={"prefect.resource.id": f"phoenix.test.{number}"})
        began = time.monotonic()
        await farewell(gone)
        assert time.monotonic() - began < 30
        assert not EventsWorker._instances


async def test_what_a_server_has_not_heard_yet_it_hears_before_the_end(prefect_url: str) -> None:
    resource = {"prefect.resource.id": f"phoenix.test.{time.time_ns()}"}
    with temporary_settings({PREFECT_API_URL: prefect_url}):
        for _ in range(20):
            emit_event(event="phoenix.test", resource=resource)
        await farewell(prefect_url)
    asked = {"filter": {"resource": {"id": [resource["prefect.resource.id"]]}}}
    async with httpx.AsyncClient() as client, asyncio.timeout(30):
        while (await client.post(f"{prefect_url}/events/filter", json=asked)).json()["total"] < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
