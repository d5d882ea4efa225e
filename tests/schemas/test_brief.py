"""Briefs: what is read, what is refused, and with which words."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.brief import MAX_BYTES, Brief, decode_brief, parse_brief
from schemas.errors import InputError


def front(matter: str, body: str = "# Title\n\nWish.\n") -> Brief:
    return parse_brief(f"---\n{matter}\n---\n{body}", "b.md")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the brief is empty"),
        (b" \n\t\n", "the brief is empty"),
        (b"\xef\xbb\xbf", "the brief is empty"),
        (b"x" * (MAX_BYTES + 1), "over 200,000 bytes"),
        (b"# A\n\xff\xfe", r"not UTF-8 text \(byte 4\)"),
        (b"\x89PNG\r\n", "not UTF-8"),
        (b"# A\n\0", "NUL"),
    ],
)
def test_bytes_that_are_no_brief_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        decode_brief(data, "b.md")
    assert str(caught.value).startswith("b.md: ")
    assert len(str(caught.value)) < 250


def test_a_byte_order_mark_is_dropped() -> None:
    assert decode_brief(b"\xef\xbb\xbf# A", "b.md") == "# A"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Wish without a heading.", "nothing names the project"),
        ("# 日本語\n\nWish.", "nothing names the project"),
        ("#NoSpace\n\nWish.", "nothing names the project"),
        ("# Title\n", "a title and nothing else"),
        ("# Title\n\n## Another\n", "a title and nothing else"),
        ("---\nname: x\n---\n", "a title and nothing else"),
    ],
)
def test_a_brief_needs_a_name_and_a_wish(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_brief(text, "b.md")


def test_a_heading_names_the_project() -> None:
    brief = parse_brief("Intro\n\n## Word Counter ##\n\nCount.\n", "b.md")
    assert (brief.slug, brief.title) == ("word-counter", "Word Counter")


def test_line_ends_do_not_change_a_brief() -> None:
    text = "---\nname: words\n---\n# Word Counter\n\nCount.\n"
    briefs = {parse_brief(text.replace("\n", end), "b.md").digest() for end in ("\n", "\r\n", "\r")}
    assert len(briefs) == 1


def test_front_matter_wins_over_the_heading_and_is_not_in_the_text() -> None:
    brief = front("name: Other Name\nmode: lite\nbudget_usd: 0.10\napprove: ask")
    assert (brief.slug, brief.title, brief.text) == ("other-name", "Title", "# Title\n\nWish.\n")
    assert (brief.asks.mode, brief.asks.budget_usd, brief.asks.approve) == ("lite", Decimal("0.1"), "ask")


@pytest.mark.parametrize("matter", ["", "---\n---\n", "---\n\n---\n", "---\n# only a comment\n---\n"])
def test_empty_front_matter_asks_for_nothing(matter: str) -> None:
    brief = parse_brief(matter + "# Title\n\nWish.\n", "b.md")
    assert brief == parse_brief("# Title\n\nWish.\n", "b.md")


@pytest.mark.parametrize(
    ("matter", "said"),
    [
        ("name: [", "not YAML"),
        ("name: 2024-99-99", "not YAML"),
        ("budget_usd: !!int x", "not YAML"),
        ("name: !!python/object/apply:os.system [ls]", "not YAML"),
        ("name: " + "[" * 600, "not YAML"),
        ("nmae: x", "invalid at: nmae"),
        ("- a\n- b", "invalid at: front matter"),
        ("[]", "invalid at: front matter"),
        ("false", "invalid at: front matter"),
        ("name: 2024-01-01", "invalid at: name"),
        ("mode: turbo", "invalid at: mode"),
        ("approve: auto", "invalid at: approve"),
        ("executor: pool", "invalid at: executor"),
        ("budget_usd: -1", "invalid at: budget_usd"),
        ("budget_usd: .nan", "invalid at: budget_usd"),
        ("budget_usd: .inf", "invalid at: budget_usd"),
        ("budget_usd: much", "invalid at: budget_usd"),
    ],
)
def test_bad_front_matter_is_refused_with_its_place(matter: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        front(matter)
    assert str(caught.value).startswith("b.md: the front matter is ")
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_brief_or_a_clear_refusal(text: str) -> None:
    for whole in (text, f"# Title\n{text}", f"---\n{text}\n---\n# Title\n\nWish."):
        try:
            brief = parse_brief(decode_brief(whole.encode(), "b.md"), "b.md")
        except InputError as error:
            assert str(error).startswith("b.md: ")
        else:
            # A body that begins with '---' would be read as front matter the second time.
            assert brief.text.startswith("---") or parse_brief(brief.text, "b.md").text == brief.text


def test_a_brief_holds_a_valid_slug() -> None:
    with pytest.raises(ValidationError):
        Brief(slug="../x", title="x", text="x")


def test_front_matter_that_is_not_closed_is_refused_and_its_caps_are_not_lost() -> None:
    with pytest.raises(InputError, match="never closed"):
        parse_brief("---\nbudget_usd: 1\n# Title\nWish.\n", "brief")
    late = parse_brief("\n\n---\nbudget_usd: 1\n---\n# Title\nWish.\n", "brief")
    assert late.asks.budget_usd == 1
