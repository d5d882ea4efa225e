"""What agents may answer, beyond the form of it."""

import pytest
from pydantic import ValidationError

from schemas.answers import PlanAnswer
from tests.builders import contract, small_contract, srs


def test_a_plan_of_types_alone_is_refused_because_nothing_could_be_tested() -> None:
    with pytest.raises(ValidationError, match="a contract needs at least one function or class"):
        PlanAnswer(srs=srs(), contract=contract(functions=[], classes=[], command=None))
    assert PlanAnswer(srs=srs(), contract=small_contract()).contract == small_contract()
