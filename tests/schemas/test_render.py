"""What Phoenix writes itself: it parses, it runs, and it keeps to the contract that it came from."""

import ast
import dataclasses
import enum
import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.conformance import contract_problems, import_problems
from schemas.contract import Contract
from schemas.render import render_entry, render_package, render_stub, render_types, rendered_files
from tests.builders import CONTRACT, contract, function, small_contract, source

NASTY = [
    *('"', '"""', 'ends with "', 'ends with ""', "ends with \\", "\\", "a\\nb", "'''", '""""""', "", "  "),
    *(
        '"""\nimport os\n"""',
        "first\n\n    indented\n\tand tab\n",
        "é 日本 \U0001f600",
        "{x} %s {{",
        "\r\n\x0c\x1b",
    ),
    '\\"""\\',
]


def run(text: str, **names: Any) -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": "fresh", **names}
    exec(compile(text, "rendered", "exec", dont_inherit=True), scope)
    return scope


def types_of(made: Contract) -> dict[str, Any]:
    return run(render_types(made))


def stub_of(made: Contract) -> dict[str, Any]:
    """The stub's names, with its import of the types taken away."""
    types = f"from {made.package}.{made.module}_types import"
    text = render_stub(made)
    assert (types in text) is bool(made.type_names())
    tree = ast.parse(text)
    tree.body = [
        n for n in tree.body if not (isinstance(n, ast.ImportFrom) and n.module and "_types" in n.module)
    ]
    return run(ast.unparse(tree), **{k: v for k, v in types_of(made).items() if k in made.type_names()})


def test_the_rendered_types_are_what_the_contract_says(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    monkeypatch.setitem(sys.modules, "fresh", types.ModuleType("fresh"))
    scope = types_of(contract())
    unit, weight = scope["Unit"], scope["Weight"]
    assert issubclass(unit, enum.Enum)
    assert [m.value for m in unit] == ["g", "kg"]
    assert issubclass(scope["WeightError"], ValueError)
    assert str(scope["LIMIT"]) == "9.5"
    assert scope["START"] is unit.GRAM
    assert [f.name for f in dataclasses.fields(weight)] == ["grams", "notes", "unit"]
    assert weight(1).notes == []
    assert weight(1).notes is not weight(1).notes
    with pytest.raises(dataclasses.FrozenInstanceError):
        weight(1).grams = 2
    assert unit.__doc__ == "A unit."


def test_every_body_of_the_stub_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    monkeypatch.setitem(sys.modules, "fresh", types.ModuleType("fresh"))
    scope = stub_of(contract())
    scale = scope["Scale"]
    calls = (
        lambda: scope["parse"]("1"),
        scope["main"],
        scale,
        lambda: scale.of("a"),
        lambda: scale.known("a"),
    )
    for call in calls:
        with pytest.raises(NotImplementedError):
            call()
    assert isinstance(inspect.getattr_static(scale, "of"), classmethod)
    assert isinstance(inspect.getattr_static(scale, "known"), staticmethod)
    assert "Raises:\n    WeightError: the text holds no number" in inspect.getdoc(scope["parse"])


def test_wrapping_breaks_no_name_and_no_run_of_spaces() -> None:
    filler = "word " * 18
    raises = [{"error": "WeightError", "when": f"{filler}.docs-doctor.toml is missing"}]
    doc = f"{filler}as in\n{filler}'a   b' and more"
    stub = render_stub(small_contract(functions=[function(doc=doc, raises=raises)]))
    assert ".docs-doctor.toml" in stub
    assert "'a   b'" in stub


def test_every_rendered_file_parses_and_imports_only_what_is_allowed() -> None:
    for made in (contract(), small_contract()):
        for file in (*rendered_files(made), source(made.module_path(), render_stub(made))):
            assert file.path.endswith("py.typed") or import_problems(file, made.package, ()) == []


def test_a_package_without_types_or_command_has_two_files() -> None:
    paths = [f.path for f in rendered_files(small_contract())]
    assert paths == ["src/twice/__init__.py", "src/twice/py.typed"]
    assert "src/weights/__main__.py" in [f.path for f in rendered_files(contract())]


def test_the_package_exports_every_public_name() -> None:
    tree = ast.parse(render_package(contract()))
    last = tree.body[-1]
    assert isinstance(last, ast.Assign)
    assert ast.literal_eval(last.value) == sorted(contract().public_names())
    imported = {a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert imported == set(contract().public_names())


def test_the_entry_runs_the_command() -> None:
    assert "sys.exit(main())" in render_entry(contract())
    ast.parse(render_entry(contract()))


@pytest.mark.parametrize(
    "made", [contract(), small_contract(), contract(imports=["from __future__ import annotations"])]
)
def test_the_stub_conforms_to_its_contract(made: Contract) -> None:
    assert contract_problems(made, source(made.module_path(), render_stub(made))) == []


def test_a_future_import_of_the_contract_does_not_break_the_order() -> None:
    made = contract(imports=["from __future__ import annotations", "from decimal import Decimal"])
    for text in (render_types(made), render_stub(made)):
        compile(text, "rendered", "exec", dont_inherit=True)
        assert text.count("from __future__ import annotations") == 1


def with_docs(doc: str) -> Contract:
    raises = [{"error": "ValueError", "when": doc}]
    data: Any = CONTRACT["dataclasses"][0]
    return contract(
        doc=doc,
        enums=[{**CONTRACT["enums"][0], "doc": doc}],
        constants=[{**c, "doc": doc} for c in CONTRACT["constants"]],
        exceptions=[{**CONTRACT["exceptions"][0], "doc": doc}],
        dataclasses=[{**data, "doc": doc, "fields": [{**f, "doc": doc} for f in data["fields"]]}],
        functions=[function(doc=doc, raises=raises), function(name="main", doc=doc, raises=raises)],
        classes=[{**CONTRACT["classes"][0], "doc": doc}],
    )


def names_in(text: str) -> list[str]:
    """The names that a file binds at its top, in order, as a parser sees them."""
    return [getattr(n, "name", type(n).__name__) for n in ast.parse(text).body]


def check_docs(doc: str) -> None:
    plain, made = with_docs("plain"), with_docs(doc)
    for render in (render_types, render_stub, render_package):
        assert names_in(render(made)) == names_in(render(plain))
    assert contract_problems(made, source("src/weights/parsing.py", render_stub(made))) == []


@pytest.mark.parametrize("doc", NASTY)
def test_a_docstring_cannot_end_itself(doc: str) -> None:
    check_docs(doc)


@given(
    st.text(alphabet=st.sampled_from("\"'\\\n {}a#\t\r\x0b\x85\u2028"), max_size=12) | st.text(max_size=20)
)
def test_no_text_can_end_a_docstring(doc: str) -> None:
    if "\0" not in doc:
        check_docs(doc)


@given(st.text(alphabet="ab\\'\" ", min_size=1).filter(lambda t: '"""' not in t and t.strip()))
def test_a_docstring_of_one_line_says_what_the_contract_says(doc: str) -> None:
    made = small_contract(functions=[function(name="double", signature="() -> int", doc=doc, raises=[])])
    tree = ast.parse(render_stub(made)).body[-1]
    assert isinstance(tree, ast.FunctionDef)
    assert (ast.get_docstring(tree) or "").strip() == doc.strip()


def test_equal_contracts_give_equal_files() -> None:
    other = Contract.model_validate_json(contract().model_dump_json())
    assert rendered_files(contract()) == rendered_files(other)
    assert render_stub(contract()) == render_stub(other)
