"""The append-only ledger: one hash chain per project, written in the transaction of what it announces."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import canonical_json
from schemas.errors import InputError, PhoenixError, TransitionRefused
from schemas.events import GENESIS, Event, EventKind
from schemas.stateflow import TERMINAL, State, allowed
from services.database.tables import EventRow, Project, RunRow

_APPEND = text("""
WITH chain AS MATERIALIZED (
    SELECT sequence + 1 AS sequence, head FROM projects WHERE slug = :project FOR NO KEY UPDATE
), marked AS (
    SELECT sequence, head, encode(sha256(convert_to(
        :before || head || :between || sequence || :after, 'UTF8')), 'hex') AS hash FROM chain
), moved AS (
    UPDATE projects SET sequence = marked.sequence, head = marked.hash FROM marked WHERE slug = :project
)
INSERT INTO events (project, sequence, run, execution, kind, from_state, to_state, actor, payload, at,
    previous, hash)
SELECT :project, sequence, :run, :execution, :kind, :from_state, :to_state, :actor, CAST(:payload AS jsonb),
    :at, head, hash FROM marked
""")


async def append(
    conn: AsyncConnection,
    *,
    project: str,
    run: str,
    execution: str,
    kind: EventKind,
    actor: str,
    payload: dict[str, Any],
    from_state: State | None = None,
    to_state: State | None = None,
) -> None:
    """Append an event to its project's chain, in one statement; the project's row stays locked until the
    commit, so this comes last in a transaction that others might wait for."""
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    first = {
        "actor": _storable(actor),
        "at": at,
        "execution": execution,
        "from_state": from_state,
        "kind": kind,
    }
    row = {**first, "project": project, "run": run, "to_state": to_state}
    body = canonical_json(_storable(payload)).decode()
    # The event in its canonical form (Event.hash), but for the two fields that the chain decides.
    before = canonical_json(first).decode()[:-1] + f',"payload":{body},"previous":"'
    between = '",' + canonical_json({"project": project, "run": run}).decode()[1:-1] + ',"sequence":'
    after = "," + canonical_json({"to_state": to_state}).decode()[1:]
    done = await conn.execute(
        _APPEND, {**row, "payload": body, "before": before, "between": between, "after": after}
    )
    if done.rowcount == 0:
        raise InputError(f"no project {project!r} in this database. 'phoenix status' lists the projects.")


def lock_project(project: str) -> Select[int, str]:
    """The query that gives a chain's head and locks its project's row until the commit."""
    head = select(Project.sequence, Project.head).where(Project.slug == project)
    return head.with_for_update(key_share=True)


async def transition(
    conn: AsyncConnection,
    *,
    run: str,
    execution: str,
    outcome: str,
    target: State,
    actor: str,
    payload: dict[str, Any],
) -> None:
    """Move a run to its next state and announce it.

    Raises:
        TransitionRefused: the StateFlow table does not allow it from the run's present state.
    """
    found = select(RunRow.project, RunRow.state).where(RunRow.id == run)
    row = (await conn.execute(found.with_for_update(key_share=True))).one_or_none()
    if row is None:
        raise InputError(f"no run {run!r} in this database. 'phoenix status' lists the runs.")
    origin = State(row.state)
    if not allowed(origin, outcome, target):
        raise TransitionRefused(
            f"run {run}: the StateFlow does not allow {origin} --{outcome}--> {target}; "
            "schemas/stateflow.py holds what it allows."
        )
    changed: dict[str, Any] = {"state": target}
    if target in TERMINAL:
        changed["ended_at"] = datetime.now(UTC)
    await conn.execute(update(RunRow).where(RunRow.id == run).values(**changed))
    await append(
        conn,
        project=row.project,
        run=run,
        execution=execution,
        kind=EventKind.ENTERED,
        from_state=origin,
        to_state=target,
        actor=actor,
        payload={**payload, "outcome": outcome},
    )


async def item_transition(
    conn: AsyncConnection,
    *,
    project: str,
    run: str,
    execution: str,
    item: str,
    origin: State,
    outcome: str,
    target: State,
    actor: str,
) -> None:
    """Announce that a work item of a run has moved.

    Raises:
        TransitionRefused: the StateFlow table does not allow it.
    """
    if not allowed(origin, outcome, target):
        raise TransitionRefused(
            f"run {run}, {item}: the StateFlow does not allow {origin} --{outcome}--> {target}."
        )
    await append(
        conn,
        project=project,
        run=run,
        execution=execution,
        kind=EventKind.ENTERED,
        from_state=origin,
        to_state=target,
        actor=actor,
        payload={"item": item, "outcome": outcome},
    )


async def events(
    conn: AsyncConnection,
    *,
    run: str | None = None,
    project: str | None = None,
    after: int = 0,
    kinds: Iterable[EventKind] = EventKind,
) -> list[Event]:
    """The events of a run, a project, or all, after a sequence, in the order of their chains."""
    query = select(EventRow).order_by(EventRow.project, EventRow.sequence)
    query = query.where(EventRow.sequence > after, EventRow.kind.in_(tuple(kinds)))
    if run is not None:
        query = query.where(EventRow.run == run)
    if project is not None:
        query = query.where(EventRow.project == project)
    return [_event(row) for row in await conn.execute(query)]


async def verify_chain(conn: AsyncConnection, project: str) -> int:
    """The number of a project's events, after every hash was computed again.

    Raises:
        PhoenixError: the chain is broken; the message names the sequence where.
    """
    head = select(Project.sequence, Project.head).where(Project.slug == project)
    expected = (await conn.execute(head.with_for_update(read=True))).one()
    previous, sequence = GENESIS, 0
    query = select(EventRow).where(EventRow.project == project).order_by(EventRow.sequence)
    for row in await conn.execute(query):
        sequence += 1
        event = _event(row)
        if row.sequence != sequence or event.previous != previous or event.hash() != row.hash:
            raise _broken(project, min(sequence, row.sequence))
        previous = row.hash
    if (sequence, previous) != (expected.sequence, expected.head):
        raise _broken(project, sequence + 1)
    return sequence


def _broken(project: str, sequence: int) -> PhoenixError:
    return PhoenixError(
        f"the ledger of project {project!r} is broken at event {sequence}: it was changed outside Phoenix. "
        "Restore the database from a backup."
    )


def _event(row: Row[Any]) -> Event:
    return Event.model_validate({name: getattr(row, name) for name in Event.model_fields})


def _storable(value: Any) -> Any:
    """The value without what PostgreSQL cannot store in a text: NUL characters and lone surrogates."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_storable(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value
