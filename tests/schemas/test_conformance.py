"""Where code differs from its contract: told by reading alone."""

from typing import Any

import pytest

from schemas.conformance import complexity, contract_problems, import_problems, parse_source
from schemas.render import render_stub
from tests.builders import contract, small_contract, source

STUB = render_stub(contract())
DEEP = [
    "-" * 100_000 + "1",
    "1" + "+1" * 100_000,
    "a" + ".a" * 100_000,
    "not " * 50_000 + "1",
    "(" * 500 + ")" * 500,
]


def problems(old: str = "", new: str = "") -> list[str]:
    """What is said of the stub with one change."""
    assert old in STUB
    return contract_problems(contract(), source("src/weights/parsing.py", STUB.replace(old, new)))


def small_problems(text: str) -> list[str]:
    return contract_problems(small_contract(), source("src/twice/doubling.py", text))


def test_a_missing_function_class_or_method_is_named_with_its_signature() -> None:
    assert problems("def main(", "def run(") == ["def main(argv: list[str] | None = None) -> int is missing"]
    assert problems("class Scale:", "class Scales:") == ["class Scale is missing"]
    assert problems("def known(", "def knows(") == ["def Scale.known(name: str) -> bool is missing"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("unit: Unit = Unit.GRAM) -> Weight", "unit: Unit = Unit.KILO) -> Weight"),
        ("(text: str, *, unit", "(text: str, unit"),
        ("(text: str, *", "(text: bytes, *"),
        ("(text: str, *", "(words: str, *"),
        (") -> Weight", ") -> object"),
        (") -> Weight", ")"),
    ],
)
def test_a_changed_signature_is_told_with_both(old: str, new: str) -> None:
    (said,) = problems(old, new)
    assert said.startswith("parse has the signature (")
    assert "the contract says (text: str, *, unit: Unit = Unit.GRAM) -> Weight" in said


def test_quotes_and_spaces_in_a_signature_do_not_matter() -> None:
    assert (
        problems("(self, limit: int = 5) -> None", "(\n        self,\n        limit: int=5,\n    ) -> None")
        == []
    )


def test_an_async_function_is_refused() -> None:
    assert problems("def parse(", "async def parse(") == ["parse must be a plain function, not async"]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("    @classmethod\n", "", "Scale.of"),
        ("    @classmethod\n", "    @staticmethod\n", "Scale.of"),
        ("    @staticmethod\n", "", "Scale.known"),
        ("    def __init__", "    @property\n    def __init__", "Scale.__init__"),
    ],
)
def test_a_method_of_another_kind_is_refused(old: str, new: str, name: str) -> None:
    (said,) = problems(old, new)
    assert said.startswith(f"{name} must be decorated as in the stub")


def test_other_decorators_are_free() -> None:
    assert problems("def parse(", "@cache\ndef parse(") == []
    assert problems("    @classmethod\n", "    @classmethod\n    @cache\n") == []


@pytest.mark.parametrize(
    "again",
    [
        *(
            "class Weight:\n    pass\n",
            "def Unit():\n    pass\n",
            "LIMIT = 5\n",
            "LIMIT: int = 5\n",
            "A, START = 1, 2\n",
        ),
    ],
)
def test_a_type_or_constant_must_not_be_defined_again(again: str) -> None:
    (said,) = problems("\n\nclass Scale:", f"\n\n{again}\n\nclass Scale:")
    assert said.endswith("must be imported from weights.parsing_types, not defined again")


def test_the_last_definition_counts() -> None:
    text = "def double(number: int) -> int:\n    return 0\n\ndef double(n):\n    return 0\n"
    assert len(small_problems(text)) == 1


def test_a_function_inside_another_does_not_count() -> None:
    assert len(small_problems("def outer():\n    def double(number: int) -> int: ...\n")) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def double(:\n", r"src/twice/doubling.py: not Python (line 1): "),
        ("def double():\nreturn 1\n", r"src/twice/doubling.py: not Python (line 2): "),
        ("```python\nx = 1\n```\n", r"src/twice/doubling.py: not Python (line 1): "),
        *((text, "src/twice/doubling.py: not Python") for text in DEEP),
    ],
)
def test_what_is_not_python_is_told_in_one_line(text: str, said: str) -> None:
    (found,) = small_problems(text)
    assert found.startswith(said)
    assert "\n" not in found
    assert len(found) < 300
    assert import_problems(source("a.py", text), "twice", ())[0].startswith("a.py: not Python")


def test_a_null_byte_is_told() -> None:
    file = source("a.py", "").model_copy(update={"text": "x = 1\0"})
    tree, said = parse_source(file)
    assert tree is None
    assert "null bytes" in said


def test_a_signature_too_deep_to_compare_is_refused() -> None:
    text = f"def double(number: 1{'+1' * 950}) -> int:\n    return 1\n"
    assert small_problems(text) == [
        "src/twice/doubling.py: nested too deeply to be compared with the contract"
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import json, os.path as p\nfrom twice.x import y\n", []),
        ("from . import x\nfrom .. import y\nfrom ..numpy import z\n", []),
        ("import numpy\n", ["numpy"]),
        ("from requests.auth import x\n", ["requests"]),
        ("def f():\n    try:\n        import yaml\n    except ImportError:\n        pass\n", ["yaml"]),
        ("if False:\n    import a.b, c\n", ["a", "c"]),
        ("class A:\n    from b import c\n", ["b"]),
        ("import twice_more\n", ["twice_more"]),
    ],
)
def test_imports_are_found_wherever_they_stand(text: str, names: list[str]) -> None:
    said = import_problems(source("a.py", text), "twice", ())
    assert [line.split("'")[1] for line in said] == names
    assert import_problems(source("a.py", text), "twice", names) == []


def test_an_import_that_is_not_allowed_is_told_with_its_line() -> None:
    assert import_problems(source("a.py", "\n\nimport numpy\n"), "twice", ()) == [
        "a.py:3: import of 'numpy' is not allowed (standard library and twice only)"
    ]


@pytest.mark.parametrize(
    ("text", "largest"),
    [
        ("x = 1\n", 0),
        ("def f(): pass\n", 1),
        ("def f(a):\n    if a:\n        return [x for x in a]\n    return a or 1\n", 4),
        ("def f(): pass\nasync def g(a):\n    while a: pass\n", 2),
    ],
)
def test_complexity_is_that_of_the_worst_function(text: str, largest: Any) -> None:
    tree, _ = parse_source(source("a.py", text))
    assert tree is not None
    assert complexity(tree) == largest
