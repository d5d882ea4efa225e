"""Mutants: a file with one small change each, which a suite that is worth something notices.

The idea is that of DeMillo, Lipton and Sayward, "Hints on test data selection: help for the
practicing programmer", IEEE Computer 11 (1978).
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from schemas.base import RelativePath, SourceFile, Text, Value, text_digest
from schemas.mutations import Edit, edits

_SHOWN = 70


class Change(Value):
    """One mutant of a file."""

    id: str
    path: RelativePath
    line: int
    """Where the change begins in the file as it was."""
    change: Text
    """What became what."""
    text: Text
    """The whole changed file."""


def mutants_of(file: SourceFile, most: int) -> tuple[Change, ...]:
    """At most so many mutants, spread evenly over the functions of a file; the same for the same text.

    Raises:
        SyntaxError: the file is no Python.
    """
    tree = ast.parse(file.text)
    seen = {ast.unparse(tree) + "\n"}
    found: list[tuple[int, int, Edit, str]] = []
    for number, edit in _chosen(file.text, edits(tree)):
        if len(found) >= most:
            break
        text = _mutated(tree, edit)
        if text and text not in seen:
            seen.add(text)
            found.append((getattr(edit.old, "lineno", 1), number, edit, text))
    found.sort(key=lambda entry: entry[:2])
    return tuple(
        Change(id=f"M{n}", path=file.path, line=line, change=_said(edit), text=text)
        for n, (line, _, edit, text) in enumerate(found, 1)
    )


def _chosen(text: str, all_edits: Iterable[Edit]) -> Iterator[tuple[int, Edit]]:
    """The changes in the order of their choice: one of each function in turn, as the text's digest has it."""
    seed = text_digest(text)
    homes: dict[str, list[tuple[str, int, Edit]]] = defaultdict(list)
    for number, edit in enumerate(all_edits):
        homes[edit.place.home].append((text_digest(f"{seed} {number}"), number, edit))
    turns = [sorted(homes[home], key=lambda entry: entry[0]) for home in homes]
    turns.sort(key=lambda entries: entries[0][0])
    for round_ in range(max(map(len, turns), default=0)):
        yield from ((entries[round_][1], entries[round_][2]) for entries in turns if round_ < len(entries))


def _mutated(tree: ast.Module, edit: Edit) -> str:
    """The changed source, with the tree left as it was; empty when that is no Python."""
    edit.put(edit.new)
    try:
        text = ast.unparse(tree) + "\n"
        ast.parse(text)
    except (ValueError, SyntaxError):
        return ""
    finally:
        edit.put(edit.old)
    return text


def _said(edit: Edit) -> str:
    condition = edit.place.field == "test" and isinstance(edit.place.owner, ast.If | ast.While)
    word = f"{type(edit.place.owner).__name__.lower()} " if condition else ""
    return f"`{word}{_short(edit.old)}` became `{word}{_short(edit.new)}`"


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
