"""Migrations: up, down, and where a database stands. Alembic is imported only when it is used."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.errors import ConfigurationError
from services.database.connect import make_engine, parse_url, refusal
from services.database.session_lock import lock_key

if TYPE_CHECKING:
    from alembic.config import Config

OLDEST_SERVER = 15


class Revisions(NamedTuple):
    """Where a database stands, and where this code wants it."""

    database: str | None
    newest: str


async def upgrade(url: str) -> Revisions:
    """The revisions after every migration was applied."""
    return await _opened(url, _upgrade)


async def downgrade(url: str, revision: str) -> Revisions:
    """The revisions after going back to one revision; 'base' removes every table."""
    return await _opened(url, lambda conn: _downgrade(conn, revision))


async def current(url: str) -> Revisions:
    """The revisions, with nothing changed."""
    return await _opened(url, _revisions)


async def apply(engine: AsyncEngine) -> Revisions:
    """Bring a database up to this code, one process at a time."""
    return await _locked(engine, _upgrade)


async def _opened(url: str, work: Callable[[Connection], Revisions]) -> Revisions:
    engine = make_engine(parse_url(url))
    try:
        return await _locked(engine, work)
    except DBAPIError as error:
        raise refusal(engine.url, error) from None
    finally:
        await engine.dispose()


async def _locked(engine: AsyncEngine, work: Callable[[Connection], Revisions]) -> Revisions:
    async with engine.begin() as conn:
        version = int((await conn.execute(text("SHOW server_version_num"))).scalar_one()) // 10_000
        if version < OLDEST_SERVER:
            raise ConfigurationError(
                f"the database server is PostgreSQL {version}; Phoenix needs {OLDEST_SERVER} or newer. "
                "Upgrade it, or unset DATABASE_URL to use the embedded one."
            )
        await conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key("migrations", "")})
        return await conn.run_sync(work)


def _upgrade(conn: Connection) -> Revisions:
    from alembic import command

    before = _revisions(conn)
    if before.database == before.newest:
        return before
    command.upgrade(_config(conn), "head")
    return _revisions(conn)


def _downgrade(conn: Connection, revision: str) -> Revisions:
    from alembic import command
    from alembic.util import CommandError

    _revisions(conn)
    try:
        command.downgrade(_config(conn), revision)
    except CommandError as error:
        raise ConfigurationError(f"cannot go back to revision {revision!r}: {error}. Try 'base'.") from None
    return _revisions(conn)


def _revisions(conn: Connection) -> Revisions:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config(conn))
    database = MigrationContext.configure(conn).get_current_revision()
    if database and database not in {script.revision for script in scripts.walk_revisions()}:
        raise ConfigurationError(
            f"the database is at revision {database!r}, which this Phoenix does not know: it is newer. "
            "Install the Phoenix that upgraded it, or give another DATABASE_URL."
        )
    return Revisions(database, scripts.get_current_head() or "base")


def _config(conn: Connection) -> "Config":
    from alembic.config import Config

    spec = find_spec("migrations")
    if spec is None or spec.origin is None:
        raise ConfigurationError("the package 'migrations' is missing. Install Phoenix again.")
    config = Config()
    config.set_main_option("script_location", str(Path(spec.origin).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    return config
