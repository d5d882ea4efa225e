"""phoenix approvals, approve, revise and reject: what waits for a decision, and the decision."""

import asyncio
import getpass
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from schemas.errors import InputError
from schemas.events import Decision
from services.settings import read_settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_NOT_OPEN = "'phoenix approvals' lists what is."


def approvals_command(identity: str | None, as_json: bool) -> None:
    """Print what waits for a decision, or all that was shown for one question."""
    if identity is None:
        waiting = asyncio.run(_waiting())
        click.echo(json.dumps({"approvals": waiting}) if as_json else _table(waiting))
    else:
        shown = asyncio.run(_shown(identity))
        click.echo(json.dumps(shown, ensure_ascii=False) if as_json else shown["shown"])


def decide_command(identity: str, decision: Decision, comment: str, as_json: bool) -> None:
    """Decide a question; the first decision is the one that counts.

    Raises:
        InputError: there is no such question, it expired, a revision says nothing, or somebody was first.
    """
    if decision == "revise" and not comment.strip():
        raise InputError("a revision needs to say what should change: --comment TEXT.")
    told = asyncio.run(_decide(identity, decision, comment.strip()))
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    click.echo(f"{told['gate']} of {told['project']}: {told['decision']} by {told['by']}")
    click.echo(f"Run {told['run']} goes on when its build command is typed again.", err=True)


@asynccontextmanager
async def _transaction() -> AsyncIterator["AsyncConnection"]:
    from services.database import Database
    from services.database_url import database_url

    async with (
        database_url(read_settings()) as url,
        await Database.open(url) as database,
        database.transaction() as conn,
    ):
        yield conn


async def _waiting() -> list[dict[str, Any]]:
    from services.database import approvals

    async with _transaction() as conn:
        found = await approvals.list_approvals(conn, undecided=True)
    now = datetime.now(UTC)
    return [
        {
            "id": asked.id,
            "project": asked.project,
            "run": asked.run,
            "gate": asked.gate,
            "asked_at": asked.asked_at.isoformat(timespec="seconds"),
            "waits_s": int((now - asked.asked_at).total_seconds()),
            "expires_at": asked.expires_at.isoformat(timespec="seconds") if asked.expires_at else None,
        }
        for asked in found
    ]


async def _shown(identity: str) -> dict[str, Any]:
    from services.database import approvals, store

    async with _transaction() as conn:
        asked = await approvals.get_approval(conn, identity)
        shown = (await store.get_artifact(conn, asked.shown)).decode()
    return {
        "id": asked.id,
        "project": asked.project,
        "run": asked.run,
        "gate": asked.gate,
        "decision": asked.decision,
        "by": asked.who,
        "comment": asked.comment,
        "shown": shown,
    }


async def _decide(identity: str, decision: Decision, comment: str) -> dict[str, Any]:
    from services.database import approvals

    who = getpass.getuser()
    async with _transaction() as conn:
        first = await approvals.decide(conn, identity, decision, who, comment)
        asked = await approvals.get_approval(conn, identity)
    if not first:
        raise InputError(
            f"approval {identity} was decided before: {asked.decision} by {asked.who}. {_NOT_OPEN}"
        )
    return {
        "id": asked.id,
        "project": asked.project,
        "run": asked.run,
        "gate": asked.gate,
        "decision": decision,
        "by": who,
    }


def _table(waiting: list[dict[str, Any]]) -> str:
    if not waiting:
        return "Nothing waits for a decision."
    rows = [("id", "project", "gate", "run", "waits")]
    rows += [(a["id"], a["project"], a["gate"], a["run"], _age(a["waits_s"])) for a in waiting]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    hint = (
        "See what was shown: phoenix approvals ID. Decide: phoenix approve|revise|reject ID [--comment TEXT]."
    )
    return "\n".join([*lines, hint])


def _age(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"
