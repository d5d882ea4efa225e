"""From a URL to an async engine, with errors that say what to do."""

from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from schemas.errors import ConfigurationError, Unreachable

DRIVERS = ("postgresql", "postgres", "postgresql+psycopg")


def parse_url(url: str) -> URL:
    """The URL with our driver.

    Raises:
        ConfigurationError: it is not a URL of a PostgreSQL database.
    """
    allowed = "Allowed: postgresql://USER:PASSWORD@HOST:PORT/NAME, or no DATABASE_URL for the embedded one."
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"DATABASE_URL is not a database URL. {allowed}") from None
    if parsed.drivername not in DRIVERS:
        raise ConfigurationError(f"DATABASE_URL names {parsed.drivername!r}. {allowed}")
    host = unquote(parsed.host) if parsed.host else None
    return parsed.set(drivername="postgresql+psycopg", host=host)


def place(url: URL) -> str:
    """Where a URL leads, without its password."""
    query = url.query.get("host")
    host = url.host or (query if isinstance(query, str) else None) or "localhost"
    return f"{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def make_engine(url: URL, *, at_most: int | None = 16, **options: Any) -> AsyncEngine:
    """An engine that checks a connection before it lends it out; who comes when all are lent waits."""
    timeout = {} if "connect_timeout" in url.query else {"connect_timeout": 10}
    return create_async_engine(
        url,
        connect_args=timeout,
        pool_pre_ping=True,
        pool_size=4,
        max_overflow=-1 if at_most is None else at_most - 4,
        pool_timeout=120,
        hide_parameters=True,
        **options,
    )


def refusal(url: URL, error: DBAPIError) -> ConfigurationError | Unreachable:
    """What to tell a person whose database cannot be opened: one line without the password."""
    reason = " ".join(str(error.orig).split())
    if url.password:
        reason = reason.replace(str(url.password), "***")
    if isinstance(error, OperationalError):
        return Unreachable(
            f"cannot reach the database at {place(url)}: {reason[:300]}; "
            "start PostgreSQL, or type 'phoenix doctor' to check every part"
        )
    return ConfigurationError(
        f"cannot use the database at {place(url)}: {reason[:300]}. Correct DATABASE_URL."
    )
