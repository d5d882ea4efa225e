"""Everything about a run, gathered from the database into plain values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from flows.trailers import GATE, human_subject
from schemas.answered import ANSWERS, read_answer
from schemas.brief import Brief
from schemas.budget import BudgetState, budgets_of
from schemas.events import Event, EventKind
from schemas.failure import Evidence
from schemas.policy import Policy
from schemas.stages import ReleaseTree, StageAnswer
from schemas.stateflow import STAGES, State
from services.database import Database, approvals, budgets, items, ledger, releases, runs, store, usage

Answer = StageAnswer | Evidence
Place = tuple[State, str | None]
"""A state, and the item that is in it."""


@dataclass(frozen=True)
class Visit:
    """One visit of a stage."""

    state: State
    item: str | None
    began: datetime
    ended: datetime
    outcome: str | None
    """None while it goes on, and when its process died."""
    cached: bool
    key: str | None
    named: str | None = None
    """The artifact of the answer, where the event names it."""
    answer: Answer | None = None
    """None when there is none, or when this version cannot read it."""

    @property
    def failed(self) -> bool:
        """Whether the stage itself failed."""
        return self.outcome == "failed"


@dataclass(frozen=True)
class Gate:
    """A question to a human with what was shown."""

    asked: approvals.Asked
    shown: str


@dataclass(frozen=True)
class Story:
    """All that the report tells."""

    run: runs.Run
    brief: Brief
    policy: Policy
    events: tuple[Event, ...]
    visits: tuple[Visit, ...]
    planned: tuple[items.PlannedItem, ...]
    accepted: dict[str, items.Accepted]
    """The current generation of each planned item's key."""
    spent: usage.RunUsage
    budgets: tuple[BudgetState, ...]
    """Those of the run, its project and today."""
    agents: tuple[usage.AgentUsage, ...]
    calls: tuple[usage.Asked, ...]
    gates: tuple[Gate, ...]
    release: releases.Release | None

    def answers(self) -> dict[Place, StageAnswer]:
        """The newest answer of each state and item that is not a failure."""
        told = [v for v in self.visits if v.answer is not None and not isinstance(v.answer, Evidence)]
        return {(v.state, v.item): v.answer for v in told if isinstance(v.answer, StageAnswer)}


async def gather(database: Database, run: str) -> Story:
    """The story of the run that is meant by an id, the beginning of one, or a project.

    Raises:
        InputError: no run, or more than one, is meant.
    """
    async with database.transaction() as conn:
        found = await runs.find_run(conn, run)
        events = await ledger.events(conn, run=found.id)
        planned = await items.planned_items(conn, found.id)
        visits = await _answered(conn, visits_of(events))
        mine = [r for r in await releases.list_releases(conn, found.project) if r.run == found.id]
        brief, policy = await runs.brief_of(conn, found.id), await runs.policy_of(conn, found.id)
        applied = budgets_of(found.id, brief, policy)
        return Story(
            run=found,
            brief=brief,
            policy=policy,
            events=tuple(events),
            visits=visits,
            planned=tuple(planned),
            accepted=await items.accepted_generations(conn, found.project, [p.key for p in planned]),
            spent=await usage.run_usage(conn, found.id),
            budgets=tuple(await budgets.budget_states(conn, applied)),
            agents=tuple(await usage.usage_by_agent(conn, found.id)),
            calls=tuple(await usage.asked(conn, found.id)),
            gates=await _gates(conn, found, visits),
            release=mine[0] if mine else None,
        )


def visits_of(events: Sequence[Event]) -> list[Visit]:
    """The visits that events tell of, in the order of their ends; answers are not looked up yet."""
    visits: list[Visit] = []
    inside: dict[Place, datetime] = {}
    for event in events:
        at = datetime.fromisoformat(event.at)
        item = event.payload.get("item")
        match event.kind:
            case EventKind.EXECUTION_OPENED | EventKind.ENDED:
                visits += _lost(inside, at)
                inside.clear()
                if event.kind is EventKind.EXECUTION_OPENED:
                    inside[State.INITIALIZING, None] = at
            case EventKind.ENTERED if event.to_state in STAGES:
                inside[event.to_state, item] = at
            case EventKind.LEFT if event.from_state in STAGES:
                began = inside.pop((event.from_state, item), at)
                visits.append(_visit(event.from_state, item, began, at, event))
    last = datetime.fromisoformat(events[-1].at) if events else None
    return visits + (_lost(inside, last) if last else [])


def _visit(state: State, item: str | None, began: datetime, ended: datetime, event: Event) -> Visit:
    told = event.payload
    return Visit(
        state, item, began, ended, told["outcome"], bool(told["cached"]), told["key"], told.get("answer")
    )


def _lost(inside: dict[Place, datetime], at: datetime) -> list[Visit]:
    return [Visit(state, item, began, at, None, False, None) for (state, item), began in inside.items()]


async def _answered(conn: AsyncConnection, visits: Iterable[Visit]) -> tuple[Visit, ...]:
    listed = list(visits)
    known = await store.get_results(conn, [v.key for v in listed if v.key and not v.named])
    by_key = {v.key: v.named for v in listed if v.named} | {key: k.answer for key, k in known.items()}
    named = [replace(v, named=v.named or by_key.get(v.key)) for v in listed]
    bodies = await store.get_artifacts(conn, {v.named for v in named if v.named})
    read: dict[tuple[State, str], Answer | None] = {}
    for visit in named:
        if visit.named and visit.state in ANSWERS and (visit.state, visit.named) not in read:
            read[visit.state, visit.named] = _read(visit, bodies[visit.named])
    return tuple(replace(v, answer=read.get((v.state, v.named))) if v.named else v for v in named)


def _read(visit: Visit, body: bytes) -> Answer | None:
    try:
        return read_answer(visit.state, visit.outcome or "", body)
    except ValidationError:
        return None


async def _gates(conn: AsyncConnection, run: runs.Run, visits: Iterable[Visit]) -> tuple[Gate, ...]:
    """This run's questions, and those of earlier runs that decided about its tree."""
    asked = {a.id: a for a in await approvals.list_approvals(conn, run=run.id)}
    trees = {v.answer.digest_of_tree for v in visits if isinstance(v.answer, ReleaseTree)}
    for subject in sorted({s for tree in trees for s in (tree, human_subject(tree))}):
        earlier = await approvals.decision_for(conn, run.project, GATE, subject)
        if earlier and earlier.id not in asked:
            asked[earlier.id] = earlier
    bodies = await store.get_artifacts(conn, [a.shown for a in asked.values()])
    ordered = sorted(asked.values(), key=lambda a: a.asked_at)
    return tuple(Gate(a, bodies[a.shown].decode("utf-8", "replace")) for a in ordered)
