"""phoenix history: what became of a project, run by run."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import click

from schemas.policy import plain
from services.settings import read_settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.database.releases import Release
    from services.database.runs import Run

_COLUMNS = {
    "when": "when", "run": "run", "changed": "changed", "state": "state", "version": "version",
    "rebuilt": "items", "calls": "calls", "cost_usd": "USD", "approver": "approver", "commit": "commit",
}  # fmt: skip


def history_command(project: str, as_json: bool) -> None:
    """Print a project's runs and releases, the oldest first."""
    found = asyncio.run(_history(project))
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else _table(found["history"]))


async def _history(project: str) -> dict[str, Any]:
    from services.database import Database, releases, runs
    from services.database_url import database_url

    async with (
        database_url(read_settings()) as url,
        await Database.open(url) as database,
        database.transaction() as conn,
    ):
        slug = (await runs.find_run(conn, project)).project
        listed = (await runs.list_runs(conn, slug, limit=10_000))[::-1]
        made = (await releases.list_releases(conn, slug))[::-1]
        lines, before = [], None
        for run in listed:
            mine: list[Release | None] = [r for r in made if r.run == run.id]
            lines += [await _line(conn, run, release, before) for release in mine or [None]]
            before = run
    return {"project": slug, "history": lines}


async def _line(
    conn: "AsyncConnection", run: "Run", release: "Release | None", before: "Run | None"
) -> dict[str, Any]:
    from services.database import approvals, items, usage

    spent = await usage.run_usage(conn, run.id)
    planned = await items.planned_items(conn, run.id)
    made = await items.generated_keys(conn, run.id)
    decided = [a for a in await approvals.list_approvals(conn, run=run.id) if a.decision == "approve"]
    return {
        "when": (release.released_at if release else run.opened_at).isoformat(timespec="seconds"),
        "run": run.id,
        "changed": _changed(run, before),
        "state": run.state.value,
        "version": release.version if release else None,
        "rebuilt": sum(p.key in made for p in planned) if planned else None,
        "items": len(planned) if planned else None,
        "calls": spent.calls,
        "replayed": spent.replayed,
        "cost_usd": plain(spent.cost_usd),
        "approver": decided[-1].who if decided and release else None,
        "commit": release.commit if release else None,
    }


def _changed(run: "Run", before: "Run | None") -> str:
    if before is None:
        return "first run"
    changed = [name for name in ("brief", "policy") if getattr(run, name) != getattr(before, name)]
    return " and ".join(changed) or "nothing"


def _table(lines: list[dict[str, Any]]) -> str:
    rows = [tuple(_COLUMNS.values()), *(tuple(_cell(line, key) for key in _COLUMNS) for line in lines)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_COLUMNS))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _cell(line: dict[str, Any], key: str) -> str:
    value = line[key]
    if value is None:
        return "–"
    if key == "rebuilt":
        return f"{value} of {line['items']}"
    return str(value)[:12] if key == "commit" else str(value)[:19] if key == "when" else str(value)
