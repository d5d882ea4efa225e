"""phoenix memory: what is remembered, looked at and looked after."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from schemas.errors import InputError
from schemas.memory import Hint, HintKind, MemoryStatus
from services.settings import read_settings

if TYPE_CHECKING:
    from services.memory import Memory


def rebuild_command(as_json: bool) -> None:
    """Rebuild the memory from PostgreSQL."""
    told = asyncio.run(_rebuild())
    if as_json:
        click.echo(json.dumps(told))
    else:
        click.echo(
            "{entries} entries in the index, {derived} derived, {embedded} embedded anew".format(**told)
        )


def status_command(as_json: bool) -> None:
    """Print where the memory stands."""
    found = asyncio.run(_status())
    click.echo(found.model_dump_json() if as_json else status_text(found))


def search_command(text: str, kind: str | None, project: str | None, limit: int, as_json: bool) -> None:
    """Print what the memory would hint at."""
    if not text.strip():
        raise InputError("there is nothing to search for: give a TEXT with at least one word.")
    hints = asyncio.run(_search(text, HintKind(kind) if kind else None, project, limit))
    if as_json:
        click.echo(json.dumps({"hints": [h.model_dump(mode="json") for h in hints]}, ensure_ascii=False))
    else:
        click.echo("\n".join(_line(hint) for hint in hints) or "Nothing like that is remembered.")


def expire_command(digest: str) -> None:
    """Let an entry be hinted at no more."""
    click.echo(f"expired {asyncio.run(_expire(digest))}")


def status_text(found: MemoryStatus) -> str:
    """One line about the memory."""
    if not found.on:
        return "off (PHOENIX_MEMORY=off)"
    entries = ", ".join(f"{number} {kind.value}" for kind, number in found.entries.items())
    late = f", {found.waiting} not embedded ('phoenix memory rebuild')" if found.waiting else ""
    return f"{found.embedder}: {entries}; {found.expired} expired{late}; index {found.index}"


def _line(hint: Hint) -> str:
    first = " ".join(hint.text.split())[:80]
    return f"{hint.entry[:12]}  {hint.score / 1000:.3f}  {hint.kind:<8} {hint.source.project:<20} {first}"


@asynccontextmanager
async def _memory() -> "AsyncIterator[Memory]":
    from services.database import Database
    from services.database_url import database_url
    from services.memory import Memory
    from services.telemetry import configure

    settings = read_settings()
    configure(settings)
    async with (
        database_url(settings) as url,
        await Database.open(url) as database,
        Memory(settings, database) as memory,
    ):
        yield memory


async def _rebuild() -> dict[str, Any]:
    async with _memory() as memory:
        return (await memory.rebuild()).model_dump()


async def _status() -> MemoryStatus:
    async with _memory() as memory:
        return await memory.status()


async def _search(text: str, kind: HintKind | None, project: str | None, limit: int) -> tuple[Hint, ...]:
    async with _memory() as memory:
        return await memory.search(kind, text, limit, project)


async def _expire(digest: str) -> str:
    async with _memory() as memory:
        return await memory.expire(digest)
