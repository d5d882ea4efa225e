"""What a run came to, as one JSON object: the contract that scripts and CI rely on."""

from collections import Counter
from typing import Any

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.events import Event, EventKind
from schemas.lite import Green, Plan
from schemas.policy import plain
from schemas.stages import Build, ReleaseTree, SecurityAudit, Triage
from schemas.stateflow import State
from schemas.verdict import Status
from services.database import Database, approvals, items, ledger, releases, runs, store, usage

_FORMS: dict[State, type[BaseModel]] = {
    State.TRIAGE: Triage,
    State.PLAN_AND_TEST: Plan,
    State.IMPLEMENT_AND_FIX: Green,
    State.SECURITY_AUDIT: SecurityAudit,
    State.AGGREGATION: Build,
    State.GENERATE_DEPLOYMENT_ARTIFACTS: ReleaseTree,
}


async def result_of(
    database: Database, run: str, message: str | None = None, path: str | None = None
) -> dict[str, Any]:
    """The result of a run so far; what was not measured is null."""
    async with database.transaction() as conn:
        found = await runs.find_run(conn, run)
        events = await ledger.events(conn, run=run)
        told = await answers(conn, events)
        spent = await usage.run_usage(conn, run)
        asked = await approvals.list_approvals(conn, run=run)
        release = await _release(conn, found, path)
        planned = await items.planned_items(conn, run)
    triage, plan = told.get(State.TRIAGE), told.get(State.PLAN_AND_TEST)
    return {
        "run": run,
        "project": found.project,
        "mode": triage.outcome if isinstance(triage, Triage) else None,
        "state": found.state.value,
        "release": release,
        "models": {
            "calls": spent.calls,
            "replayed": spent.replayed,
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
            "cost_usd": plain(spent.cost_usd),
        },
        "items": [_item(plan, told, planned, found.state)] if isinstance(plan, Plan) else [],
        "gates": [{"gate": a.gate, "decision": a.decision, "by": a.who} for a in asked],
        "verdicts": _verdicts(told),
        "report": None,
        "message": message or _message(events),
    }


async def answers(conn: AsyncConnection, events: list[Event]) -> dict[State, BaseModel]:
    """The newest answer of each stage that did not fail."""
    keys = {
        e.from_state: e.payload["key"]
        for e in events
        if e.kind is EventKind.LEFT and e.from_state in _FORMS and e.payload["outcome"] != "failed"
    }
    known = await store.get_results(conn, keys.values())
    bodies = await store.get_artifacts(conn, [k.answer for k in known.values()])
    return {
        state: _FORMS[state].model_validate_json(bodies[known[key].answer])
        for state, key in keys.items()
        if state is not None and key in known
    }


async def _release(conn: AsyncConnection, run: runs.Run, path: str | None) -> dict[str, Any] | None:
    if run.state is not State.COMPLETED:
        return None
    mine = [r for r in await releases.list_releases(conn, run.project) if r.run == run.id]
    release = mine[0] if mine else await releases.get_release(conn, run.project)
    if release is None:
        return None
    return {"version": release.version, "path": path, "commit": release.commit, "tree": release.tree}


def _item(
    plan: Plan, told: dict[State, BaseModel], planned: list[items.PlannedItem], state: State
) -> dict[str, Any]:
    green, build = told.get(State.IMPLEMENT_AND_FIX), told.get(State.AGGREGATION)
    item = planned[0] if planned else None
    return {
        "id": item.id if item else "WI-1",
        "title": plan.srs.title,
        "key": item.key if item else None,
        "status": "accepted" if state is State.COMPLETED else "in progress",
        "rebuilt": item is not None,
        "reason": item.reason if item else None,
        "attempts": green.attempts if isinstance(green, Green) else None,
        "verdict": f"{build.verdict.status} ({build.verdict.level})" if isinstance(build, Build) else None,
        "mutation_score": None,
        "audit_cases": None,
    }


def _verdicts(told: dict[State, BaseModel]) -> dict[str, Any]:
    build = told.get(State.AGGREGATION)
    tests = build.verdict.tests if isinstance(build, Build) else ()
    counts = Counter(t.outcome for t in tests)
    parts = [
        v
        for a in told.values()
        for v in (
            a.verdicts if isinstance(a, SecurityAudit) else a.checks if isinstance(a, ReleaseTree) else ()
        )
    ]
    return {
        "tests": len(tests) if isinstance(build, Build) else None,
        "passed": counts["passed"] if isinstance(build, Build) else None,
        "failed": counts["failed"] if isinstance(build, Build) else None,
        "not_run": [v.subject for v in parts if v.status is Status.NOT_RUN],
        "coverage": None,
    }


def _message(events: list[Event]) -> str:
    halts = [e for e in events if e.kind is EventKind.HALTED]
    states = [e.to_state for e in events if e.kind is EventKind.ENTERED]
    if states and states[-1] is State.HALTED and halts:
        return str(halts[-1].payload["message"])
    executions = sum(e.kind is EventKind.EXECUTION_OPENED for e in events)
    return f"{len(events)} events in {executions} execution(s)"
