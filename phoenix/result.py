"""What a run came to, as one JSON object: the contract that scripts and CI rely on."""

from collections import Counter
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.answered import read_answer
from schemas.events import Event, EventKind
from schemas.failure import Evidence
from schemas.full import ItemDone
from schemas.policy import plain
from schemas.stages import Build, ReleaseTree, SecurityAudit, StageAnswer, Triage
from schemas.stateflow import State
from schemas.verdict import Status
from services.database import Database, approvals, items, ledger, releases, runs, store, usage

_TOLD = (State.TRIAGE, State.SECURITY_AUDIT, State.AGGREGATION, State.GENERATE_DEPLOYMENT_ARTIFACTS)
"""The states whose answers the result is made of."""


async def result_of(
    database: Database,
    run: str,
    message: str | None = None,
    path: str | None = None,
    report: str | None = None,
) -> dict[str, Any]:
    """The result of a run so far; what was not measured is null."""
    async with database.transaction() as conn:
        found = await runs.find_run(conn, run)
        events = await ledger.events(conn, run=run)
        told = await answers(conn, events)
        spent = await usage.run_usage(conn, run)
        asked = await approvals.list_approvals(conn, run=run)
        release = await _release(conn, found, path)
        listed = await _items(conn, found)
    triage = told.get(State.TRIAGE)
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
        "items": listed,
        "gates": [{"gate": a.gate, "decision": a.decision, "by": a.who} for a in asked if not a.over()],
        "verdicts": _verdicts(told),
        "report": report,
        "message": message or _message(events),
    }


async def answers(conn: AsyncConnection, events: list[Event]) -> dict[State, StageAnswer | Evidence]:
    """The newest answer of each stage that did not fail."""
    keys = {
        e.from_state: e.payload["key"]
        for e in events
        if e.kind is EventKind.LEFT and e.from_state in _TOLD and e.payload["outcome"] != "failed"
    }
    known = await store.get_results(conn, keys.values())
    bodies = await store.get_artifacts(conn, [k.answer for k in known.values()])
    return {
        state: read_answer(state, known[key].outcome, bodies[known[key].answer])
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


async def _items(conn: AsyncConnection, run: runs.Run) -> list[dict[str, Any]]:
    """The run's work items; what an item's own answers do not tell yet is null."""
    planned = await items.planned_items(conn, run.id)
    accepted = await items.accepted_generations(conn, run.project, [item.key for item in planned])
    bodies = await store.get_artifacts(conn, [a.evidence for a in accepted.values()])
    return [_item(item, run.id, accepted.get(item.key), bodies) for item in planned]


def _item(
    item: items.PlannedItem, run: str, accepted: items.Accepted | None, bodies: dict[str, bytes]
) -> dict[str, Any]:
    done = ItemDone.model_validate_json(bodies[accepted.evidence]) if accepted else None
    return {
        "id": item.id,
        "title": item.title,
        "key": item.key,
        "status": "accepted" if done else "in progress",
        "rebuilt": accepted.run == run if accepted else None,
        "reason": item.reason,
        "attempts": done.attempts if done else None,
        "verdict": f"{done.verdict.status} ({done.verdict.level})" if done else None,
        "mutation_score": done.mutation_score() if done else None,
        "audit_cases": done.audit.cases() if done else None,
    }


def _verdicts(told: dict[State, StageAnswer | Evidence]) -> dict[str, Any]:
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
