"""The Prefect server: the one that PREFECT_API_URL names, else one of our own below PHOENIX_HOME."""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from schemas.errors import PhoenixError, Unreachable
from services.local.keep import kept, locked, make_folder, writable
from services.settings import Settings

SCHEMA = Path(__file__).with_name("prefect_schema.sql")
SCHEMA_OF = "3.8.8"
"""The Prefect version whose finished SQLite schema SCHEMA is: its migrations take 8 s from nothing."""
PATIENCE_S = 90
HALF_STARTED_S = 30
"""How long a server that runs but does not answer may still be starting."""
SERVER = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_COLORS": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
}


@dataclass(frozen=True)
class Server:
    """A Prefect server that answers."""

    url: str
    """Of its API; ends in /api."""
    ui_url: str
    started_by_us: bool


@asynccontextmanager
async def prefect_server(
    settings: Settings, starting: Callable[[str], None] = lambda url: None
) -> AsyncIterator[Server]:
    """The server to use, running at least as long as this context.

    While a server of our own starts, `starting` hears under which URL it will answer.

    Raises:
        ConfigurationError: PHOENIX_HOME cannot be written.
        Unreachable: the server named by PREFECT_API_URL does not answer, or ours does not start.
    """
    if settings.prefect_api_url:
        url = settings.prefect_api_url.rstrip("/")
        await _check(url)
        yield Server(url, url.removesuffix("/api"), False)
        return
    ours = LocalServer(settings.home / "prefect", starting)
    async with kept(ours.folder, ours) as (url, started):
        yield Server(url, url.removesuffix("/api"), started)


def client_environment(home: Path, url: str, *, debug: bool = False) -> dict[str, str]:
    """The variables that this process must have before it imports prefect."""
    quiet = {
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "CRITICAL",
    }
    return {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_LOGGING_LEVEL": "DEBUG" if debug else "WARNING",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_CLIENT_MAX_RETRIES": "3",
        "DO_NOT_TRACK": "1",
        **({} if debug else quiet),
    }


@dataclass(frozen=True)
class LocalServer:
    """A Prefect server over SQLite in a folder. It holds `alive.lock` while it lives, whoever started it."""

    folder: Path
    starting: Callable[[str], None] = lambda url: None

    async def find(self) -> str | None:
        """The API's URL of the running server; one that runs and does not answer is ended."""
        address = self._address()
        if address is None or not self._alive():
            return None
        _, port = address
        deadline = time.monotonic() + HALF_STARTED_S
        while not await _healthy(port):
            if not self._alive():
                return None
            if time.monotonic() > deadline:
                self.stop()
                return None
            await asyncio.sleep(0.1)
        return _url(port)

    async def start(self) -> str:
        """Run the server, at its last port when that is free."""
        make_folder(self.folder)
        with writable(self.folder):
            self._lay_schema()
        last = self._address()
        for port in (_free_port(last[1] if last else 0), _free_port(0)):
            self._spawn(port)
            self.starting(_url(port))
            if await self._answers(port):
                return _url(port)
        raise Unreachable(
            f"the Prefect server does not start; see {self.folder / 'server.log'}, "
            "or set PREFECT_API_URL to a server of yours"
        )

    def stop(self) -> None:
        """Ask the server to end; kill it when it does not."""
        address = self._address()
        if address is None:
            return
        for ask, patience in ((signal.SIGTERM, 8.0), (signal.SIGKILL, 5.0)):
            if not self._alive():
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(address[0], ask)
            deadline = time.monotonic() + patience
            while self._alive() and time.monotonic() < deadline:
                time.sleep(0.03)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(address[0], os.WNOHANG)

    async def _answers(self, port: int) -> bool:
        deadline = time.monotonic() + PATIENCE_S
        while self._alive() and time.monotonic() < deadline:
            if await _healthy(port):
                return True
            await asyncio.sleep(0.1)
        self.stop()
        return False

    def _spawn(self, port: int) -> None:
        """Start it in a session of its own, so that the terminal's Ctrl-C is not for it."""
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
        browser = {"PREFECT_SERVER_UI_API_URL": _url(port)}
        environment = {**server_environment(self.folder, os.environ), **browser}
        with writable(self.folder), (self.folder / "alive.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.set_inheritable(lock.fileno(), True)
            log = str(self.folder / "server.log")
            _cut(Path(log))
            pid = os.posix_spawn(
                sys.executable,
                [*command, "--port", str(port)],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
            )
            new = self.folder / "server.json.new"
            new.write_text(json.dumps({"pid": pid, "port": port}))
            new.replace(self.folder / "server.json")

    def _alive(self) -> bool:
        try:
            with (self.folder / "alive.lock").open("ab") as lock:
                return not locked(lock.fileno(), fcntl.LOCK_EX)
        except FileNotFoundError:
            return False

    def _address(self) -> tuple[int, int] | None:
        """Pid and port as written at the last start."""
        try:
            read = json.loads((self.folder / "server.json").read_text())
            return int(read["pid"]), int(read["port"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _lay_schema(self) -> None:
        """Begin an empty home with the finished schema; Prefect itself migrates any other."""
        database = self.folder / "prefect.db"
        if database.exists() or version("prefect") != SCHEMA_OF:
            return
        new = database.with_suffix(".new")
        new.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(new)) as connection:
            connection.executescript(SCHEMA.read_text())
        new.rename(database)


def server_environment(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The server's variables: this process's without any of Prefect's or ours, then what the server needs."""
    kept_ = {k: v for k, v in environment.items() if not k.startswith(("PREFECT_", "PHOENIX_"))}
    secret = ("OPENAI_API_KEY", "DATABASE_URL", "REDIS_URL")
    plain = {k: v for k, v in kept_.items() if k not in secret}
    return {
        **plain,
        **SERVER,
        "PREFECT_HOME": str(folder),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
    }


async def _check(url: str) -> None:
    import httpx

    hint = "Start that server, or unset PREFECT_API_URL to use a local one."
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.get(f"{url}/health")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"no Prefect server answers at {url}: {type(error).__name__}. {hint}") from None
    if answer.status_code != 200 or answer.text.strip() != "true":
        raise Unreachable(
            f"{url} is not the API of a Prefect server (it ends in /api): HTTP {answer.status_code}. {hint}"
        )


async def _healthy(port: int) -> bool:
    """Whether a server says on this port that it is well; asked often, so without an HTTP client's weight."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /api/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                answer = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in answer.split(b"\r\n", 1)[0] and answer.endswith(b"true")


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/api"


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise PhoenixError("no free port on 127.0.0.1")


def _cut(log: Path) -> None:
    """Keep one older log when this one has grown."""
    if log.exists() and log.stat().st_size > 5_000_000:
        shutil.move(log, log.with_suffix(".log.1"))
