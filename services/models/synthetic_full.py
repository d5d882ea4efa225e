"""The files of the rehearsal's larger project: suites, modules, integration tests and the README."""

import re
from dataclasses import dataclass

from schemas.contract import Contract
from schemas.srs import SRS
from services.models import formulas, synthetic_plan
from services.models.formulas import file_block
from services.models.synthetic_graph import Graph, item_of, module_of

EXAMPLES = (-3, 0, 5, 1234)
CROSSINGS = (-8, 7, 41)
ALWAYS, RARE = " + 1", " + (value % 61 == 17)"
"""What makes an expression wrong: for every value, and for few of them."""
_LOCALS = ("result", "total", "answer", "outcome", "number")
_PATH = re.compile(r"^# src/(\w+)/(m_[1-9]\d*)\.py$", re.MULTILINE)


@dataclass(frozen=True)
class SuiteFaults:
    """What is wrong with a suite."""

    wrong: int | None = None
    """Which expectation is wrong, from 0."""
    vacuous: bool = False
    """Whether one test passes on the stub."""


def suite(
    graph: Graph, srs: SRS, contract: Contract, faults: SuiteFaults, *, properties: bool = False
) -> str:
    """An item's tests as a file block."""
    index = item_of(contract.module)
    body = _table_test(graph, index, srs.criterion_ids(), EXAMPLES, faults.wrong)
    if faults.vacuous:
        body += "\n\n" + formulas.vacuous_test(f"f_{index}", srs.criterion_ids())
    if properties:
        body += "\n\n" + _property(graph, index, contract.package, srs.criterion_ids())
    return _test_file(contract.package, index, module_of(index), body)


def _property(graph: Graph, index: int, package: str, criteria: tuple[str, ...]) -> str:
    below = ", ".join(f"f_{needed}" for needed in graph.needs(index))
    imported = f"    from {package} import {below}\n\n" if below else ""
    return (
        f"{formulas.proves(criteria)}\n@given(st.integers())\n"
        f"def test_f_{index}_keeps_to_its_formula_everywhere(value: int) -> None:\n"
        f"{imported}    assert f_{index}(value) == {graph.text(index)}\n"
    )


def integration(graph: Graph, srs: SRS, package: str, index: int, wrong: int | None) -> str:
    """The tests of a topmost item with all that it builds on, as a file block."""
    own = f"FR-{index}.1"
    criterion = own if own in srs.criterion_ids() else srs.criterion_ids()[0]
    body = _table_test(graph, index, (criterion,), CROSSINGS, wrong)
    return _test_file(package, index, f"integration_{module_of(index)}", body)


def _test_file(package: str, index: int, name: str, body: str) -> str:
    tools = "import pytest\n"
    tools += "from hypothesis import given, strategies as st\n" if "@given" in body else ""
    head = f'"""What f_{index} must do."""\n\n{tools}\nfrom {package} import f_{index}\n\n'
    return file_block(f"tests/test_{name}.py", head + body)


def _table_test(
    graph: Graph, index: int, criteria: tuple[str, ...], values: tuple[int, ...], wrong: int | None
) -> str:
    rows = "".join(
        f"    ({value}, {graph.at(index, value) + (place == wrong)}),\n" for place, value in enumerate(values)
    )
    return (
        f"EXAMPLES = [\n{rows}]\n\n\n{formulas.proves(criteria)}\n"
        '@pytest.mark.parametrize(("value", "expected"), EXAMPLES)\n'
        f"def test_f_{index}_keeps_to_its_formula(value: int, expected: int) -> None:\n"
        f"    assert f_{index}(value) == expected\n"
    )


def implementation(graph: Graph, contract: Contract, *, wrong: str, local: str = "") -> str:
    """An item's module as a file block, its expression with what makes it wrong; the result has a local name
    when one is given.
    """
    index = item_of(contract.module)
    needs = graph.needs(index)
    imports = "".join(f"from {contract.package}.{module_of(n)} import f_{n}\n" for n in needs)
    expression = graph.text(index) + wrong
    lines = f"    {local} = {expression}\n    return {local}\n" if local else f"    return {expression}\n"
    return file_block(
        contract.module_path(),
        f'"""{contract.doc}"""\n\n{imports}{chr(10) if imports else ""}\n'
        f'def f_{index}(value: int) -> int:\n    """{contract.functions[0].doc}"""\n{lines}',
    )


def next_local(previous: str) -> str:
    """Another local name than that of the code before, so that no attempt repeats the one before it."""
    used = re.search(r"^    (\w+) = ", previous, re.MULTILINE)
    if not used or used.group(1) not in _LOCALS:
        return _LOCALS[0]
    return _LOCALS[(_LOCALS.index(used.group(1)) + 1) % len(_LOCALS)]


def contract_of(graph: Graph, code: str) -> Contract | None:
    """The contract of the first module under its path; None when it is none of this project's."""
    path = _PATH.search(code)
    return synthetic_plan.contract(graph, path.group(1), item_of(path.group(2))) if path else None


def readme(graph: Graph, srs: SRS, code: str) -> str | None:
    """The README as a file block, with the first and last function of the code; None without any."""
    paths = _PATH.findall(code)
    if not paths:
        return None
    found = [item_of(module) for _, module in paths]
    results = {f"f_{index}": graph.at(index, 5) for index in (min(found), max(found))}
    return formulas.readme(srs, paths[0][0], results)
