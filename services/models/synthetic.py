"""The rehearsal's project on the Lite path: one module of functions, each with a formula of its own."""

import re

from schemas.contract import Contract, Function
from schemas.srs import SRS, Criterion, Requirement
from services.models import formulas
from services.models.formulas import Formula, file_block

EXAMPLES = (-3, 0, 5)


def specification(title: str, functions: int) -> SRS:
    """The requirements: one for each function."""
    return SRS(
        title=title,
        purpose=formulas.PURPOSE,
        requirements=tuple(_requirement(Formula(index)) for index in range(1, functions + 1)),
        constraints=("Only the standard library is used.",),
        out_of_scope=(),
        assumptions=("Numbers are whole.",),
    )


def _requirement(formula: Formula) -> Requirement:
    name = f"f_{formula.index}"
    criterion = Criterion(id=f"FR-{formula.index}.1", text=formulas.statement(name, formula.text()))
    return Requirement(id=f"FR-{formula.index}", text=f"The library offers {name}.", criteria=(criterion,))


def contract(title: str, functions: int) -> Contract:
    """The module's public face."""
    offered = [_function(Formula(index)) for index in range(1, functions + 1)]
    return formulas.face(formulas.package_of(title), "formulas", "Small sums.", offered)


def contract_of(code: str) -> Contract:
    """The contract that code under its path keeps."""
    path = re.search(r"^# src/(\w+)/(\w+)\.py$", code, re.MULTILINE)
    package, module = path.groups() if path else ("rehearsal_project", "formulas")
    functions = len(re.findall(r"^def f_\d+\(", code, re.MULTILINE))
    return contract(package, functions).model_copy(update={"package": package, "module": module})


def _function(formula: Formula) -> Function:
    return formulas.function(formula.index, f"Return {formula.text()}.\n\n{_example(formula)}")


def _example(formula: Formula) -> str:
    return f">>> f_{formula.index}(5)\n{formula.at(5)}"


def _formula_of(name: str) -> Formula:
    return Formula(int(name.removeprefix("f_")))


def suite(srs: SRS, contract: Contract, wrong: str = "", vacuous: str = "") -> str:
    """The tests as a file block, one for each criterion; that of `wrong` expects too much.

    The function named by `vacuous` gets a test that passes on the stub.
    """
    names = ", ".join(f.name for f in contract.functions)
    head = f'"""What {contract.package} must do."""\n\nimport pytest\n\n'
    head += f"from {contract.package} import {names}\n"
    known = {f.name for f in contract.functions}
    criteria = [c for c in srs.criterion_ids() if _tested(c) in known]
    tests = [_test(criterion, _tested(criterion) == wrong) for criterion in criteria]
    tests += [formulas.vacuous_test(vacuous, (c,)) for c in criteria if _tested(c) == vacuous]
    return file_block(f"tests/test_{contract.module}.py", "\n\n".join([head, *tests]))


def _tested(criterion: str) -> str:
    return "f_" + criterion.split("-")[1].split(".")[0]


def _test(criterion: str, wrong: bool) -> str:
    name = _tested(criterion)
    formula = _formula_of(name)
    suffix = criterion.split("-")[1].replace(".", "_")
    expected = {value: formula.at(value) + wrong for value in EXAMPLES}
    checks = "\n".join(f"    assert {name}({value}) == {result}" for value, result in expected.items())
    return f'@pytest.mark.proves("{criterion}")\ndef test_criterion_{suffix}() -> None:\n{checks}\n'


def implementation(contract: Contract, wrong: str, *, plain: bool) -> str:
    """The module as a file block; the function named by `wrong` is off by one, `plain` has longer bodies."""
    bodies = "\n\n".join(_body(f.name, f.name == wrong, plain) for f in contract.functions)
    return file_block(contract.module_path(), f'"""{contract.doc}"""\n\n\n{bodies}')


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
    return formulas.readme(
        srs, contract.package, {f.name: _formula_of(f.name).at(5) for f in contract.functions}
    )
