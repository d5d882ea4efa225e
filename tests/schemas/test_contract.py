"""Contracts that can be rendered, and what is refused before it can do harm."""

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.render import render_stub
from tests.builders import CONTRACT, contract, function, small_contract

TYPES = ("constants", "enums", "exceptions", "dataclasses")
BODIES = ("functions", "classes")

DEEP = "-" * 5000 + "1"


def refusal(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        contract(**changes)
    return "; ".join(error["msg"] for error in caught.value.errors())


def test_a_contract_knows_its_names_and_places() -> None:
    whole = contract()
    assert whole.type_names() == ["LIMIT", "START", "Unit", "WeightError", "Weight"]
    assert whole.body_names() == ["parse", "main", "Scale"]
    assert whole.module_path() == "src/weights/parsing.py"
    assert whole.types_path() == "src/weights/parsing_types.py"


@pytest.mark.parametrize(
    "signature",
    [
        *(
            "() -> int",
            "(a: int, /, *, b: str = '') -> None",
            "(\n    a: int,\n) -> int",
            "(x) -> 'list[int]'",
        ),
        " (a: int) -> int ",
    ],
)
def test_a_signature_is_kept(signature: str) -> None:
    kept = small_contract(functions=[function(signature=signature, raises=[])])
    assert kept.functions[0].signature == signature.strip()


@pytest.mark.parametrize(
    "signature",
    [
        *("", "()", "(x: int)", "(x: int) ->", "x -> int", "(x y) -> int", "(a, a=) -> int", "(\0) -> int"),
        *(
            "() -> int: return 1 #",
            "() -> int: pass\ndef g() -> int",
            "() -> int:\n    x = 1\ndef g() -> int",
        ),
        *(
            "() -> int:\n  if True",
            "() -> int:\n  class X",
            "() -> int: ... #",
            "() -> int #",
            "() -> int; x = 1",
        ),
        *("[T](x: T) -> T", f"(x: int = {DEEP}) -> int", "(x: int = 1" + "+1" * 950 + ") -> int"),
    ],
)
def test_what_is_not_one_signature_is_refused(signature: str) -> None:
    said = refusal(functions=[function(signature=signature)])
    assert "signature" in said
    assert len(said) < 700


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "",
            "x = 1",
            "1; 2",
            "1\n2",
            "import os",
            "pass",
            "yield 1",
            "x := 1",
            "1)(2",
            "1 # note",
            "a b",
            "\0",
        ),
        *(DEEP, "1" + "+1" * 20_000, "(" * 500 + ")" * 500, "\ud800", "1\nimport os", "*a", "lambda"),
    ],
)
def test_what_is_not_one_expression_is_refused_everywhere(expression: str) -> None:
    constant: Any = CONTRACT["constants"][0]
    data: Any = CONTRACT["dataclasses"][0]
    places: list[dict[str, Any]] = [
        {"constants": [{**constant, "value": expression}]},
        {"constants": [{**constant, "annotation": expression}]},
        {"enums": [{"name": "Unit", "doc": "", "members": [{"name": "A", "value": expression}]}]},
        {"dataclasses": [{**data, "fields": [{**data["fields"][0], "default": expression}]}]},
        {"dataclasses": [{**data, "fields": [{**data["fields"][0], "annotation": expression}]}]},
        {"functions": [function(raises=[{"error": expression, "when": "x"}])]},
    ]
    for place in places:
        assert "is not a Python expression" in refusal(**place) or expression == "\ud800"


@pytest.mark.parametrize("annotation", ["int, str", "lambda: 1, 2"])
def test_an_annotation_is_one_type(annotation: str) -> None:
    constant: Any = CONTRACT["constants"][0]
    assert "not an annotation" in refusal(constants=[{**constant, "annotation": annotation}])


@pytest.mark.parametrize(
    "line",
    [
        *("import os; import sys", "import os\nimport sys", "os", "x = 1", "", "from os", "import", "\0"),
        *("import os as if", "if True: import os", "__import__('os')", "from __future__ import braces; x"),
    ],
)
def test_what_is_not_one_import_is_refused(line: str) -> None:
    assert "import statement" in refusal(imports=[line])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1a",
        "a b",
        "class",
        "None",
        "a-b",
        "a.b",
        "é",
        "x\n",
        "f(): pass\ndef g",
        "__all__",
        "__getattr__",
    ],
)
def test_a_name_that_python_does_not_take_or_keeps_for_itself_is_refused(name: str) -> None:
    said = refusal(functions=[function(name=name), function(name="main")])
    assert "is not a Python name" in said or "belong to Python" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"package": "json"}, "'json' is taken"),
        ({"package": "tests"}, "'tests' is taken"),
        ({"package": "pytest"}, "'pytest' is taken"),
        ({"package": "tail_"}, "pattern"),
        ({"package": "Weights"}, "pattern"),
        ({"package": "weights\n"}, "pattern"),
        ({"package": "../x"}, "pattern"),
        ({"package": "class"}, "not a Python name"),
        ({"module": "parsing_types"}, "'parsing_types' is reserved"),
        ({"module": "__main__"}, "pattern"),
        ({"command": "weigh; rm"}, "pattern"),
        ({"command": "weigh", "functions": [function()]}, "needs a function main"),
        ({kind: [] for kind in (*TYPES, *BODIES)} | {"command": None}, "at least one public name"),
        ({"functions": [function(), function(), function(name="main")]}, "occur twice: parse"),
        ({"functions": [function(name="Unit"), function(name="main")]}, "occur twice: Unit"),
        ({"doc": "a\0b"}, "NUL"),
    ],
)
def test_a_contract_that_cannot_become_a_package_is_refused(changes: dict[str, Any], said: str) -> None:
    assert said in refusal(**changes)


def test_a_contract_of_types_alone_has_no_bodies() -> None:
    made = contract(functions=[], classes=[], command=None)
    assert made.body_names() == []
    assert made.public_names() == made.type_names() != []


def test_members_fields_and_methods_have_names_of_their_own() -> None:
    enum, data, entry = (CONTRACT[kind][0] for kind in ("enums", "dataclasses", "classes"))
    twice = {
        "enums": [{**enum, "members": enum["members"] * 2}],
        "dataclasses": [{**data, "fields": data["fields"][:1] * 2}],
        "classes": [{**entry, "methods": entry["methods"][1:2] * 2}],
    }
    assert "occur twice: Unit.GRAM, Unit.KILO, Weight.grams, Scale.of" in refusal(**twice)


@given(st.text(alphabet="(): ->#\n\\'\"ax=,;*", max_size=25))
def test_a_kept_signature_never_brings_code_of_its_own(text: str) -> None:
    try:
        kept = small_contract(functions=[function(signature=f"(){text} -> int", raises=[])])
    except ValidationError:
        return
    *_, last = ast.parse(render_stub(kept)).body
    assert isinstance(last, ast.FunctionDef)
    assert [type(line) for line in last.body] == [ast.Expr, ast.Raise]


def test_an_exception_rests_on_a_built_in_or_an_earlier_one() -> None:
    base = {"name": "Odd", "doc": "x", "base": "ValueError"}
    contract(exceptions=({**base}, {**base, "name": "Odder", "base": "Odd"}))
    for stranger in ("Unknown", "int", "Odd"):
        with pytest.raises(ValidationError, match="no earlier or built-in exception"):
            contract(exceptions=({**base, "base": stranger},))
