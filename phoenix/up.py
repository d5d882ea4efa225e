"""phoenix up and down: the local platform, which is the database, the Prefect server and a worker."""

import asyncio
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from phoenix.build import start
from schemas.errors import PhoenixError, Unreachable
from services.settings import Settings, read_settings

START_S = 180
STOP_S = 60
AGAIN_S = 2
"""How long a worker that has ended by itself is left alone before it is started again."""


def up_command(limit: int | None, detach: bool) -> None:
    """Keep the platform running."""
    settings = start(read_settings())
    told = _running(settings.home)
    if told:
        click.echo(f"phoenix up runs already (pid {told['pid']}).\n{told['text']}")
    elif detach:
        _detach(settings, limit)
    else:
        asyncio.run(_until_stopped(settings, limit))


def down_command() -> None:
    """End the platform that runs on this home."""
    home = read_settings().home
    told = _running(home)
    if told is None:
        click.echo("phoenix up does not run.")
        return
    os.kill(int(told["pid"]), signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while _running(home):
        if time.monotonic() > deadline:
            raise PhoenixError(
                f"process {told['pid']} does not end. Look at {home / 'up.log'}, then kill it."
            )
        time.sleep(0.1)
    click.echo("phoenix up has ended. Nothing is lost: what was interrupted goes on when it runs again.")


async def _until_stopped(settings: Settings, limit: int | None) -> None:
    task = asyncio.current_task()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, task.cancel if task else lambda: None)
    try:
        with _alone(settings.home):
            await _serve(settings, limit)
    except asyncio.CancelledError:
        click.echo("phoenix up: stopped.", err=True)


async def _serve(settings: Settings, limit: int | None) -> None:
    from services.database import Database
    from services.database_url import database_url
    from services.local.deployed import POOL, deploy
    from services.local.prefect_server import client_environment, prefect_server
    from services.local.worker import usual_limit, worker

    limit = limit or usual_limit()
    async with (
        database_url(settings) as url,
        await Database.open(url),
        prefect_server(settings) as server,
    ):
        os.environ.update(client_environment(settings.home, server.url))
        click.echo("The Prefect server runs; applying the deployments …", err=True)
        names = await deploy(server.url)
        text = (
            f"Prefect UI: {server.ui_url}\n"
            f"Deployments: {', '.join(names)}; a worker of pool {POOL!r} carries {limit} flow runs at once.\n"
            "Build something: phoenix build BRIEF --executor pool"
        )
        while True:
            async with worker(settings.home, server.url, limit) as process:
                _write(settings.home, text)
                click.echo(text)
                code = await process.wait()
            click.echo(f"phoenix up: the worker ended ({code}); it is started again.", err=True)
            await asyncio.sleep(AGAIN_S)


def _detach(settings: Settings, limit: int | None) -> None:
    from services.local.keep import make_folder
    from services.local.worker import spawn_detached

    make_folder(settings.home)
    log = settings.home / "up.log"
    process = spawn_detached(("up", *(("--limit", str(limit)) if limit else ())), log)
    deadline = time.monotonic() + START_S
    while (told := _running(settings.home)) is None or not told["text"]:
        if process.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Unreachable(f"phoenix up did not start: {''.join(last)[:300]} See {log}.")
        time.sleep(0.2)
    click.echo(f"{told['text']}\nStop it with: phoenix down")


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Be the one that keeps this home's platform."""
    from services.local.keep import locked, make_folder, writable

    make_folder(home)
    with writable(home), (home / "up.lock").open("ab") as lock:
        if not locked(lock.fileno(), fcntl.LOCK_EX):
            raise PhoenixError("phoenix up was started a moment ago in another process. Type it again.")
        _write(home, "")
        yield


def _write(home: Path, text: str) -> None:
    new = home / "up.json.new"
    new.write_text(json.dumps({"pid": os.getpid(), "text": text}))
    new.replace(home / "up.json")


def _running(home: Path) -> dict[str, str] | None:
    """What the platform that runs on this home has written about itself."""
    from services.local.keep import locked

    try:
        with (home / "up.lock").open("ab") as lock:
            if locked(lock.fileno(), fcntl.LOCK_SH):
                return None
        told: dict[str, str] = json.loads((home / "up.json").read_text())
        return told
    except (OSError, ValueError):
        return None
