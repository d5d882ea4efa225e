"""One canonical form for equal values, and paths that stay inside a project."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.base import RelativePath, SourceFile, canonical_json, digest, slugify, text_digest
from tests.builders import contract, source, srs

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
PATHS: TypeAdapter[str] = TypeAdapter(RelativePath)


@given(st.dictionaries(st.text(), PLAIN, max_size=6), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)
    assert canonical_json({key: value[key] for key in keys}) == canonical_json(value)


@given(PLAIN)
def test_canonical_json_is_json_of_the_same_value(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@given(PLAIN, PLAIN)
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest(one) == digest(other)) is same


def test_canonical_json_is_short_sorted_utf8() -> None:
    assert canonical_json({"b": ("é", None), "a": Decimal("1.50")}) == '{"a":"1.50","b":["é",null]}'.encode()


def test_the_digest_of_a_known_value_never_changes() -> None:
    empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert digest({}) == empty == text_digest("{}")


@given(st.floats())
def test_a_float_is_refused_wherever_it_stands(number: float) -> None:
    with pytest.raises(TypeError, match="use int, Decimal or str"):
        canonical_json({"a": [number]})


def test_a_lone_surrogate_has_no_canonical_form() -> None:
    with pytest.raises(UnicodeEncodeError):
        digest("\ud800")


def test_a_value_that_went_through_json_has_the_same_digest() -> None:
    for value in (contract(), srs(), source("a.py", "é\n")):
        assert type(value).model_validate_json(value.model_dump_json()).digest() == value.digest()


def test_a_value_is_frozen_and_closed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        source("a.py", "").path = "b.py"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        SourceFile.model_validate({"path": "a.py", "text": "", "mode": "x"})


@pytest.mark.parametrize(
    "path", ["a", "src/a/b.py", ".gitignore", "a/.github/x.yml", "a-b_c.D", "/".join("abcdefgh")]
)
def test_a_path_inside_the_project_is_kept(path: str) -> None:
    assert PATHS.validate_python(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "..", "/", "/etc/passwd", "//a", "../a", "a/../b", "a/./b", "a//b", "a/", "a/.."),
        *(".git", ".git/config", "a/.git/hooks/x", ".GIT/config", "a/.Git", "/".join("abcdefghi")),
        *("a\n", "a\0b", "a\tb", "a\x7f", "a b", "a\\b", "C:\\a", "~", "a:b", "é", "a\u202eb", "\ud800"),
        "x" * 201,
    ],
)  # fmt: skip
def test_a_path_that_leaves_the_project_or_looks_odd_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match=r"must be relative, inside the project|may only hold letters"):
        PATHS.validate_python(path)


@given(st.text())
def test_a_kept_path_always_stays_inside(path: str) -> None:
    try:
        parts = PATHS.validate_python(path).split("/")
    except ValidationError:
        return
    assert parts
    assert not {"", ".", "..", ".git"} & {part.lower() for part in parts}


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_file_holds_utf8_text_without_nul(text: str) -> None:
    with pytest.raises(ValidationError):
        source("a.py", text)


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        *(("Word Counter", "word-counter"), ("  A -- b! ", "a-b"), ("3 little pigs", "little-pigs")),
        *(("日本", ""), ("42", ""), ("", ""), ("Ünï cödé", "n-c-d"), ("a" * 62 + " b", "a" * 62)),
    ],
)  # fmt: skip
def test_a_title_becomes_a_slug(title: str, slug: str) -> None:
    assert slugify(title) == slug


@given(st.text(max_size=100))
def test_a_slug_is_empty_or_valid_and_stays_as_it_is(title: str) -> None:
    slug = slugify(title)
    assert slugify(slug) == slug
    assert slug == "" or (slug[0].isalpha() and slug.isascii() and len(slug) <= 63 and slug[-1] != "-")
