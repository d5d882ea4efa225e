"""The StateFlow as a picture: its states and ways from the table, and the way that a run took."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from phoenix.report.svg import label, tag, tip, words
from schemas.stateflow import CHILDREN, TRANSITIONS, State, Transition

S = State
WIDTH, LINE, BOX, GAP, INSET = 360, 37, 25, 12, 7
LEFT: tuple[State, ...] = (
    *(S.INITIALIZING, S.TRIAGE, S.REQUIREMENT_INGESTION, S.SPECIFICATION_ANALYSIS, S.DECOMPOSITION),
    *(S.GENERATION_CYCLE, S.VERIFICATION_CYCLE, S.SECURITY_AUDIT, S.AGGREGATION, S.FINAL_REVIEW),
    *(S.GENERATE_DEPLOYMENT_ARTIFACTS, S.COMPLETED),
)
RIGHT: dict[State, int] = {
    S.LITE_CYCLE: 3,
    S.FAILURE_ANALYSIS: 9,
    S.AUTOMATED_RETHINK: 11,
    S.HALTED: 13,
    S.REJECTED: 19,
    S.CANCELLED: 20,
}
"""The states of the right column, each with its line."""
_HUBS = {"failed", "repair", "halt", "again", "cancel", "reject"}
_ASIDE = {S.FAILURE_ANALYSIS, S.AUTOMATED_RETHINK, S.HALTED}
_BACK = {"repair", "revise", "unsound", "gap", "rethink", "replan", "regenerate"}
_BAD = {"failed", "halt", "unclear", "exhausted", "reject", "cancel"}


@dataclass(frozen=True)
class Box:
    """Where a state is drawn."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The height of its middle."""
        return self.y + self.height / 2

    @property
    def is_left(self) -> bool:
        """Whether it stands in the left column."""
        return self.x < WIDTH / 2


def places() -> dict[State, Box]:
    """Where each state of the table is drawn."""
    found: dict[State, Box] = {}
    row = 0
    for state in LEFT:
        found |= _column(state, 22, row, 164)
        row += 1 + len(CHILDREN.get(state, ()))
    for state, line in RIGHT.items():
        found |= _column(state, 222, line, 122)
    return found


def _column(state: State, x: float, row: int, width: float) -> dict[State, Box]:
    top, inside = 8 + row * LINE, CHILDREN.get(state, ())
    found = {state: Box(x, top, width, BOX + LINE * len(inside) + (4 if inside else 0))}
    for n, child in enumerate(inside, 1):
        found[child] = Box(x + INSET, top + LINE * n - 4, width - 2 * INSET, BOX)
    return found


def main_ways() -> tuple[Transition, ...]:
    """The ways of the table that are always drawn: not those that lead from everywhere to one place."""
    return tuple(
        t
        for t in sorted(TRANSITIONS, key=str)
        if (t.outcome not in _HUBS or (t.origin in _ASIDE and t.outcome in ("repair", "halt")))
        and not (t.origin is S.FAILURE_ANALYSIS and t.outcome == "repair")
        and not _nested(t)
    )


def _nested(way: Transition) -> bool:
    return way.origin in CHILDREN.get(way.target, ()) or way.target in CHILDREN.get(way.origin, ())


def state_diagram(
    visits: Mapping[State, int],
    ways: Iterable[Transition],
    failed: Mapping[State, int],
    now: State,
) -> str:
    """The diagram with each state's visits, the ways taken, the failures, and where the run is now."""
    taken = Counter(t for t in ways if t.outcome != "again" and not _nested(t))
    boxes = places()
    height = max(b.y + b.height for b in boxes.values()) + 10
    faint = [_way(boxes, t, 0) for t in main_ways() if t not in taken]
    drawn = [_way(boxes, t, count) for t, count in taken.items()]
    order = sorted(boxes, key=lambda s: s not in CHILDREN)
    nodes = [_node(s, boxes[s], visits.get(s, 0), failed.get(s, 0), s is now) for s in order]
    return tag(
        "svg", _MARKERS, *nodes[: len(CHILDREN)], *faint, *drawn, *nodes[len(CHILDREN) :],
        cls="states", viewBox=f"0 0 {WIDTH} {height:.0f}", role="img", aria_label="The way of the run",
    )  # fmt: skip


def _node(state: State, box: Box, visits: int, failures: int, now: bool) -> str:
    marks = ["state", "composite" if state in CHILDREN else ""]
    marks += ["seen" if visits else "", "broken" if failures else "", "now" if now else ""]
    said = f"{state}: visited {visits} time(s), failed {failures}" if visits else f"{state}: not visited"
    parts = [tip(said), tag("rect", x=box.x, y=box.y, width=box.width, height=box.height, rx=6)]
    parts.append(_name(title(state), box))
    if visits > 1:
        wide = 11 + 6 * len(f"×{visits}")
        x = box.x + box.width - wide + 4
        parts.append(tag("rect", x=x, y=box.y - 5, width=wide, height=14, rx=7, cls="badge"))
        parts.append(label(f"×{visits}", x + wide / 2, box.y + 5.5, "count", "middle"))
    return tag("g", *parts, cls=" ".join(filter(None, marks)))


def _name(text: str, box: Box) -> str:
    """The name, squeezed where a wide font would not fit."""
    room = box.width - 16
    width = room if len(text) * 6.3 > room else None
    return tag(
        "text", words(text), x=box.x + 8, y=box.y + 16.5,
        textLength=width, lengthAdjust=width and "spacingAndGlyphs",
    )  # fmt: skip


def _way(boxes: Mapping[State, Box], way: Transition, count: int) -> str:
    kind = "bad" if way.outcome in _BAD else "back" if way.outcome in _BACK else "on"
    marks = f"way {kind}" if count else "way faint"
    path = tag(
        "path",
        d=_path(boxes[way.origin], boxes[way.target], kind == "back"),
        cls=marks,
        marker_end=f"url(#head-{kind if count else 'faint'})",
    )
    said = f"{way.origin} → {way.target}: {way.outcome}" + (f", taken {count} time(s)" if count else "")
    return tag("g", tip(said), path)


def _path(a: Box, b: Box, near: bool) -> str:
    if a == b:
        return _curve((a.x, a.middle - 6), (a.x - 3, a.middle + 6), a.x - 22)
    if a.is_left != b.is_left:
        ax, bx = (a.x + a.width, b.x - 3) if a.is_left else (a.x, b.x + b.width + 3)
        pull = 22 if a.is_left else -22
        ends = f"{bx - pull:.1f} {b.middle:.1f} {bx:.1f} {b.middle:.1f}"
        return f"M{ax:.1f} {a.middle:.1f}C{ax + pull:.1f} {a.middle:.1f} {ends}"
    if 0 < b.y - (a.y + a.height) < LINE:
        return f"M{max(a.x, b.x) + 20:.1f} {a.y + a.height:.1f}V{b.y - 3:.1f}"
    side = -1 if a.is_left else 1
    ax, bx = ((v.x if a.is_left else v.x + v.width) for v in (a, b))
    out = side * min(20, 8 + abs(a.middle - b.middle) / 24) * (0.5 if near else 1)
    edge = (min if a.is_left else max)(ax, bx) + out
    return _curve((ax, a.middle + 5), (bx + 3 * side, b.middle - 5), edge)


def _curve(a: tuple[float, float], b: tuple[float, float], edge: float) -> str:
    return f"M{a[0]:.1f} {a[1]:.1f}C{edge:.1f} {a[1]:.1f} {edge:.1f} {b[1]:.1f} {b[0]:.1f} {b[1]:.1f}"


def title(state: State) -> str:
    """A state's name as people write it."""
    return state.value.replace("_", " ").capitalize()


_MARKERS = tag(
    "defs",
    *(
        tag(
            "marker",
            tag("path", d="M0 0L6 3L0 6z", cls=f"head {kind}"),
            id=f"head-{kind}",
            viewBox="0 0 6 6",
            refX=5,
            refY=3,
            markerWidth=5,
            markerHeight=5,
            orient="auto",
        )
        for kind in ("on", "back", "bad", "faint")
    ),
)
