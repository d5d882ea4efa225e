"""Valid values to begin a test with; each takes what the test wants to be different."""

from decimal import Decimal
from typing import Any

from schemas.base import SourceFile
from schemas.brief import Brief, FrontMatter
from schemas.contract import Contract
from schemas.policy import Policy, Tier
from schemas.srs import SRS
from schemas.stages import Assembly
from schemas.verdict import Candidate, Suite

MODELS = {Tier.FAST: "openai:small", Tier.STANDARD: "openai:middle", Tier.STRONG: "openai:large"}

FUNCTION: dict[str, Any] = {
    "name": "parse",
    "doc": "The weight in a text.\n\n>>> parse('2 kg').grams\n2000",
    "signature": "(text: str, *, unit: Unit = Unit.GRAM) -> Weight",
    "raises": [{"error": "WeightError", "when": "the text holds no number"}],
    "judge": "codec",
}

CONTRACT: dict[str, Any] = {
    "package": "weights",
    "module": "parsing",
    "doc": "Weights, read from text.",
    "imports": ["from decimal import Decimal"],
    "constants": [
        {"name": "LIMIT", "doc": "The heaviest.", "annotation": "Decimal", "value": "Decimal('9.5')"},
        {"name": "START", "doc": "The default unit.", "annotation": "Unit", "value": "Unit.GRAM"},
    ],
    "enums": [
        {
            "name": "Unit",
            "doc": "A unit.",
            "members": [{"name": "GRAM", "value": "'g'"}, {"name": "KILO", "value": "'kg'"}],
        }
    ],
    "exceptions": [{"name": "WeightError", "doc": "No weight.", "base": "ValueError"}],
    "dataclasses": [
        {
            "name": "Weight",
            "doc": "A weight.",
            "frozen": True,
            "fields": [
                {"name": "grams", "annotation": "int", "default": None, "doc": "In grams."},
                {"name": "notes", "annotation": "list[str]", "default": "[]", "doc": "Remarks."},
                {"name": "unit", "annotation": "Unit", "default": "Unit.GRAM", "doc": "As written."},
            ],
        }
    ],
    "functions": [
        FUNCTION,
        {
            "name": "main",
            "doc": "Runs the command.",
            "signature": "(argv: list[str] | None = None) -> int",
            "raises": [],
            "judge": "cli",
        },
    ],
    "classes": [
        {
            "name": "Scale",
            "doc": "A scale.",
            "methods": [
                {**FUNCTION, "name": "__init__", "signature": "(self, limit: int = 5) -> None", "raises": []},
                {**FUNCTION, "name": "of", "signature": "(cls, name: str) -> Scale", "raises": []},
                {**FUNCTION, "name": "known", "signature": "(name: str) -> bool", "raises": []},
            ],
        }
    ],
    "command": "weigh",
}


def contract(**changes: Any) -> Contract:
    """A contract with every kind of type, a class with every kind of method, and a command."""
    return Contract.model_validate({**CONTRACT, **changes})


def function(**changes: Any) -> dict[str, Any]:
    """A function of a contract, to be validated with it."""
    return {**FUNCTION, **changes}


def small_contract(**changes: Any) -> Contract:
    """A contract of one function, double, in the package twice."""
    double = function(name="double", signature="(number: int) -> int", doc="Twice the number.", raises=[])
    none: dict[str, Any] = dict.fromkeys(
        ("imports", "constants", "enums", "exceptions", "dataclasses", "classes"), ()
    )
    face = {
        "package": "twice",
        "module": "doubling",
        "doc": "Doubles.",
        "functions": [double],
        "command": None,
    }
    return Contract.model_validate({**face, **none, **changes})


def srs(**changes: Any) -> SRS:
    """A specification with one requirement and two criteria."""
    criteria = [{"id": "FR-1.1", "text": "WHEN called, THE function SHALL double."}]
    criteria.append({"id": "FR-1.2", "text": "WHEN given 0, THE function SHALL return 0."})
    valid: dict[str, Any] = {
        "title": "Twice",
        "purpose": "Doubles numbers.",
        "requirements": [{"id": "FR-1", "text": "It doubles.", "criteria": criteria}],
        "constraints": [],
        "out_of_scope": [],
        "assumptions": [],
    }
    return SRS.model_validate({**valid, **changes})


def brief(text: str = "# Twice\n\nDouble numbers.\n", **asks: Any) -> Brief:
    """A brief, with what its front matter asks for."""
    return Brief(slug="twice", title="Twice", text=text, asks=FrontMatter(**asks))


def policy(**changes: Any) -> Policy:
    """A policy with a cap of five dollars."""
    return Policy.model_validate({"models": MODELS, "budget_usd": Decimal(5), **changes})


def source(path: str, text: str) -> SourceFile:
    """A file."""
    return SourceFile(path=path, text=text)


def suite(*files: SourceFile, tests: tuple[str, ...] = ()) -> Suite:
    """A suite of the given files."""
    return Suite(files=files, tests=tests)


def candidate(*files: SourceFile) -> Candidate:
    """A candidate of the given files."""
    return Candidate(files=files)


def assembly(**changes: Any) -> Assembly:
    """What a release of the small contract is made of."""
    valid: dict[str, Any] = {
        "srs": srs(),
        "contracts": (small_contract(),),
        "suite": suite(),
        "code": (),
        "readme": source("README.md", "# A\n"),
        "killed": {},
    }
    return Assembly(**{**valid, **changes})
