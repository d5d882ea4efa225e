"""The timeline as a picture: one row for each stage or item; long waits are cut out and said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from phoenix.report.svg import label, short, tag, tip

ROW, BAR, HEAD = 31, 9, 22
CUT = 0.02
"""The share of the width that a wait takes which was cut out."""


@dataclass(frozen=True)
class Span:
    """Something that went on for a time."""

    began: datetime
    ended: datetime
    kind: str
    """Its look: on, known, bad, human, lost, or a step of an item."""
    said: str


@dataclass(frozen=True)
class Row:
    """Everything about one stage or item."""

    name: str
    note: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Axis:
    """Time to a share of the width; only the busy pieces have a scale."""

    pieces: tuple[tuple[datetime, datetime], ...]

    @property
    def busy(self) -> timedelta:
        """The time in which something went on."""
        return sum((b - a for a, b in self.pieces), timedelta())

    def at(self, moment: datetime) -> float:
        """The share of the width, in percent."""
        scale = (1 - CUT * (len(self.pieces) - 1)) / (self.busy.total_seconds() or 1)
        x = 0.0
        for n, (begins, ends) in enumerate(self.pieces):
            if moment <= ends or n == len(self.pieces) - 1:
                inside = (min(max(moment, begins), ends) - begins).total_seconds()
                return 100 * (x + inside * scale)
            x += (ends - begins).total_seconds() * scale + CUT
        return 100.0

    def cuts(self) -> list[tuple[float, timedelta]]:
        """Where waits were cut out, and how long each was."""
        return [(self.at(a[1]) + 50 * CUT, b[0] - a[1]) for a, b in pairwise(self.pieces)]


def axis_of(spans: Iterable[Span]) -> Axis:
    """The axis of these spans; a wait is cut out when it is longer than a tenth of all that is busy."""
    merged: list[tuple[datetime, datetime]] = []
    for span in sorted(spans, key=lambda s: s.began):
        if merged and span.began <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], span.ended))
        else:
            merged.append((span.began, span.ended))
    busy = sum((b - a for a, b in merged), timedelta())
    least = max(busy / 10, timedelta(seconds=2))
    kept: list[tuple[datetime, datetime]] = []
    for begins, ends in merged:
        if kept and (begins - kept[-1][1] < least or len(kept) > 20):
            kept[-1] = (kept[-1][0], ends)
        else:
            kept.append((begins, ends))
    return Axis(tuple(kept))


def timeline(rows: Sequence[Row]) -> str:
    """The rows below each other; text keeps its size at every width."""
    axis = axis_of(s for row in rows for s in row.spans)
    if not axis.pieces:
        return ""
    height = HEAD + ROW * len(rows) + 4
    parts = [_ticks(axis, height), *(_cut(x, wait, height) for x, wait in axis.cuts())]
    for n, row in enumerate(rows):
        top = HEAD + ROW * n
        parts.append(label(short(row.name, 44), 0, top + 12, "name"))
        parts.append(label(row.note, "100%", top + 12, "note", "end"))
        parts.append(tag("rect", x=0, y=top + 17, width="100%", height=BAR, rx=2, cls="lane"))
        parts += [_bar(axis, span, top + 17) for span in row.spans]
    return tag("svg", *parts, cls="timeline", width="100%", height=height, role="img",
               aria_label="The timeline of stages and items")  # fmt: skip


def _bar(axis: Axis, span: Span, y: float) -> str:
    x, end = axis.at(span.began), axis.at(span.ended)
    width = f"{max(end - x, 0.15):.3f}%"
    return tag("rect", tip(span.said), x=f"{min(x, 99.8):.3f}%", y=y, width=width, height=BAR, rx=1.5,
               cls=f"bar {span.kind}")  # fmt: skip


def _ticks(axis: Axis, height: int) -> str:
    seconds = axis.busy.total_seconds()
    step = next((s for s in _STEPS if seconds / s <= 4), seconds / 4) or 1
    begins, ends = axis.pieces[0]
    parts, n = [], 0
    while begins + timedelta(seconds=step * n) <= ends and n < 50:
        x = axis.at(begins + timedelta(seconds=step * n))
        parts.append(tag("line", x1=f"{x:.2f}%", x2=f"{x:.2f}%", y1=16, y2=height, cls="tick"))
        if x < 92:
            parts.append(label(duration(step * n), f"{x:.2f}%", 11, "scale"))
        n += 1
    return "".join(parts)


_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)


def _cut(x: float, wait: timedelta, height: int) -> str:
    line = tag("line", x1=f"{x:.2f}%", x2=f"{x:.2f}%", y1=16, y2=height, cls="cut")
    anchor = "end" if x > 70 else "start"
    return tag(
        "g", tip("nothing went on"), line, label(f"⋯ {duration(wait)}", f"{x:.2f}%", 11, "cut", anchor)
    )


def duration(length: timedelta | float) -> str:
    """A length of time as people say it."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if 0 < seconds < 0.1:
        return "< 0.1 s"
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    for unit, size, smaller, parts in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // parts
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"
