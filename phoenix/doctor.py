"""phoenix doctor: one line and one remedy for each part."""

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from schemas.errors import PhoenixError, Unreachable
from schemas.policy import Policy
from services.settings import Settings, read_settings


@dataclass(frozen=True)
class Part:
    """One part of the platform."""

    name: str
    state: str
    """ok, missing or not set."""
    detail: str


Check = Callable[[Settings], Awaitable[str]]


def doctor_command(as_json: bool) -> int:
    """Check every part; 0 when all that is needed is there, else 7."""
    parts = asyncio.run(_check_all(read_settings()))
    if as_json:
        click.echo(json.dumps({"parts": [asdict(p) for p in parts]}, ensure_ascii=False))
    else:
        marks = {"ok": "✓", "missing": "✗", "not set": "·"}
        click.echo("\n".join(f"{marks[p.state]} {p.name:<12} {p.detail}" for p in parts))
    return Unreachable.exit_code if any(p.state == "missing" for p in parts) else 0


async def _check_all(settings: Settings) -> list[Part]:
    checks: dict[str, Check] = {
        "home": _home,
        "git": _git,
        "sandbox": _sandbox,
        "tools": _tools,
        "database": _database,
        "memory": _memory,
        "prefect": _prefect,
        "limits": _limits,
        "model": _model,
    }
    return [*_settings(settings), *[await _part(name, check, settings) for name, check in checks.items()]]


async def _part(name: str, check: Check, settings: Settings) -> Part:
    try:
        return Part(name, "ok", await check(settings))
    except PhoenixError as error:
        state = "not set" if name == "model" and not any(_named(settings)) else "missing"
        return Part(name, state, str(error))


def _named(settings: Settings) -> tuple[str | None, ...]:
    return settings.model, settings.model_fast, settings.model_standard, settings.model_strong


def _settings(settings: Settings) -> list[Part]:
    dotenv = Path(".env").read_text(encoding="utf-8") if Path(".env").is_file() else ""
    parts = []
    for name, info in Settings.model_fields.items():
        variable, value = str(info.alias), getattr(settings, name)
        place = "environment" if variable in os.environ else ".env" if f"{variable}=" in dotenv else "default"
        if place != "default":
            parts.append(Part("setting", "ok", f"{variable}={value} ({place})"))
    return parts


async def _home(settings: Settings) -> str:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        probe = settings.home / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Unreachable(
            f"{settings.home} cannot be written ({error.strerror}). Set PHOENIX_HOME to a folder of yours."
        ) from None
    free = shutil.disk_usage(settings.home).free // 2**20
    return f"{settings.home}, {free:,} MiB free"


async def _git(settings: Settings) -> str:
    found = shutil.which("git")
    if not found:
        raise Unreachable("git is not installed. Type: apt-get install git")
    return found


async def _sandbox(settings: Settings) -> str:
    from services.sandbox import open_sandbox

    place = (await open_sandbox()).confinement
    return f"{place.backend}, level {place.level}; not guaranteed: {', '.join(place.missing) or 'nothing'}"


async def _tools(settings: Settings) -> str:
    from services.toolchain import tool_environment

    return str(await tool_environment(settings.cache))


async def _database(settings: Settings) -> str:
    from services.database import Database, migrate
    from services.database_url import database_url

    async with database_url(settings) as url, await Database.open(url):
        found = await migrate.current(url)
    source = "DATABASE_URL" if settings.database_url else "embedded"
    return f"PostgreSQL ({source}), revision {found.database}"


async def _memory(settings: Settings) -> str:
    from phoenix.memory import status_text
    from services.database import Database
    from services.database_url import database_url
    from services.memory import Memory

    async with (
        database_url(settings) as url,
        await Database.open(url) as database,
        Memory(settings, database) as memory,
    ):
        return status_text(await memory.status())


async def _prefect(settings: Settings) -> str:
    from services.local.prefect_server import prefect_server

    async with prefect_server(settings) as server:
        how = "started for this check" if server.started_by_us else "running"
        return f"{server.url}, {how}"


async def _limits(settings: Settings) -> str:
    from services.redis import Redis

    limited = "; ".join(f"{pattern}: {limit.text()}" for pattern, limit in settings.rate_limits.items())
    what = limited or "none set"
    if settings.redis_url is None:
        return f"{what}; kept by each process for itself (REDIS_URL is not set)"
    redis = Redis(settings.redis_url)
    try:
        await redis.check()
    finally:
        await redis.close()
    return f"{what}; shared through Redis at {redis.place}"


async def _model(settings: Settings) -> str:
    from services.database import Database
    from services.database_url import database_url
    from services.models import Models

    names = Policy(models=settings.models(), pins=settings.pins()).model_names()
    async with (
        database_url(settings) as url,
        await Database.open(url) as database,
        Models(settings, database) as models,
    ):
        for name in names:
            await models.check(name)
    return ", ".join(names)
