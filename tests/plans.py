"""A shop's purchases: a small project of three work items, specified, planned and written."""

from typing import Any

from schemas.base import SourceFile
from schemas.blueprint import Blueprint
from schemas.brief import Brief
from schemas.contract import Contract
from schemas.render import rendered_files
from schemas.specification import Specification
from schemas.stages import Assembly
from schemas.verdict import Suite
from schemas.wbs import WBS, WorkItem
from tests.builders import function, small_contract

BRIEF = Brief(
    slug="shop",
    title="Shop",
    text="# Shop\n\nSum the lines of a purchase. Print a receipt of them.\n\n"
    "- A thousand lines take at most a second.\n\nOur shop opened in 1999.\n",
)
LINE: dict[str, Any] = {
    "name": "Line",
    "doc": "A line of a purchase.",
    "frozen": True,
    "fields": [
        {"name": "name", "annotation": "str", "default": None, "doc": "What was bought."},
        {"name": "cents", "annotation": "int", "default": None, "doc": "Its price."},
    ],
}
USES_LINE = ("from shop.units import Line",)


def specification(**changes: Any) -> Specification:
    """A specification with three requirements, one of them measured."""
    summed = {"id": "FR-1.1", "text": "WHEN lines are given, THE shop SHALL sum their cents."}
    printed = {
        "id": "FR-2.1",
        "text": "WHEN lines are given, THE receipt SHALL list each and end in the total.",
    }
    quick = {"id": "NFR-1.1", "text": "WHEN 1,000 lines are given, THE shop SHALL sum them in a second."}
    plain = {"metric": None, "target": None}
    measured = {"metric": "seconds for 1,000 lines", "target": "at most 1"}
    valid: dict[str, Any] = {
        "title": "Shop",
        "purpose": "Sums purchases.",
        "requirements": [
            {"id": "FR-1", "text": "Sum.", "criteria": [summed], "sources": ["S1"], **plain},
            {"id": "FR-2", "text": "Print.", "criteria": [printed], "sources": ["S2"], **plain},
            {"id": "NFR-1", "text": "Be quick.", "criteria": [quick], "sources": ["S3"], **measured},
        ],
        "constraints": [],
        "out_of_scope": ["Taxes."],
        "assumptions": ["Prices are whole cents."],
        "glossary": [{"term": "line", "meaning": "A thing and its price."}],
        "unserved": [{"statements": ["S4"], "why": "Background."}],
        "questions": [{"question": "Which currency?", "assumed": "cents"}],
    }
    return Specification.model_validate({**valid, **changes})


def blueprint(**changes: Any) -> Blueprint:
    """A blueprint of three modules without issues."""
    modules = [("units", []), ("money", ["units"]), ("receipt", ["units", "money"])]
    valid: dict[str, Any] = {
        "package": "shop",
        "command": None,
        "modules": [{"module": m, "responsibility": f"The {m}.", "needs": n} for m, n in modules],
        "dependencies": [],
        "decisions": [{"title": "Money", "choice": "whole cents", "why": "no rounding"}],
        "quality": [],
        "testing": [],
        "issues": [],
    }
    return Blueprint.model_validate({**valid, **changes})


def face(module: str, **changes: Any) -> Contract:
    """A contract of the shop without anything but its changes."""
    return small_contract(package="shop", module=module, doc=f"The {module}.", **{"functions": [], **changes})


def bodied(name: str, signature: str = "(lines: list[Line]) -> int", doc: str = "It does.") -> dict[str, Any]:
    """A function of the shop."""
    return function(name=name, signature=signature, doc=doc, raises=[], judge="codec")


UNITS = face("units", dataclasses=[LINE])
MONEY = face("money", imports=USES_LINE, functions=[bodied("total", doc="The sum of the cents.")])
RECEIPT = face(
    "receipt",
    imports=USES_LINE,
    functions=[
        bodied("receipt", "(lines: list[Line]) -> str", "A line 'name cents' each, then 'total cents'.")
    ],
)


def item(
    identity: str,
    made: Contract,
    criteria: tuple[str, ...] = (),
    *below: str,
    premises: tuple[str, ...] = (),
) -> WorkItem:
    """A work item."""
    return WorkItem(
        id=identity,
        title=f"The {made.module}",
        criteria=criteria,
        premises=premises,
        contract=made,
        depends_on=below,
        complexity=2,
    )


ITEMS = (
    item("WI-1", UNITS),
    item("WI-2", MONEY, ("FR-1.1", "NFR-1.1"), "WI-1", premises=("A1",)),
    item("WI-3", RECEIPT, ("FR-2.1",), "WI-1", "WI-2"),
)


def wbs(*items: WorkItem, stories: tuple[tuple[str, ...], ...] = ()) -> WBS:
    """The work on the given items, or on those of the shop, in one story or in the given ones."""
    chosen = items or ITEMS
    told = stories or (tuple(i.id for i in chosen),)
    epic = {"title": "All", "stories": [{"title": f"Story {n}", "items": s} for n, s in enumerate(told, 1)]}
    return WBS.model_validate({"epics": [epic], "items": chosen})


def graph(**below: tuple[int, ...]) -> WBS:
    """Items WI-1, WI-2, …: `w2=(1,)` says that WI-2 builds on WI-1; each makes a module with a function."""
    items = [
        item(f"WI-{n[1:]}", small_contract(package="chain", module=f"m{n[1:]}", functions=[_numbered(n[1:])]),
             (f"FR-{n[1:]}.1",), *(f"WI-{b}" for b in needs))
        for n, needs in below.items()
    ]  # fmt: skip
    return wbs(*items)


def _numbered(number: str) -> dict[str, Any]:
    return function(
        name=f"f{number}", signature="(number: int) -> int", doc="A number.", raises=[], judge="json"
    )


MONEY_CODE = '''"""The money."""

from __future__ import annotations

from shop.units import Line


def total(lines: list[Line]) -> int:
    """The sum of the cents."""
    return sum(line.cents for line in lines)
'''
RECEIPT_CODE = '''"""The receipt."""

from __future__ import annotations

from shop.money import total
from shop.units import Line


def receipt(lines: list[Line]) -> str:
    """A line 'name cents' each, then 'total cents'."""
    shown = [f"{line.name} {line.cents}" for line in lines]
    return "\\n".join([*shown, f"total {total(lines)}"])
'''
MONEY_TESTS = """import pytest

from shop import Line, total


@pytest.mark.proves("FR-1.1")
def test_cents_are_summed():
    assert total([Line("tea", 250), Line("jam", 399)]) == 649


@pytest.mark.proves("NFR-1.1")
def test_a_thousand_lines_are_summed():
    assert total([Line("tea", 1)] * 1000) == 1000
"""
RECEIPT_TESTS = """import pytest

from shop import Line, receipt


@pytest.mark.proves("FR-2.1")
def test_a_receipt_ends_in_the_total():
    assert receipt([Line("tea", 250), Line("jam", 399)]) == "tea 250\\njam 399\\ntotal 649"
"""
SUMMED = "test_money.py::test_cents_are_summed"
THOUSAND = "test_money.py::test_a_thousand_lines_are_summed"
PRINTED = "test_receipt.py::test_a_receipt_ends_in_the_total"
MONEY_FILE = SourceFile(path="src/shop/money.py", text=MONEY_CODE)
RECEIPT_FILE = SourceFile(path="src/shop/receipt.py", text=RECEIPT_CODE)


def money_suite(text: str = MONEY_TESTS, tests: tuple[str, ...] = (THOUSAND, SUMMED)) -> Suite:
    """The suite of the money item."""
    return Suite(files=(SourceFile(path="tests/test_money.py", text=text),), tests=tests)


def receipt_suite(text: str = RECEIPT_TESTS, tests: tuple[str, ...] = (PRINTED,)) -> Suite:
    """The suite of the receipt item."""
    return Suite(files=(SourceFile(path="tests/test_receipt.py", text=text),), tests=tests)


def assembly(money: str = MONEY_CODE, receipt: str = RECEIPT_CODE, **changes: Any) -> Assembly:
    """The shop, put together from these modules."""
    contracts = changes.get("contracts", wbs().contracts())
    one, other = money_suite(), receipt_suite()
    valid: dict[str, Any] = {
        "srs": specification(),
        "contracts": contracts,
        "suite": Suite(files=(*one.files, *other.files), tests=(*one.tests, *other.tests)),
        "code": (
            *rendered_files(*contracts),
            SourceFile(path="src/shop/money.py", text=money),
            SourceFile(path="src/shop/receipt.py", text=receipt),
        ),
        "readme": SourceFile(path="README.md", text="# Shop\n\nSums purchases.\n"),
        "killed": {},
    }
    return Assembly(**{**valid, **changes})
