"""A brief's statements, and specifications that lose none."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.specification import Specification, numbered_statements, statements_of
from tests.plans import BRIEF, specification

PIECES = st.sampled_from(["Sum it.", "- a thing\n", "\n\n", "# Title\n", "```\nc. C.\n```", " ", "Ja!", "x"])


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", ()),
        (" \n\n\t\n", ()),
        ("# Title\n\n## Only headings\n", ()),
        ("Count the words. Sort them well.", ("Count the words.", "Sort them well.")),
        ("Count the words\nof a text.\n\nSort them.", ("Count the words of a text.", "Sort them.")),
        ("Is it quick? Of course it is! So be it.", ("Is it quick?", "Of course it is! So be it.")),
        ("Use 1.5 as e.g. a limit of it.", ("Use 1.5 as e.g. a limit of it.",)),
        ("It counts the words. OK. It sorts them.", ("It counts the words. OK.", "It sorts them.")),
        (
            "It must:\n- count the words\n* sort them\n+ be quick\n1. first of all\n2) second of all\n",
            (
                *("It must:", "- count the words", "* sort them", "+ be quick"),
                *("1. first of all", "2) second of all"),
            ),
        ),
        ("- a long entry\n  that goes on\n- another", ("- a long entry that goes on", "- another")),
        ("- an outer entry\n  - an inner entry", ("- an outer entry", "  - an inner entry")),
        ("- \n\nText.", ("Text.",)),
        ("1. First. Then more\n   of it.", ("1. First.", "Then more of it.")),
        ("A recipe:\n\n    # Soup\n    - salt\n\n    2 eggs.\n\nEat it.",
         ("A recipe:", "# Soup\n- salt\n\n2 eggs.", "Eat it.")),
        ("| size | price |\n|---|---|\n| 1 | 2.50. More |\n", ("size | price", "1 | 2.50. More")),
        ("A line.\n---\n[a]: http://x\n", ("A line.", "[a]: http://x")),
        ("> Quoted.\n\n<b>\nBold\n</b>\n", ("Quoted.", "<b>\nBold\n</b>")),
        ("Text before.\n# Heading\nText after it.", ("Text before.", "Text after it.")),
        ("# Title\nRight below it.\n## Next\n- an entry", ("Right below it.", "- an entry")),
        ("Of all of them:\n#1 is first.", ("Of all of them: #1 is first.",)),
        (
            "Like this one:\n```python\n# not a heading. Not a sentence.\n\nx = 1\n```\nAnd so on.",
            ("Like this one:", "```python\n# not a heading. Not a sentence.\n\nx = 1\n```", "And so on."),
        ),
        ("Zähle die Wörter. Übe das Sortieren.", ("Zähle die Wörter.", "Übe das Sortieren.")),
        ("Compte les mots. Écris-les triés.", ("Compte les mots.", "Écris-les triés.")),
        ("Say it. 'Quoted words' too, \"and these\". (And a bracket.)",
         ("Say it.", "'Quoted words' too, \"and these\".", "(And a bracket.)")),
        ("単語を数える。並べ替える。", ("単語を数える。並べ替える。",)),
    ],
)  # fmt: skip
def test_a_brief_is_cut_into_its_statements(text: str, statements: tuple[str, ...]) -> None:
    assert statements_of(text) == statements


@given(st.lists(PIECES, max_size=12).map("".join) | st.text("aB.!? \n\té–", max_size=60))
def test_no_word_outside_headings_is_lost_and_no_statement_is_empty(text: str) -> None:
    found = statements_of(text)
    assert all(statement.strip() for statement in found)
    if "#" not in text:
        assert "".join("".join(found).split()) == "".join(text.split())


def test_statements_are_numbered_under_their_headings() -> None:
    assert numbered_statements("# Shop\n\nSell it.\n\n## Later\n- returns\n") == (
        "# Shop\nS1: Sell it.\n## Later\nS2: - returns"
    )


def test_the_statements_of_a_text_are_those_of_its_parts() -> None:
    assert statements_of(f"{BRIEF.text}\n\n{BRIEF.text}") == statements_of(BRIEF.text) * 2


STATEMENTS = statements_of(BRIEF.text)


def test_a_specification_that_serves_or_sets_aside_every_statement_is_covered() -> None:
    assert specification().uncovered(STATEMENTS) == []


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        (
            {"unserved": []},
            ["S4 is served by no requirement and not listed as unserved: 'Our shop opened in 1999.'"],
        ),
        ({"unserved": [{"statements": ["S4", "S10", "S5"], "why": "x"}]},
         ["S5 is no statement of the brief", "S10 is no statement of the brief"]),
    ],
)  # fmt: skip
def test_lost_and_invented_statements_are_named_in_order(
    changes: dict[str, Any], problems: list[str]
) -> None:
    assert specification(**changes).uncovered(STATEMENTS) == problems


def test_many_lost_statements_come_in_the_order_of_the_brief() -> None:
    many = tuple(f"Statement number {n}." for n in range(1, 13))
    lost = [line.split()[0] for line in specification().uncovered(many)]
    assert lost == [f"S{n}" for n in range(5, 13)]


@given(st.sets(st.integers(1, 9)), st.sets(st.integers(1, 9)), st.integers(0, 9))
def test_every_statement_is_served_set_aside_or_named_as_lost(
    served: set[int], aside: set[int], count: int
) -> None:
    made = specification()
    requirement = made.requirements[0].model_copy(update={"sources": tuple(f"S{n}" for n in served)})
    unserved = made.unserved[0].model_copy(update={"statements": tuple(f"S{n}" for n in aside)})
    chosen = made.model_copy(update={"requirements": (requirement,), "unserved": (unserved,)})
    problems = chosen.uncovered(("A statement.",) * count)
    lost = {int(p.split()[0][1:]) for p in problems if "served by no" in p}
    strange = {int(p.split()[0][1:]) for p in problems if "is no statement" in p}
    known = set(range(1, count + 1))
    assert (lost, strange) == (known - served - aside, (served | aside) - known)


@pytest.mark.parametrize(("metric", "target"), [(None, None), ("seconds", None), (None, "1"), ("", "1")])
def test_a_requirement_that_is_measured_needs_metric_and_target(
    metric: str | None, target: str | None
) -> None:
    quick = specification().requirements[2].model_dump() | {"metric": metric, "target": target}
    with pytest.raises(ValidationError, match="NFR-1 needs a metric and a target"):
        specification(requirements=[quick])


def test_a_specification_comes_back_whole() -> None:
    assert Specification.model_validate_json(specification().model_dump_json()) == specification()
