"""The full specification: an SRS whose every requirement names the statements of the brief that it serves."""

import re
from collections.abc import Iterator
from itertools import count
from textwrap import dedent
from typing import Annotated

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import StringConstraints, model_validator

from schemas.base import Text, Value
from schemas.srs import SRS, Requirement

_MARKDOWN = MarkdownIt("commonmark").enable("table").disable(["reference", "lheading"])
StatementId = Annotated[str, StringConstraints(pattern=r"^S[1-9][0-9]{0,3}$")]


class SourcedRequirement(Requirement):
    """A requirement, and where it comes from."""

    sources: tuple[StatementId, ...]
    """The statements of the brief that it serves."""
    metric: Text | None
    """What is measured, such as 'seconds for 10,000 rows'; None for a functional requirement."""
    target: Text | None
    """The value to reach, such as 'at most 2'; None for a functional requirement."""

    @model_validator(mode="after")
    def _measured(self) -> "SourcedRequirement":
        if self.id.startswith("NFR-") and not (self.metric and self.target):
            raise ValueError(f"{self.id} needs a metric and a target")
        return self


class Unserved(Value):
    """Statements of the brief that no requirement serves, and why."""

    statements: tuple[StatementId, ...]
    why: Text
    """Background, or what makes it out of scope."""


class Term(Value):
    """A word of the domain."""

    term: Text
    meaning: Text


class OpenQuestion(Value):
    """What only the author of the brief can settle, and what is assumed until then."""

    question: Text
    assumed: Text


class Specification(SRS):
    """An SRS with its sources, its words and its open questions."""

    requirements: tuple[SourcedRequirement, ...]
    glossary: tuple[Term, ...]
    unserved: tuple[Unserved, ...]
    questions: tuple[OpenQuestion, ...]

    def uncovered(self, statements: tuple[str, ...]) -> list[str]:
        """What is wrong with the sources: statements that nobody took up, and ids that do not exist."""
        known = {f"S{n}" for n in range(1, len(statements) + 1)}
        named = {s for r in self.requirements for s in r.sources} | {
            s for u in self.unserved for s in u.statements
        }
        lost = sorted(known - named, key=_number)
        problems = [f"{s} is served by no requirement and not listed as unserved: {_text(statements, s)!r}"
                    for s in lost]  # fmt: skip
        return problems + [f"{s} is no statement of the brief" for s in sorted(named - known, key=_number)]


def _number(statement: str) -> int:
    return int(statement[1:])


def _text(statements: tuple[str, ...], statement: str) -> str:
    return statements[_number(statement) - 1][:120]


def statements_of(brief: str) -> tuple[str, ...]:
    """The brief's statements in order: sentences, list entries, table rows; a code block is one, verbatim."""
    return tuple(text for text, heading in _lines(brief) if not heading)


def numbered_statements(brief: str) -> str:
    """The brief's statements as S1, S2, … under its headings, which have no number."""
    numbers = count(1)
    lines = [text if heading else f"S{next(numbers)}: {text}" for text, heading in _lines(brief)]
    return "\n".join(lines)


def _lines(brief: str) -> Iterator[tuple[str, bool]]:
    """Every statement and heading of a brief, and whether it is a heading."""
    source = brief.split("\n")
    opened, marker, row = Token("", "", 0), "", list[str]()
    for token in _MARKDOWN.parse(brief):
        if token.type == "inline" and opened.type == "heading_open":
            yield f"{'#' * int(opened.tag[1])} {token.content}", True
        elif token.type == "inline" and opened.type in ("th_open", "td_open"):
            row.append(token.content)
        elif token.type == "inline":
            first, *rest = _sentences(" ".join(token.content.split()))
            yield marker + first, False
            yield from ((sentence, False) for sentence in rest)
            marker = ""
        elif token.type == "tr_close":
            yield " | ".join(row), False
            row = []
        elif token.type in ("fence", "code_block", "html_block") and token.map:
            yield dedent("\n".join(source[slice(*token.map)])).strip("\n"), False
        elif token.type == "list_item_open":
            marker = f"{'  ' * (token.level // 2)}{token.info}{token.markup} "
        elif token.type == "list_item_close":
            marker = ""
        opened = token


def _sentences(text: str) -> list[str]:
    """Sentences; what is too short to say something stays with the one before it."""
    sentences: list[str] = []
    for part in re.split(r"(?<=[.!?])\s+(?=[A-ZÀ-Þ\"'`(])", text):
        if sentences and len(part) < 12:
            sentences[-1] += f" {part}"
        else:
            sentences.append(part)
    return sentences
