"""The report's three pictures, made from a run's story."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from phoenix.report.data import Gate, Story, Visit
from phoenix.report.facts import item_lines
from phoenix.report.svg_graph import Node, plan_graph
from phoenix.report.svg_states import state_diagram, title
from phoenix.report.svg_timeline import Row, Span, duration, timeline
from schemas.events import EventKind
from schemas.stateflow import CHILDREN, State, Transition

_STEPS = {
    State.GENERATE_TESTS: "tests",
    State.IMPLEMENT_CODE: "code",
    State.AUDIT_CODE: "audit",
    State.REFACTOR_CODE: "refactor",
}


def states_picture(story: Story) -> str:
    """The StateFlow with the way that the run took."""
    visits = Counter(v.state for v in story.visits)
    failed = Counter(v.state for v in story.visits if v.failed)
    ways = [
        Transition(e.from_state, str(e.payload["outcome"]), e.to_state)
        for e in story.events
        if e.kind is EventKind.ENTERED and e.from_state and e.to_state and "outcome" in e.payload
    ]
    for parent, children in CHILDREN.items():
        visits[parent] = max(sum(w.target is parent and w.origin not in children for w in ways), 0)
    visits += Counter(w.target for w in ways if w.target is story.run.state and w.target not in visits)
    if any(w.target is State.HALTED for w in ways):
        visits[State.HALTED] = sum(w.target is State.HALTED for w in ways)
    return state_diagram(visits, ways, failed, story.run.state)


def timeline_picture(story: Story) -> str:
    """When each stage and each item was at work, and how long a human was waited for."""
    rows = [_stage_row(state, story.visits) for state in _order(v for v in story.visits if v.item is None)]
    rows += [_item_row(line.id, line.title, story.visits) for line in item_lines(story)]
    rows += [_gate_row(story, gate) for gate in story.gates if gate.asked.run == story.run.id]
    return timeline(sorted((r for r in rows if r.spans), key=lambda r: r.spans[0].began))


def plan_picture(story: Story) -> str:
    """The work items and what they build on."""
    return plan_graph(
        [Node(line.id, line.title, line.status, line.needs, line.reason or "") for line in item_lines(story)]
    )


def _order(visits: Iterable[Visit]) -> list[State]:
    return list(dict.fromkeys(v.state for v in visits))


def _stage_row(state: State, visits: Iterable[Visit]) -> Row:
    mine = [v for v in visits if v.state is state and v.item is None]
    return Row(title(state), _note(mine), tuple(_span(v, "on") for v in mine))


def _item_row(identity: str, name: str, visits: Iterable[Visit]) -> Row:
    mine = [v for v in visits if v.item == identity]
    return Row(f"{identity} {name}", _note(mine), tuple(_span(v, _STEPS.get(v.state, "on")) for v in mine))


def _gate_row(story: Story, gate: Gate) -> Row:
    asked = gate.asked
    ends = asked.decided_at or max(datetime.fromisoformat(story.events[-1].at), asked.asked_at)
    said = f"{asked.gate} gate: {asked.decision or 'waiting'} after {duration(ends - asked.asked_at)}"
    span = Span(asked.asked_at, ends, "human", said)
    return Row(f"Gate: {asked.gate}", asked.decision or "waiting", (span,))


def _span(visit: Visit, kind: str) -> Span:
    length = duration(visit.ended - visit.began)
    if visit.outcome is None:
        return Span(visit.began, visit.ended, "lost", f"{title(visit.state)}: did not come to its end")
    look = "bad" if visit.failed else "known" if visit.cached else kind
    known = ", known already" if visit.cached else ""
    return Span(visit.began, visit.ended, look, f"{title(visit.state)}: {visit.outcome}, {length}{known}")


def _note(visits: list[Visit]) -> str:
    took = sum((v.ended - v.began).total_seconds() for v in visits)
    failures = sum(v.failed for v in visits)
    times = f"×{len(visits)} · " if len(visits) > 1 else ""
    return f"{times}{f'{failures} failed · ' if failures else ''}{duration(took)}"
