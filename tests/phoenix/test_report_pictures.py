"""The report's pictures: well-formed, complete, escaped, and quick with two hundred nodes."""

import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.report.svg_graph import Node, layers_of, plan_graph
from phoenix.report.svg_states import main_ways, places, state_diagram
from phoenix.report.svg_timeline import Row, Span, axis_of, duration, timeline
from schemas.stateflow import CHILDREN, State, Transition

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script> & \"q\" \x00"


def texts(svg: str) -> str:
    """Everything that a person reads in a picture."""
    return "\n".join(ET.fromstring(svg).itertext())


def span(begins: float, ends: float, kind: str = "on", said: str = "it") -> Span:
    return Span(START + timedelta(seconds=begins), START + timedelta(seconds=ends), kind, said)


def two_hundred() -> list[Node]:
    return [
        Node(f"WI-{n}", f"Part {n} of a large system with a long title", "waiting",
             tuple(f"WI-{d}" for d in {n // 2, n // 3, n - 1 if n % 5 else 0} if 0 < d < n))
        for n in range(1, 201)
    ]  # fmt: skip


def test_every_state_has_its_place_and_only_children_overlap_their_parents() -> None:
    boxes = places()
    assert set(boxes) == set(State)
    for (a, one), (b, two) in combinations(boxes.items(), 2):
        apart = one.x + one.width <= two.x or two.x + two.width <= one.x
        apart = apart or one.y + one.height <= two.y or two.y + two.height <= one.y
        assert apart or a in CHILDREN.get(b, ()) or b in CHILDREN.get(a, ()), (a, b)


def test_the_state_diagram_shows_every_state_and_marks_the_way() -> None:
    ways = [
        Transition(State.IMPLEMENT_AND_FIX, "failed", State.FAILURE_ANALYSIS),
        Transition(State.FAILURE_ANALYSIS, "repair", State.IMPLEMENT_AND_FIX),
    ] * 2
    visits = {State.IMPLEMENT_AND_FIX: 3, State.FAILURE_ANALYSIS: 2}
    svg = state_diagram(visits, ways, {State.IMPLEMENT_AND_FIX: 2}, State.HALTED)
    said = texts(svg)
    assert all(state.value.replace("_", " ").capitalize() in said for state in State)
    assert "×3" in said
    assert "IMPLEMENT_AND_FIX → FAILURE_ANALYSIS: failed, taken 2 time(s)" in said
    assert svg.count('class="way bad"') == svg.count('class="way back"') == 1
    assert svg.count("way faint") == len(main_ways())


def test_the_plan_graph_puts_what_is_needed_on_the_left() -> None:
    nodes = [Node("WI-1", "a", "accepted", ()), Node("WI-2", "b", "failed", ("WI-1",)),
             Node("WI-3", "c", "waiting", ("WI-1", "WI-2"))]  # fmt: skip
    assert layers_of(nodes) == {"WI-1": 0, "WI-2": 1, "WI-3": 2}
    svg = plan_graph(nodes)
    assert all(f"{n.id} {n.title}: {n.status}" in texts(svg) for n in nodes)
    assert svg.count('marker-end="url(#plan-head)"') == 3
    assert plan_graph([]) == ""


def test_two_hundred_items_are_drawn_quickly_and_do_not_overlap() -> None:
    began = time.perf_counter()
    svg = plan_graph(two_hundred())
    assert time.perf_counter() - began < 2
    space = "{http://www.w3.org/2000/svg}"
    boxes = [e for e in ET.fromstring(svg).iter() if e.tag.removeprefix(space) == "rect"]
    corners = [(float(b.attrib["x"]), float(b.attrib["y"])) for b in boxes]
    assert len(corners) == 200
    columns: dict[float, list[float]] = {}
    for x, y in corners:
        columns.setdefault(x, []).append(y)
    for heights in columns.values():
        heights.sort()
        assert all(b - a >= 50 for a, b in pairwise(heights))


def test_two_hundred_rows_make_a_timeline_quickly() -> None:
    rows = [Row(f"WI-{n}", "1 s", (span(n, n + 3), span(n + 4, n + 5, "bad"))) for n in range(200)]
    began = time.perf_counter()
    svg = timeline(rows)
    assert time.perf_counter() - began < 2
    said = texts(svg)
    assert all(f"WI-{n}" in said for n in range(200))
    assert timeline([]) == ""


def test_a_long_wait_is_cut_out_and_named() -> None:
    axis = axis_of([span(0, 10), span(86410, 86420)])
    assert axis.busy == timedelta(seconds=20)
    assert [wait for _, wait in axis.cuts()] == [timedelta(days=1)]
    assert "⋯ 1 d" in texts(timeline([Row("a", "", (span(0, 10), span(86410, 86420)))]))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**5)), min_size=1, max_size=30))
def test_time_never_runs_backwards_on_the_axis(pairs: list[tuple[int, int]]) -> None:
    spans = [span(a, a + length) for a, length in pairs]
    axis = axis_of(spans)
    moments = sorted(m for s in spans for m in (s.began, s.ended))
    shares = [axis.at(m) for m in moments]
    assert shares == sorted(shares)
    assert all(-0.001 <= share <= 100.001 for share in shares)


def test_hostile_text_is_escaped_in_every_picture() -> None:
    for svg in (
        plan_graph([Node("WI-1", HOSTILE, "accepted", (), HOSTILE)]),
        timeline([Row(HOSTILE, HOSTILE, (span(0, 1, said=HOSTILE),))]),
    ):
        assert "<script" not in svg
        assert "<script>alert" in texts(svg)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.04, "< 0.1 s"), (2.5, "2.5 s"), (3, "3 s"), (61, "1 min 1 s"),
     (7200, "2 h"), (90000, "1 d 1 h")],
)  # fmt: skip
def test_lengths_of_time_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said
