"""phoenix prune: finished runs leave Prefect's history and the reports, unused tools leave the cache.

What was paid for or decided stays: this module has no way to delete a row of Phoenix's own database.
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phoenix.build import start
from schemas.errors import ConfigurationError, InputError
from services.settings import Settings, read_settings

if TYPE_CHECKING:
    from services.database.runs import Run


@dataclass(frozen=True)
class Pruned:
    """One thing that goes."""

    kind: str
    name: str
    bytes: int | None
    """What that frees; None where it is space in a database."""
    detail: str


def prune_command(older_than: str | None, dry_run: bool, as_json: bool) -> None:
    """Prune, or say what would go."""
    days = _days(older_than)
    found = asyncio.run(_prune(start(read_settings()), days, dry_run, say=not as_json))
    total = sum(one.bytes or 0 for one in found)
    if as_json:
        told = {"older_than_days": days, "dry_run": dry_run, "pruned": [asdict(one) for one in found]}
        click.echo(json.dumps({**told, "bytes": total}, ensure_ascii=False))
    elif not found:
        age = "1 day" if days == 1 else f"{days} days"
        click.echo(f"nothing to prune: no finished run and no unused cache is older than {age}")
    else:
        click.echo(
            f"{total:,} bytes would be free; nothing was removed" if dry_run else f"{total:,} bytes are free"
        )


def _days(text: str | None) -> int:
    if text is None or not re.fullmatch(r"[0-9]{1,5}", text) or int(text) < 1:
        raise InputError(
            f"--older-than {text if text is not None else 'is missing'}: give whole days from 1 to 99999, "
            "such as phoenix prune --older-than 90 --dry-run."
        )
    return int(text)


async def _prune(settings: Settings, days: int, dry_run: bool, say: bool) -> list[Pruned]:
    found = []
    async for one in _all(settings, datetime.now(UTC) - timedelta(days=days), dry_run):
        found.append(one)
        if say:
            size = "space in Prefect's database" if one.bytes is None else f"{one.bytes:,} bytes"
            verb = "would remove" if dry_run else "removed"
            click.echo(f"{verb} {one.kind} {one.name}: {size}, {one.detail}")
    return found


async def _all(settings: Settings, before: datetime, dry_run: bool) -> AsyncIterator[Pruned]:
    from services.database import Database, runs
    from services.database_url import database_url

    async with (
        database_url(settings) as url,
        await Database.open(url) as database,
        database.transaction() as conn,
    ):
        finished = await runs.finished_runs(conn, before)
        flow_runs = await runs.flow_runs_of_finished(conn, before)
    if flow_runs:
        async for one in _flow_runs(settings, flow_runs, dry_run):
            yield one
    for one in (*_reports(settings.home, finished, dry_run), *_cache(settings.cache, before, dry_run)):
        yield one


async def _flow_runs(settings: Settings, flow_runs: dict[str, str], dry_run: bool) -> AsyncIterator[Pruned]:
    from services.local.prefect_server import client_environment, prefect_server

    async with prefect_server(settings) as server:
        os.environ.update(client_environment(settings.home, server.url))
        from services.local.prefect_history import history

        async with history(server.url) as kept:
            async for one in kept.kept(list(flow_runs)):
                if not dry_run:
                    await kept.delete(one)
                detail = f"{one.task_runs} task runs and {one.artifacts} artifacts"
                named = f"{one.name} of run {flow_runs[str(one.flow_run)]}"
                yield Pruned("Prefect flow run", named, None, detail)


def _reports(home: Path, finished: "list[Run]", dry_run: bool) -> Iterator[Pruned]:
    for run in finished:
        page = home / "reports" / f"{run.id}.html"
        if page.is_file():
            size = page.stat().st_size
            if not dry_run:
                _unlink(page)
            yield Pruned("report", str(page), size, f"phoenix report {run.id} writes it again")


def _cache(cache: Path, before: datetime, dry_run: bool) -> Iterator[Pruned]:
    from services.toolchain.unused import remove, unused

    for one in unused(cache, before):
        if not dry_run:
            remove(one.folder)
        yield Pruned("cache", str(one.folder), one.bytes, f"last used {one.used:%Y-%m-%d}")


def _unlink(page: Path) -> None:
    try:
        page.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"cannot remove {page}: {error.strerror}. Run it as the user who owns PHOENIX_HOME."
        ) from None
