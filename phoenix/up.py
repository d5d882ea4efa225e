"""phoenix up: the local database and the Prefect server, until Ctrl-C."""

import asyncio
import signal

import click

from phoenix.build import start
from services.settings import read_settings


def up_command() -> None:
    """Keep the services running."""
    asyncio.run(_serve())


async def _serve() -> None:
    from services.database import Database
    from services.database_url import database_url
    from services.local.prefect_server import prefect_server

    settings = start(read_settings())
    async with (
        database_url(settings) as url,
        await Database.open(url),
        prefect_server(settings) as server,
    ):
        click.echo(f"Prefect UI: {server.ui_url}\nBuild something: phoenix build BRIEF\nStop with Ctrl-C.")
        stopped = asyncio.Event()
        for sign in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(sign, stopped.set)
        await stopped.wait()
