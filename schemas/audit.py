"""The audit of a frozen candidate on inputs that nobody could know when it was written.

The idea is that of Kato, "Generative test-driven development" (2026); the bound is the exact one of Clopper
and Pearson for no failure in n independent draws.
"""

import ast
from typing import NamedTuple

from schemas.base import SourceFile, Value
from schemas.verdict import Suite

CASES = 131
"""How many inputs are drawn for each property: none fails, so fewer than 2.3 % do, at 95 % confidence."""
UNKNOWN = 0.05
NAMED = "Failing test case: "
"""What Hypothesis says before the input on which a property fails."""


class Property(Value):
    """A property that held on every input that was drawn for it."""

    id: str
    cases: int
    """Inputs that its generators let through."""
    every: bool
    """Whether these are all that there are."""

    def enough(self) -> bool:
        """Whether as many were drawn as an audit needs."""
        return self.cases >= CASES or (self.every and self.cases > 0)


class Audit(Value):
    """What the audit of one item came to."""

    properties: tuple[Property, ...]
    unaudited: str = ""
    """Why this is no audit, or empty."""

    def cases(self) -> int | None:
        """The inputs drawn in all; None where the item is unaudited."""
        return None if self.unaudited else sum(p.cases for p in self.properties)

    def told(self) -> str:
        """One line for people."""
        if self.unaudited:
            return f"Unaudited: {self.unaudited}"
        drawn = [p.cases for p in self.properties if not p.every]
        count = f"{self.cases()} fresh inputs for {len(self.properties)} properties, all held"
        return f"{count}; {bound(min(drawn)):.1%} at most fail, at 95 % confidence" if drawn else count


def bound(cases: int) -> float:
    """The share of inputs that fail, at most, when none of so many did: at 95 % confidence."""
    return float(1 - UNKNOWN ** (1 / cases))


class Found(Value):
    """An input that was drawn and on which a property fails, as Python that needs no name."""

    test: str
    arguments: tuple[tuple[str, str], ...]


def found_in(test: str, message: str) -> Found | None:
    """The input that Hypothesis names in a failure; None unless it is made of plain values alone.

    The message comes out of the sandbox: nothing but literals is taken from it.
    """
    _, told, call = message.partition(NAMED)
    name = test.partition("::")[2]
    if not told or not name.isidentifier() or not call.startswith(f"{name}("):
        return None
    try:
        found = ast.parse(_call_of(call), mode="eval").body
        if not isinstance(found, ast.Call) or not isinstance(found.func, ast.Name) or found.args:
            return None
        values = [(k.arg or "", ast.literal_eval(k.value)) for k in found.keywords]
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    if not values or not all(name.isidentifier() and repr(value) for name, value in values):
        return None
    return Found(test=test, arguments=tuple((name, repr(value)) for name, value in values))


def _call_of(text: str) -> str:
    """The call at the beginning of a text: up to the line that closes it."""
    lines = text.splitlines()
    ends = (n for n, line in enumerate(lines) if line.startswith(")") or (n == 0 and line.endswith(")")))
    end = next(ends, None)
    return "\n".join(lines[: end + 1]) if end is not None else ""


class _Place(NamedTuple):
    file: SourceFile
    line: int
    """Of the function's first decorator."""


def locked(suite: Suite, found: tuple[Found, ...]) -> Suite:
    """The suite with each input as an explicit example of its property, which every run tries first."""
    for one in found:
        place = _place_of(suite, one.test)
        if place:
            text = _with_example(place, one)
            files = tuple(
                SourceFile(path=f.path, text=text) if f.path == place.file.path else f for f in suite.files
            )
            suite = suite.model_copy(update={"files": files})
    return suite


def _place_of(suite: Suite, test: str) -> _Place | None:
    path, _, name = test.partition("::")
    for file in suite.files:
        if file.path == f"tests/{path}":
            for node in ast.parse(file.text).body:
                if isinstance(node, ast.FunctionDef) and node.name == name and node.decorator_list:
                    return _Place(file, node.decorator_list[0].lineno)
    return None


def _with_example(place: _Place, found: Found) -> str:
    lines = place.file.text.splitlines()
    arguments = ", ".join(f"{name}={value}" for name, value in found.arguments)
    example = f"@hypothesis.example({arguments})"
    if example in lines:
        return place.file.text
    lines.insert(place.line - 1, example)
    if "import hypothesis" not in lines:
        first = next(
            node.lineno
            for node in ast.parse(place.file.text).body
            if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__"
        )
        lines.insert(first - 1, "import hypothesis")
    return "\n".join(lines) + "\n"
