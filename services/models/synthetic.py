"""The rehearsal's project: functions f_1, f_2, … of one whole number, each with a formula of its own."""

import re
from collections.abc import Callable

from schemas.base import slugify
from schemas.contract import Contract, Function
from schemas.srs import SRS, Criterion, Requirement

EXAMPLES = (-3, 0, 5)


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


def specification(title: str, functions: int) -> SRS:
    """The requirements: one for each function."""
    formulas = [Formula(index) for index in range(1, functions + 1)]
    return SRS(
        title=title,
        purpose="Small sums, so that the whole machinery can be seen at work.",
        requirements=tuple(_requirement(formula) for formula in formulas),
        constraints=("Only the standard library is used.",),
        out_of_scope=(),
        assumptions=("Numbers are whole.",),
    )


def _requirement(formula: Formula) -> Requirement:
    name = f"f_{formula.index}"
    text = f"WHEN {name} is called with a whole number, THE library SHALL return {formula.text()}."
    criterion = Criterion(id=f"FR-{formula.index}.1", text=text)
    return Requirement(id=f"FR-{formula.index}", text=f"The library offers {name}.", criteria=(criterion,))


def contract(title: str, functions: int) -> Contract:
    """The module's public face."""
    return Contract(
        package=package_of(title),
        module="formulas",
        doc="Small sums.",
        imports=(),
        constants=(),
        enums=(),
        exceptions=(),
        dataclasses=(),
        functions=tuple(_function(Formula(index)) for index in range(1, functions + 1)),
        classes=(),
        command=None,
    )


def contract_of(code: str) -> Contract:
    """The contract that code under its path keeps."""
    path = re.search(r"^# src/(\w+)/(\w+)\.py$", code, re.MULTILINE)
    package, module = path.groups() if path else ("rehearsal_project", "formulas")
    functions = len(re.findall(r"^def f_\d+\(", code, re.MULTILINE))
    return contract(package, functions).model_copy(update={"package": package, "module": module})


def _function(formula: Formula) -> Function:
    return Function(
        name=f"f_{formula.index}",
        doc=f"Return {formula.text()}.\n\n{_example(formula)}",
        signature="(value: int) -> int",
        raises=(),
        judge="json",
    )


def _example(formula: Formula) -> str:
    return f">>> f_{formula.index}(5)\n{formula.at(5)}"


def _formula_of(name: str) -> Formula:
    return Formula(int(name.removeprefix("f_")))


def suite(srs: SRS, contract: Contract) -> str:
    """The tests as a file block: one for each criterion."""
    names = ", ".join(f.name for f in contract.functions)
    head = f'"""What {contract.package} must do."""\n\nimport pytest\n\n'
    head += f"from {contract.package} import {names}\n"
    known = {f.name for f in contract.functions}
    tests = [_test(criterion) for criterion in srs.criterion_ids() if _tested(criterion) in known]
    return _block(f"tests/test_{contract.module}.py", "\n\n".join([head, *tests]))


def _tested(criterion: str) -> str:
    return "f_" + criterion.split("-")[1].split(".")[0]


def _test(criterion: str) -> str:
    name = _tested(criterion)
    formula = _formula_of(name)
    suffix = criterion.split("-")[1].replace(".", "_")
    checks = "\n".join(f"    assert {name}({value}) == {formula.at(value)}" for value in EXAMPLES)
    return f'@pytest.mark.proves("{criterion}")\ndef test_criterion_{suffix}() -> None:\n{checks}\n'


def implementation(contract: Contract, wrong: str, *, plain: bool) -> str:
    """The module as a file block; the function named by `wrong` is off by one, `plain` has longer bodies."""
    bodies = "\n\n".join(_body(f.name, f.name == wrong, plain) for f in contract.functions)
    return _block(contract.module_path(), f'"""{contract.doc}"""\n\n\n{bodies}')


def _body(name: str, wrong: bool, plain: bool) -> str:
    formula = _formula_of(name)
    expression = f"{formula.text()} + 1" if wrong else formula.text()
    doc = f'    """Return {formula.text()}.\n\n' + "".join(
        f"    {line}\n" for line in _example(formula).split("\n")
    )
    lines = f"    result = {expression}\n    return result\n" if plain else f"    return {expression}\n"
    return f'def {name}(value: int) -> int:\n{doc}    """\n{lines}'


def readme(srs: SRS, contract: Contract) -> str:
    """The README as a file block, with examples that are true."""
    examples = "\n".join(_example(_formula_of(f.name)) for f in contract.functions)
    names = ", ".join(f.name for f in contract.functions)
    text = (
        f"# {srs.title}\n\n{srs.purpose}\n\n## Use\n\n```python\n"
        f">>> from {contract.package} import {names}\n{examples}\n\n```\n"
    )
    return _block("README.md", text)


def _block(path: str, text: str) -> str:
    return f'<file path="{path}">\n{text.rstrip()}\n</file>\n'
