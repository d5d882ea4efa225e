"""phoenix status: where projects and runs stand."""

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from schemas.budget import budgets_of
from schemas.policy import plain
from services.settings import Settings, read_settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.database.runs import Run


def status_command(name: str | None, as_json: bool) -> None:
    """Print the projects, or one run."""
    found = asyncio.run(_status(name))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    elif name is None:
        click.echo(_table(found["projects"]))
    else:
        click.echo(_run_text(found))


async def _status(name: str | None) -> dict[str, Any]:
    from phoenix.result import result_of
    from services.database import Database, ledger, runs, usage
    from services.database_url import database_url

    settings = read_settings()
    async with database_url(settings) as url, await Database.open(url) as database:
        if name is None:
            return {"projects": await _projects(database)}
        async with database.transaction() as conn:
            run = await runs.find_run(conn, name)
            events = await ledger.events(conn, run=run.id)
            money = await _money(conn, run, settings)
            asked = await usage.asked(conn, run.id)
        result = await result_of(database, run.id)
        steps = [
            {
                "state": e.from_state,
                "item": e.payload.get("item"),
                "outcome": e.payload["outcome"],
                "cached": e.payload["cached"],
                "at": e.at,
            }
            for e in events
            if e.kind == "left"
        ]
        calls = [{**call.model_dump(), "cost_usd": plain(call.cost_usd)} for call in asked]
        return {**result, "steps": steps, "calls": calls, **money}


async def _money(conn: "AsyncConnection", run: "Run", settings: Settings) -> dict[str, Any]:
    """The budgets that apply to the run's next call, and what is still to come."""
    from flows.remaining import remaining
    from services.database import budgets, runs

    brief, policy = await runs.brief_of(conn, run.id), await runs.policy_of(conn, run.id)
    states = await budgets.budget_states(conn, budgets_of(run.id, brief, policy))
    rest = await remaining(conn, run, settings)
    return {
        "budgets": [
            {
                "scope": state.scope,
                "key": state.key,
                "cap": plain(state.cap) if state.cap is not None else None,
                "spent": plain(state.spent),
                "reserved": plain(state.reserved),
            }
            for state in states
        ],
        "remaining": {
            **rest.model_dump(),
            "cost_usd": [plain(cost) for cost in rest.cost_usd] if rest.cost_usd else None,
        }
        if rest
        else None,
    }


async def _projects(database: Any) -> list[dict[str, Any]]:
    from services.database import budgets, releases, runs, usage

    rows: dict[str, dict[str, Any]] = {}
    async with database.transaction() as conn:
        latest = await releases.latest_releases(conn)
        projects = await budgets.spent_by_project(conn)
        for run in await runs.list_runs(conn):
            if run.project not in rows:
                spent = await usage.run_usage(conn, run.id)
                release = latest.get(run.project)
                rows[run.project] = {
                    "project": run.project,
                    "release": release.version if release else None,
                    "run": run.id,
                    "state": run.state.value,
                    "cost_usd": plain(spent.cost_usd),
                    "project_cost_usd": plain(projects.get(run.project, Decimal(0))),
                    "opened": run.opened_at.isoformat(timespec="seconds"),
                }
    return list(rows.values())


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "No projects yet. Type: phoenix demo, or: phoenix build BRIEF"
    head = ("project", "release", "run", "state", "cost_usd", "project_cost_usd", "opened")
    cells = [head, *(tuple(str(row[h] or "–") for h in head) for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(head))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _run_text(found: dict[str, Any]) -> str:
    models = found["models"]
    lines = [f"run {found['run']} of {found['project']}: {found['state']}", f"  {found['message']}"]
    lines += [
        f"  {step['at'][:19]}  {_step(step):<30} {step['outcome']}{' (known)' if step['cached'] else ''}"
        for step in found["steps"]
    ]
    cost = f"{models['cost_usd']} USD, {models['calls']} calls, {models['replayed']} from the ledger"
    lines.append(f"  models: {cost}")
    lines += [f"  budget {_budget(state)}" for state in found["budgets"]]
    lines.append(f"  to come: {_to_come(found['remaining'])}")
    lines += [
        f"  gate {g['gate']}: {g['decision'] or 'waiting'} {g['by'] or ''}".rstrip() for g in found["gates"]
    ]
    if found["release"]:
        lines.append(f"  release {found['release']['version']}, commit {found['release']['commit'][:12]}")
    return "\n".join(lines)


def _budget(state: dict[str, Any]) -> str:
    cap = "no cap" if state["cap"] is None else f"cap {state['cap']} USD"
    held = f", {state['reserved']} USD reserved for calls in flight" if state["reserved"] != "0" else ""
    return f"{state['scope']} {state['key']}: {state['spent']} USD spent, {cap}{held}"


def _to_come(rest: dict[str, Any] | None) -> str:
    if rest is None:
        return "not known"
    cost = " to ".join(rest["cost_usd"]) + " USD" if rest["cost_usd"] else "at a price that is not known"
    return f"{rest['calls'][0]} to {rest['calls'][1]} calls, {cost}"


def _step(step: dict[str, Any]) -> str:
    return f"{step['item'] or ''} {step['state']}".strip()
