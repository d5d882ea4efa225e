"""What an audit found, read from a hostile report, and kept as an example of its property."""

import ast

import pytest

from schemas.audit import CASES, Audit, Found, Property, bound, found_in, locked
from schemas.verdict import Suite
from tests.builders import source

TEST = "test_it.py::test_sum"
TEXT = """\"\"\"Sums.\"\"\"

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from sums import total


@pytest.mark.proves("FR-1.1")
@given(st.integers(), st.text())
def test_sum(number, name):
    assert total(number) == number


def test_plain():
    assert total(1) == 1
"""


def message(call: str) -> str:
    return f"assert 3 == 4\nFailing test case: {call}"


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("test_sum(number=3)", (("number", "3"),)),
        ("test_sum(\n    number=-3,\n    name='a\\n)',\n)", (("number", "-3"), ("name", "'a\\n)'"))),
        ("test_sum(\n    number=[1, (2.5, None)],\n)\nmore words", (("number", "[1, (2.5, None)]"),)),
    ],
)
def test_a_named_input_of_plain_values_is_found(call: str, arguments: tuple[tuple[str, str], ...]) -> None:
    assert found_in(TEST, message(call)) == Found(test=TEST, arguments=arguments)


@pytest.mark.parametrize(
    "call",
    [
        "test_sum()",
        "test_sum(3)",
        "test_sum(**{'a': 1})",
        "test_sum(number=nan)",
        "test_sum(number=__import__('os').system('id'))",
        "test_sum(number=3)(name=4)",
        "test_other(number=3)",
        "test_sum(\n    number=" + "[" * 5000 + "\n)",
        "test_sum(\n    number=3,",
        "",
    ],
)
def test_nothing_but_plain_values_is_taken_from_a_report(call: str) -> None:
    assert found_in(TEST, message(call)) is None


def suite() -> Suite:
    return Suite(files=(source("tests/test_it.py", TEXT),), tests=(TEST, "test_it.py::test_plain"))


def test_a_found_input_becomes_the_first_decorator_of_its_property() -> None:
    found = Found(test=TEST, arguments=(("number", "3"), ("name", "'x'")))
    kept = locked(suite(), (found,))
    assert kept.tests == suite().tests
    [file] = kept.files
    lines = file.text.splitlines()
    place = lines.index("@hypothesis.example(number=3, name='x')")
    assert lines[place + 1] == '@pytest.mark.proves("FR-1.1")'
    assert lines.index("import hypothesis") == lines.index("import pytest") - 1
    ast.parse(file.text)
    assert locked(kept, (found,)) == kept, "once is enough"
    assert len(
        locked(kept, (Found(test=TEST, arguments=(("number", "4"),)),)).files[0].text.splitlines()
    ) == (len(lines) + 1)


@pytest.mark.parametrize("test", ["test_it.py::test_plain", "test_it.py::test_gone", "test_no.py::test_sum"])
def test_an_input_of_what_is_no_property_of_the_suite_changes_nothing(test: str) -> None:
    assert locked(suite(), (Found(test=test, arguments=(("number", "3"),)),)) == suite()


def test_an_audit_says_how_many_inputs_held_and_what_that_is_worth() -> None:
    def audit(*cases: int, every: bool = False) -> Audit:
        return Audit(properties=tuple(Property(id=TEST, cases=n, every=every) for n in cases))

    assert bound(CASES) == pytest.approx(0.0226, abs=0.0001)
    told = "262 fresh inputs for 2 properties, all held; 2.3% at most fail, at 95 % confidence"
    assert (audit(CASES, CASES).cases(), audit(CASES, CASES).told()) == (262, told)
    assert audit(2, every=True).told() == "2 fresh inputs for 1 properties, all held"
    assert [p.enough() for p in (*audit(130, CASES).properties, *audit(2, every=True).properties)] == [
        False,
        True,
        True,
    ]
    none = Audit(properties=(), unaudited="its suite has no property")
    assert (none.cases(), none.told()) == (None, "Unaudited: its suite has no property")
