"""What the rehearsal's projects are made of: functions f_1, f_2, … of one whole number, and their files."""

import re
from collections.abc import Callable, Iterable

from schemas.base import slugify
from schemas.contract import Contract, Function
from schemas.srs import SRS

PURPOSE = "Small sums, so that the whole machinery can be seen at work."


class Formula:
    """What f_i computes."""

    def __init__(self, index: int) -> None:
        self.index = index
        self._kind = index % 3
        self._shapes: tuple[tuple[str, Callable[[int], int]], ...] = (
            (f"value * {index + 1} + {index}", lambda v: v * (index + 1) + index),
            (f"value * value - {index}", lambda v: v * v - index),
            (f"abs(value) + {index}", lambda v: abs(v) + index),
        )

    def text(self) -> str:
        """The formula as a Python expression of `value`."""
        return self._shapes[self._kind][0]

    def at(self, value: int) -> int:
        """The result for a value."""
        return self._shapes[self._kind][1](value)


def title_of(brief: str) -> str:
    """The brief's first heading, or a name for a nameless project."""
    heading = re.search(r"^#+[ \t]+(.+?)[ \t#]*$", brief, re.MULTILINE)
    return heading.group(1) if heading else "Rehearsal"


def package_of(title: str) -> str:
    """A package name made from a title."""
    return (slugify(title).replace("-", "_")[:30].strip("_") or "rehearsal") + "_project"


def function(index: int, doc: str) -> Function:
    """The face of f_i."""
    return Function(name=f"f_{index}", doc=doc, signature="(value: int) -> int", raises=(), judge="json")


def face(package: str, module: str, doc: str, functions: Iterable[Function]) -> Contract:
    """The contract of a module that offers functions alone."""
    return Contract(
        package=package,
        module=module,
        doc=doc,
        imports=(),
        constants=(),
        enums=(),
        exceptions=(),
        dataclasses=(),
        functions=tuple(functions),
        classes=(),
        command=None,
    )


def statement(name: str, expression: str) -> str:
    """What a function shall do, in EARS form."""
    return f"WHEN {name} is called with a whole number value, THE library SHALL return {expression}."


def vacuous_test(name: str, criteria: Iterable[str]) -> str:
    """A test that claims criteria and says nothing: it passes on the stub."""
    return f"{proves(criteria)}\ndef test_{name}_can_be_called() -> None:\n    assert callable({name})\n"


def proves(criteria: Iterable[str]) -> str:
    """The mark of a test that claims criteria."""
    named = ", ".join(f'"{c}"' for c in criteria)
    return f"@pytest.mark.proves({named})"


def readme(srs: SRS, package: str, results: dict[str, int]) -> str:
    """The README as a file block; its examples give what functions return for 5."""
    examples = "\n".join(f">>> {name}(5)\n{result}" for name, result in results.items())
    text = (
        f"# {srs.title}\n\n{srs.purpose}\n\n## Use\n\n```python\n"
        f">>> from {package} import {', '.join(results)}\n{examples}\n\n```\n"
    )
    return file_block("README.md", text)


def file_block(path: str, text: str) -> str:
    """A file in the form in which agents answer."""
    return f'<file path="{path}">\n{text.rstrip()}\n</file>\n'
