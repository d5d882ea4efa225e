"""The plan as a picture: a layered graph (after Sugiyama et al., 1981), dependencies on the left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from phoenix.report.svg import label, short, tag, tip

WIDE, HIGH, THIN, ACROSS, BETWEEN, SWEEPS = 178, 40, 6, 56, 12, 6

Point = tuple[str, int]
"""A node in its own layer, or the place where its edges pass through a later one."""


@dataclass(frozen=True)
class Node:
    """A work item as it is drawn."""

    id: str
    title: str
    status: str
    """accepted, kept, failed, working, waiting: also its class."""
    needs: tuple[str, ...]
    said: str = ""


def layers_of(nodes: Sequence[Node]) -> dict[str, int]:
    """How many steps each node is away from those that need nothing."""
    known = {n.id for n in nodes}
    needs = {n.id: [d for d in n.needs if d in known] for n in nodes}
    depth: dict[str, int] = {}
    for name in TopologicalSorter(needs).static_order():
        depth[name] = max((depth[d] + 1 for d in needs[name]), default=0)
    return depth


def plan_graph(nodes: Sequence[Node]) -> str:
    """The graph in its natural size, to be scrolled where it is wider than the page."""
    if not nodes:
        return ""
    depth = layers_of(nodes)
    columns, links = _columns(nodes, depth)
    _untangle(columns, links)
    places, height = _heights(columns, depth)
    edges = [_edge(places, depth, a, b) for a, b in links]
    boxes = [_box(n, *_corner(places, (n.id, depth[n.id]))) for n in nodes]
    width = len(columns) * (WIDE + ACROSS) - ACROSS + 8
    return tag("svg", _HEAD, *edges, *boxes, cls="plan", width=width, height=height,
               viewBox=f"0 0 {width} {height}", role="img", aria_label="The work items")  # fmt: skip


def _columns(
    nodes: Sequence[Node], depth: Mapping[str, int]
) -> tuple[list[list[Point]], list[tuple[Point, Point]]]:
    """The points of each layer, and links between neighbouring layers; edges of one node share points."""
    reach = dict(depth)
    for node in nodes:
        for need in (d for d in node.needs if d in depth):
            reach[need] = max(reach[need], depth[node.id] - 1)
    columns: list[list[Point]] = [[] for _ in range(max(depth.values()) + 1)]
    links: list[tuple[Point, Point]] = []
    for node in nodes:
        for layer in range(depth[node.id], reach[node.id] + 1):
            columns[layer].append((node.id, layer))
            if layer > depth[node.id]:
                links.append(((node.id, layer - 1), (node.id, layer)))
    for node in nodes:
        own = depth[node.id]
        links += [((need, own - 1), (node.id, own)) for need in node.needs if need in depth]
    return columns, links


def _untangle(columns: list[list[Point]], links: Sequence[tuple[Point, Point]]) -> None:
    """Put each point beside the middle of what it is linked with, forth and back."""
    before: dict[Point, list[Point]] = {}
    after: dict[Point, list[Point]] = {}
    for a, b in links:
        before.setdefault(b, []).append(a)
        after.setdefault(a, []).append(b)
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        beside = before if forth else after
        order = range(1, len(columns)) if forth else range(len(columns) - 2, -1, -1)
        for layer in order:
            fixed = {p: n for n, p in enumerate(columns[layer - 1 if forth else layer + 1])}
            middle = {
                p: sum(fixed[q] for q in near) / len(near) if (near := beside.get(p)) else float(n)
                for n, p in enumerate(columns[layer])
            }
            columns[layer].sort(key=middle.__getitem__)


def _heights(columns: Sequence[Sequence[Point]], depth: Mapping[str, int]) -> tuple[dict[Point, float], int]:
    def size(point: Point) -> int:
        return HIGH if depth[point[0]] == point[1] else THIN

    totals = [sum(size(p) + BETWEEN for p in column) - BETWEEN for column in columns]
    tallest = max(totals)
    places: dict[Point, float] = {}
    for column, total in zip(columns, totals, strict=True):
        y = 4 + (tallest - total) / 2
        for point in column:
            places[point] = y + size(point) / 2
            y += size(point) + BETWEEN
    return places, tallest + 8


def _corner(places: Mapping[Point, float], point: Point) -> tuple[float, float]:
    return 4 + point[1] * (WIDE + ACROSS), places[point] - HIGH / 2


def _edge(places: Mapping[Point, float], depth: Mapping[str, int], a: Point, b: Point) -> str:
    x1, x2 = 4 + a[1] * (WIDE + ACROSS) + WIDE, 4 + b[1] * (WIDE + ACROSS)
    ends = depth[b[0]] == b[1] and a[0] != b[0]
    y1, y2, half = places[a], places[b], ACROSS / 2
    through = f"M{x1 - WIDE} {y1:.1f}H{x1}" if depth[a[0]] != a[1] else f"M{x1} {y1:.1f}"
    stop = x2 - 3 if ends else x2
    curve = f"{through}C{x1 + half:.1f} {y1:.1f} {x2 - half:.1f} {y2:.1f} {stop} {y2:.1f}"
    said = f"{b[0]} builds on {a[0]}" if ends else f"on the way from {a[0]}"
    return tag("path", tip(said), d=curve, cls="edge", marker_end="url(#plan-head)" if ends else None)


def _box(node: Node, x: float, y: float) -> str:
    return tag(
        "g",
        tip(f"{node.id} {node.title}: {node.status}. {node.said}".strip()),
        tag("rect", x=x, y=y, width=WIDE, height=HIGH, rx=6),
        tag("circle", cx=x + 12, cy=y + 13, r=4, cls="dot"),
        label(node.id, x + 21, y + 17, "id"),
        label(node.status, x + WIDE - 8, y + 17, "status", "end"),
        label(short(node.title, 28), x + 8, y + 32, "title"),
        cls=f"item {node.status}",
    )


_HEAD = tag(
    "defs",
    tag("marker", tag("path", d="M0 0L6 3L0 6z", cls="head faint"), id="plan-head", viewBox="0 0 6 6",
        refX=5, refY=3, markerWidth=6, markerHeight=6, orient="auto"),
)  # fmt: skip
