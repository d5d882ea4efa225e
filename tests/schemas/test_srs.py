"""Specifications that hang together, and those that do not."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.answers import TriageAnswer
from tests.builders import srs


def requirement(name: str = "FR-1", *criteria: str) -> dict[str, Any]:
    return {"id": name, "text": "It does.", "criteria": [{"id": c, "text": "WHEN …"} for c in criteria]}


def test_the_criteria_of_a_specification_are_in_order() -> None:
    both = srs(requirements=[requirement("FR-2", "FR-2.1"), requirement("NFR-1", "NFR-1.2", "NFR-1.1")])
    assert both.criterion_ids() == ("FR-2.1", "NFR-1.2", "NFR-1.1")


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        ([], "at least one requirement"),
        ([requirement("FR-1")], "FR-1 has no acceptance criterion"),
        ([requirement("FR-1", "FR-2.1")], r"FR-2\.1 must begin with 'FR-1\.'"),
        ([requirement("FR-1", "FR-11.1")], r"must begin with 'FR-1\.'"),
        ([requirement("FR-1", "NFR-1.1")], r"must begin with 'FR-1\.'"),
        ([requirement("FR-1", "FR-1.1", "FR-1.1")], r"occur twice: FR-1\.1"),
        ([requirement("FR-1", "FR-1.1"), requirement("FR-1", "FR-1.2")], "occur twice: FR-1"),
        ([requirement("FR-0", "FR-0.1")], "pattern"),
        ([requirement("XR-1", "XR-1.1")], "pattern"),
        ([requirement("FR-1\n", "FR-1.1")], "pattern"),
        ([{**requirement("FR-1", "FR-1.1"), "text": "a\0b"}], "NUL"),
    ],
)
def test_a_specification_that_does_not_hang_together_is_refused(requirements: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        srs(requirements=requirements)


def test_an_unclear_brief_comes_with_questions() -> None:
    with pytest.raises(ValidationError, match="at least one question"):
        TriageAnswer(size=3, clear=False, reasons=(), questions=())
    assert TriageAnswer(size=3, clear=False, reasons=(), questions=("Why?",)).questions == ("Why?",)
