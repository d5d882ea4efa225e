"""A page of documentation as blocks, and how free text becomes blocks."""

import re
import textwrap
from collections.abc import Callable, Iterable
from typing import NamedTuple

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_ENTRY = re.compile(r"\s{0,3}(?:[-*+]|\d{1,4}[.)])\s+(?=\S)")
_SPAN = re.compile(
    r"(?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|!?\[(?P<label>[^\]\[]+)\]\((?P<target>[^()\s]+)[^()]*\)"
    r"|(?<!\w)\*\*(?P<strong>\S(?:[^*]*[^*\s])?)\*\*(?!\w)"
)


class Heading(NamedTuple):
    """A heading below the page's title; level 2 or 3."""

    level: int
    text: str


class Paragraph(NamedTuple):
    """Text with spans of code and of emphasis."""

    text: str


class Code(NamedTuple):
    """Text that is shown as it is."""

    text: str
    language: str


class Items(NamedTuple):
    """A list; each entry is text with spans."""

    entries: tuple[str, ...]


class Definition(NamedTuple):
    """A public name, its code and what is said of it."""

    kind: str
    """As Sphinx names it: function, method, class, exception or data."""
    name: str
    code: str
    body: tuple["Block", ...]


Block = Heading | Paragraph | Code | Items | Definition


class Span(NamedTuple):
    """A piece of a line: plain, code or strong."""

    kind: str
    text: str


class Page(NamedTuple):
    """A page, named without its suffix."""

    name: str
    title: str
    blocks: tuple[Block, ...]
    module: str = ""
    """The module that it documents; empty for other pages."""


def one_line(text: str) -> str:
    """Text without control characters and line breaks."""
    return " ".join(_INVISIBLE.sub("", text).split())


def spans(text: str) -> list[Span]:
    """The pieces of a text in one line; a link becomes its label, with the address when it is a web page."""
    line, end, found = one_line(text), 0, []
    for match in _SPAN.finditer(line):
        found.append(Span("plain", line[end : match.start()]))
        end = match.end()
        if match["code"] is not None:
            found.append(Span("code", match["code"].strip()))
        elif match["strong"] is not None:
            found.append(Span("strong", match["strong"]))
        else:
            address = f" ({match['target']})" if match["target"].startswith(("http://", "https://")) else ""
            found.append(Span("plain", match["label"] + address))
    return [span for span in (*found, Span("plain", line[end:])) if span.text]


def code_lines(text: str) -> list[str]:
    """The lines of a block of code, without control characters, common indentation and empty ends."""
    lines = [_INVISIBLE.sub("", line).rstrip().expandtabs(4) for line in text.splitlines()]
    return textwrap.dedent("\n".join(lines)).strip("\n").split("\n")


def parse_text(text: str, *, headings: bool = False) -> tuple[Block, ...]:
    """The blocks of free text: paragraphs, lists, examples, fenced and indented code."""
    lines = [_INVISIBLE.sub("", line).rstrip() for line in text.splitlines()]
    blocks: list[Block] = []
    while lines:
        if not lines[0]:
            lines.pop(0)
        elif headings and (match := _HEADING.fullmatch(lines[0])):
            lines.pop(0)
            blocks += _heading(match, blocks)
        else:
            blocks += _next(lines)
    return tuple(blocks)


def _heading(match: re.Match[str], before: Iterable[Block]) -> list[Block]:
    deeper = len(match[1]) > 2 and any(isinstance(b, Heading) for b in before)
    return [Heading(3 if deeper else 2, match[2])] if one_line(match[2]) else []


def _next(lines: list[str]) -> list[Block]:
    """The next block that is no heading, taken from the lines."""
    first = lines[0]
    if fence := _FENCE.match(first):
        lines.pop(0)
        body = _take(lines, lambda line: not line.strip().startswith(fence[1]))
        del lines[:1]
        return _code(body, "pycon" if body and body[0].lstrip().startswith(">>>") else "text")
    if first.lstrip().startswith(">>>"):
        return _code(_take(lines, bool), "pycon")
    if _ENTRY.match(first):
        return [_items(_take(lines, lambda line: bool(line) and not _FENCE.match(line)))]
    if first[0].isspace() or first.startswith("|"):
        return _code(_take(lines, lambda line: line[:1].isspace() or line.startswith("|")), "text")
    lines.pop(0)
    return [Paragraph(" ".join([first, *_take(lines, _continues)]))]


def _continues(line: str) -> bool:
    starts = (_FENCE, _HEADING, _ENTRY)
    return (
        bool(line) and not line[0].isspace() and line[:3] != ">>>" and not any(s.match(line) for s in starts)
    )


def _items(lines: list[str]) -> Items:
    entries: list[str] = []
    for line in lines:
        if _ENTRY.match(line) or not entries:
            entries.append(_ENTRY.sub("", line, count=1))
        else:
            entries[-1] += f" {line.strip()}"
    return Items(tuple(entries))


def _code(lines: list[str], language: str) -> list[Block]:
    text = "\n".join(lines)
    return [Code(text, language)] if text.strip() else []


def _take(lines: list[str], while_: Callable[[str], bool]) -> list[str]:
    taken = []
    while lines and while_(lines[0]):
        taken.append(lines.pop(0))
    return taken
