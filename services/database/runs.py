"""Projects, runs, and the executions that carry them."""

import os
import re
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import Digest, Value
from schemas.brief import Brief
from schemas.errors import InputError, PhoenixError
from schemas.events import GENESIS, EventKind
from schemas.policy import Policy
from schemas.stateflow import TERMINAL, State
from services.database import ledger
from services.database.database import Database
from services.database.session_lock import lock_key, session_lock
from services.database.tables import BriefVersion, Execution, Project, RunRow

ACTOR = "phoenix"


class Run(Value):
    """A run, and whether it was found or opened."""

    id: str
    project: str
    brief: Digest
    policy: Digest
    state: State
    opened_at: datetime
    ended_at: datetime | None
    continued: bool = True


async def open_run(conn: AsyncConnection, brief: Brief, policy: Policy) -> Run:
    """The project's newest unfinished run of this brief and policy, else a new one; caps may differ."""
    await _write_brief(conn, brief)
    query = _runs().where(
        RunRow.project == brief.slug,
        RunRow.brief == brief.digest(),
        RunRow.policy == policy.digest(),
        RunRow.state.not_in(TERMINAL),
    )
    row = (await conn.execute(query.limit(1))).one_or_none()
    if row is None:
        return await _new_run(conn, brief, policy)
    continued = update(RunRow).where(RunRow.id == row.id)
    await conn.execute(continued.values(policy_body=policy.model_dump(mode="json")))
    return Run(**row._asdict())


async def _write_brief(conn: AsyncConnection, brief: Brief) -> None:
    project = insert(Project).values(slug=brief.slug, title=brief.title, head=GENESIS)
    await conn.execute(project.on_conflict_do_nothing())
    await conn.execute(ledger.lock_project(brief.slug))
    body = brief.model_dump(mode="json")
    version = insert(BriefVersion).values(project=brief.slug, digest=brief.digest(), brief=body)
    await conn.execute(version.on_conflict_do_nothing())


async def _new_run(conn: AsyncConnection, brief: Brief, policy: Policy) -> Run:
    run = {
        "id": uuid.uuid4().hex[:12],
        "project": brief.slug,
        "brief": brief.digest(),
        "policy": policy.digest(),
        "state": State.INITIALIZING,
    }
    opened = insert(RunRow).values(**run, policy_body=policy.model_dump(mode="json"))
    opened_at = (await conn.execute(opened.returning(RunRow.opened_at))).scalar_one()
    await ledger.append(
        conn,
        project=brief.slug,
        run=run["id"],
        execution="",
        kind=EventKind.RUN_OPENED,
        to_state=State.INITIALIZING,
        actor=ACTOR,
        payload={"brief": run["brief"], "policy": run["policy"]},
    )
    return Run(**run, opened_at=opened_at, ended_at=None, continued=False)


async def brief_of(conn: AsyncConnection, run: str) -> Brief:
    """The brief that a run was opened with."""
    matches = (RunRow.project == BriefVersion.project) & (RunRow.brief == BriefVersion.digest)
    query = select(BriefVersion.brief).join(RunRow, matches).where(RunRow.id == run)
    return Brief.model_validate((await conn.execute(query)).scalar_one())


async def policy_of(conn: AsyncConnection, run: str) -> Policy:
    """The policy that a run was last carried on with."""
    query = select(RunRow.policy_body).where(RunRow.id == run)
    return Policy.model_validate((await conn.execute(query)).scalar_one())


async def run_of_execution(conn: AsyncConnection, execution: str) -> str:
    """The run that an execution carries.

    Raises:
        InputError: there is no such execution.
    """
    run = (await conn.execute(select(Execution.run).where(Execution.id == execution))).scalar_one_or_none()
    if run is None:
        raise InputError(f"execution {execution} is not in this database. Check DATABASE_URL of the worker.")
    return run


async def open_execution(conn: AsyncConnection, run: str, flow_run_id: str | None = None) -> str:
    """The id of a new execution; the run goes back to INITIALIZING when it was further on.

    Raises:
        TransitionRefused: the run has ended.
    """
    found = select(RunRow.project, RunRow.state).where(RunRow.id == run)
    row = (await conn.execute(found.with_for_update(key_share=True))).one()
    numbers = select(func.coalesce(func.max(Execution.number), 0) + 1).where(Execution.run == run)
    number = (await conn.execute(numbers)).scalar_one()
    execution = f"{run}.{number}"
    host, pid = socket.gethostname(), os.getpid()
    opened = insert(Execution).values(
        id=execution, run=run, number=number, flow_run=flow_run_id, host=host, pid=pid
    )
    await conn.execute(opened)
    await ledger.append(
        conn,
        project=row.project,
        run=run,
        execution=execution,
        kind=EventKind.EXECUTION_OPENED,
        actor=ACTOR,
        payload={"number": number, "flow_run": flow_run_id, "host": host, "pid": pid},
    )
    if row.state != State.INITIALIZING:
        await ledger.transition(
            conn,
            run=run,
            execution=execution,
            outcome="again",
            target=State.INITIALIZING,
            actor=ACTOR,
            payload={},
        )
    return execution


async def end_execution(conn: AsyncConnection, execution: str, outcome: str) -> None:
    """Say how an execution ended; the first word stays."""
    ended = update(Execution).where(Execution.id == execution, Execution.ended_at.is_(None))
    row = await conn.execute(ended.values(ended_at=func.now(), outcome=outcome).returning(Execution.run))
    run = row.scalar_one_or_none()
    if run is None:
        return
    project = (await conn.execute(select(RunRow.project).where(RunRow.id == run))).scalar_one()
    await ledger.append(
        conn,
        project=project,
        run=run,
        execution=execution,
        kind=EventKind.ENDED,
        actor=ACTOR,
        payload={"outcome": outcome},
    )


@asynccontextmanager
async def executing(db: Database, run: str, flow_run_id: str | None = None) -> AsyncIterator[str]:
    """The id of an execution that alone carries the run, until the block or the process ends.

    Raises:
        InputError: another process carries the run.
    """
    async with session_lock(db.locks, lock_key("run", run), wait=False) as held:
        if not held:
            raise await _carried(db, run)
        async with db.transaction() as conn:
            execution = await open_execution(conn, run, flow_run_id)
        outcome = "done"
        try:
            yield execution
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            async with db.transaction() as conn:
                await end_execution(conn, execution, outcome)


async def _carried(db: Database, run: str) -> PhoenixError:
    newest = select(Execution.pid, Execution.host).where(Execution.run == run)
    async with db.transaction() as conn:
        row = (await conn.execute(newest.order_by(Execution.number.desc()).limit(1))).one_or_none()
    who = f" (pid {row.pid} on {row.host})" if row else ""
    return InputError(
        f"run {run} is being carried by another process{who}. "
        f"Wait for it, stop it, or look with 'phoenix status {run}'."
    )


async def find_run(conn: AsyncConnection, text: str) -> Run:
    """The newest run of a project's slug, or the run whose id begins with the text.

    Raises:
        InputError: no run, or more than one, is meant.
    """
    named = (await conn.execute(_runs().where(RunRow.project == text).limit(1))).one_or_none()
    if named:
        return Run(**named._asdict())
    prefix = text if re.fullmatch(r"[0-9a-f]{1,12}", text) else None
    rows = (await conn.execute(_runs().where(RunRow.id.startswith(prefix)).limit(2))).all() if prefix else ()
    if len(rows) == 1:
        return Run(**rows[0]._asdict())
    problem = f"{text!r} means more than one run" if rows else f"no run or project is called {text!r}"
    raise InputError(f"{problem}. 'phoenix status' lists the projects and their runs.")


async def list_runs(conn: AsyncConnection, project: str | None = None, limit: int = 100) -> list[Run]:
    """Runs, the newest first."""
    query = _runs().where(RunRow.project == project) if project else _runs()
    return [Run(**row._asdict()) for row in await conn.execute(query.limit(limit))]


async def finished_runs(conn: AsyncConnection, before: datetime) -> list[Run]:
    """The runs that ended for good before a time, the newest first."""
    query = _runs().where(RunRow.state.in_(TERMINAL), RunRow.ended_at < before)
    return [Run(**row._asdict()) for row in await conn.execute(query)]


async def flow_runs_of_finished(conn: AsyncConnection, before: datetime) -> dict[str, str]:
    """The Prefect flow runs that carried only runs that ended before a time, each with one of these runs."""
    ended = select(RunRow.id).where(RunRow.state.in_(TERMINAL), RunRow.ended_at < before)
    carried = select(Execution.flow_run, func.min(Execution.run)).where(Execution.flow_run.is_not(None))
    grouped = carried.group_by(Execution.flow_run).having(func.bool_and(Execution.run.in_(ended)))
    rows = await conn.execute(grouped.order_by(func.min(Execution.opened_at)))
    return {str(flow_run): run for flow_run, run in rows}


def _runs() -> Select[str, str, str, str, str, datetime, datetime | None]:
    columns = (RunRow.id, RunRow.project, RunRow.brief, RunRow.policy, RunRow.state)
    return select(*columns, RunRow.opened_at, RunRow.ended_at).order_by(RunRow.number.desc())
