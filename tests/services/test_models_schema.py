"""Wire schemas and lifted JSON."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from schemas.contract import Contract
from schemas.srs import SRS
from services.models import lift_json, schema_for, strict_problems


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(9, ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    title: str = Field("Sir", min_length=1, max_length=20, description="how it wants to be called")


class Home(BaseModel):
    pet: Cat | Dog = Field(discriminator="kind")
    first: Cat = Field(description="a reference with siblings")
    names: set[str] = set()
    note: str | None = None


@pytest.mark.parametrize("model", [Contract, SRS, Home])
def test_a_wire_schema_has_no_strict_problem(model: type[BaseModel]) -> None:
    assert strict_problems(schema_for(model)) == []


def test_a_wire_schema_keeps_fields_that_are_named_like_keywords() -> None:
    dog = schema_for(Home)["$defs"]["Dog"]
    assert dog["properties"]["title"] == {"description": "how it wants to be called", "type": "string"}
    assert dog["required"] == ["kind", "title"]


class Loose(BaseModel):
    table: dict[str, int]
    pair: tuple[int, str]
    anything: Any


def test_what_a_strict_provider_refuses_is_named() -> None:
    problems = "\n".join(strict_problems(schema_for(Loose)))
    assert "$.table: the object must be closed" in problems
    assert "$.pair: prefixItems is refused" in problems
    assert "$.anything: anything is allowed" in problems
    assert strict_problems({"type": "array"}) == ["$: the root must be an object"]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' \n{"a": 1}\n',
        '```json\n{"a": 1}\n```',
        'Sure! Here it is:\n```\n{"a": 1}\n```\nAnything else?',
        'The answer is {"a": 1}, I think {so}.',
        '<think>maybe {}?</think>{"a": 1}',
        '\ufeff{"a": 1}',
    ],
)
def test_json_is_lifted_out_of_what_stands_around_it(text: str) -> None:
    assert json.loads(lift_json(text)) == {"a": 1}


@pytest.mark.parametrize("text", ["", "no", '{"a": ', "[" * 100_000, "{" * 5000])
def test_where_there_is_no_json_the_text_stays(text: str) -> None:
    assert lift_json(text) == text.strip()


@given(
    st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=8),
    st.text("ab \n"),
)
def test_an_object_survives_prose(value: Any, prose: str) -> None:
    text = json.dumps({"value": value})
    assert json.loads(lift_json(f"{prose}{text}{prose}")) == {"value": value}
