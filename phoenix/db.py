"""phoenix db: migrations by hand."""

import asyncio

import click

from services.settings import read_settings


def db_command(action: str, revision: str = "") -> None:
    """Migrate, and print where the database stands."""
    click.echo(asyncio.run(_run(action, revision)))


async def _run(action: str, revision: str) -> str:
    from services.database import migrate
    from services.database_url import database_url

    async with database_url(read_settings()) as url:
        if action == "upgrade":
            found = await migrate.upgrade(url)
        elif action == "downgrade":
            found = await migrate.downgrade(url, revision)
        else:
            found = await migrate.current(url)
    return f"database {found.database or 'empty'}, newest {found.newest}"
