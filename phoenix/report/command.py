"""phoenix report: one page about a run."""

import asyncio
import json
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schemas.errors import InputError
from services.settings import Settings, read_settings

if TYPE_CHECKING:
    from services.database import Database


def report_command(run: str, open_it: bool, output: Path | None, as_json: bool) -> None:
    """Write the page and print its path."""
    path = asyncio.run(_report(read_settings(), run, output))
    click.echo(json.dumps({"report": str(path)}, ensure_ascii=False) if as_json else str(path))
    if open_it:
        webbrowser.open(path.as_uri())


async def _report(settings: Settings, run: str, output: Path | None) -> Path:
    from services.database import Database
    from services.database_url import database_url

    async with database_url(settings) as url, await Database.open(url) as database:
        return await write_report(database, settings.home, run, output)


async def write_report(database: "Database", home: Path, run: str, output: Path | None = None) -> Path:
    """The absolute path of the run's page, which was written.

    Raises:
        InputError: no such run, or the file cannot be written.
    """
    from phoenix.report.data import gather
    from phoenix.report.page import render
    from services.secrets import redact

    story = await gather(database, run)
    path = (output or home / "reports" / f"{story.run.id}.html").absolute()
    try:
        if output is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(redact(render(story)), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: the report cannot be written ({error.strerror}). Name another file with --output."
        ) from None
    return path
