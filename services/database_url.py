"""Which PostgreSQL serves this process: DATABASE_URL, else the embedded one of this home."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.settings import Settings


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncIterator[str]:
    """The database's URL, valid until the block ends.

    Raises:
        PhoenixError: the embedded PostgreSQL cannot be started.
    """
    if settings.database_url:
        yield settings.database_url.get_secret_value()
        return
    from services.local.postgres import embedded_postgres

    async with embedded_postgres(settings.home) as url:
        yield url
