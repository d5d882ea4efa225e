"""The documentation says what contract, README and specification say."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.document import Code, Heading, Items, Paragraph, parse_text, spans
from schemas.documentation import DocsTool, render_docs
from schemas.markdown import markdown_line
from schemas.restructured import rst_line
from schemas.specification import Specification
from tests.assemblies import PIECES, nasty_assembly, small_assembly
from tests.builders import contract, srs

TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=8).map("".join)


def docs(tool: DocsTool = "mkdocs") -> dict[str, str]:
    assembly = small_assembly().model_copy(update={"contracts": (contract(),)})
    return {f.path: f.text for f in render_docs(assembly, "Twice & more", "0.2.0", tool)}


def test_there_is_a_page_for_each_module_and_one_for_the_requirements() -> None:
    assert sorted(docs()) == [
        "docs/api/weights.parsing.md",
        "docs/index.md",
        "docs/requirements.md",
        "mkdocs.yml",
    ]
    assert sorted(docs("sphinx")) == [
        *("docs/api/weights.parsing.rst", "docs/conf.py", "docs/index.rst", "docs/requirements.rst")
    ]
    nav = yaml.safe_load(docs()["mkdocs.yml"])["nav"]
    assert nav[1] == {"API": [{"weights.parsing": "api/weights.parsing.md"}]}


@pytest.mark.parametrize("tool", ["mkdocs", "sphinx"])
def test_a_page_holds_signature_doc_errors_and_fields(tool: DocsTool) -> None:
    page = next(text for path, text in docs(tool).items() if "parsing" in path)
    for part in (
        *("def parse(text: str, *, unit: Unit = Unit.GRAM) -> Weight", "the text holds no number"),
        *(">>> parse('2 kg').grams", "notes: list[str] = []", "In grams.", "KILO = 'kg'"),
        *("class WeightError(ValueError)", "LIMIT: Decimal = Decimal('9.5')", "def known(name: str) -> bool"),
        *("@staticmethod", "@classmethod", "weigh"),
    ):
        assert part in page


def test_a_full_specification_shows_targets_words_and_questions() -> None:
    entry = srs().requirements[0].model_dump()
    speed = {
        **{"id": "NFR-1", "text": "Fast.", "criteria": [{"id": "NFR-1.1", "text": "WHEN run"}]},
        **{"sources": ["S1"], "metric": "seconds", "target": "at most 2"},
    }
    whole = Specification.model_validate(
        {
            **srs().model_dump(),
            "requirements": [{**entry, "sources": ["S1"], "metric": None, "target": None}, speed],
            "glossary": [{"term": "double", "meaning": "two times"}],
            "unserved": [],
            "questions": [{"question": "How big?", "assumed": "Any."}],
        }
    )
    assembly = small_assembly().model_copy(update={"srs": whole})
    page = {f.path: f.text for f in render_docs(assembly, "T", "1", "mkdocs")}["docs/requirements.md"]
    for part in ("Target: at most 2", "double: two times", "How big? Assumed: Any."):
        assert part in page


def test_text_becomes_blocks() -> None:
    text = "# A\n\nOne `two`\nthree.\n- x\n  y\n- z\n\n```python\nf()\n```\n>>> 1\n1\n\n    deep\n"
    assert parse_text(text, headings=True) == (
        Heading(2, "A"),
        Paragraph("One `two` three."),
        Items(("x y", "z")),
        Code("f()", "text"),
        Code(">>> 1\n1", "pycon"),
        Code("    deep", "text"),
    )
    assert parse_text("# A")[0] == Paragraph("# A")


def test_a_link_is_its_label_and_the_address_of_a_web_page() -> None:
    assert "".join(s.text for s in spans("[a](b.md) ![c](https://d)")) == "a c (https://d)"


def test_words_are_not_marked_up_by_accident() -> None:
    assert markdown_line("a_b*c <x> 1. `d|e`") == "a\\_b\\*c &lt;x&gt; 1. `d|e`"
    assert rst_line("- a_b*c") == "\\ - a\\_b\\*c"


@given(TEXTS)
def test_any_text_is_one_line_that_is_not_empty(text: str) -> None:
    for line in (markdown_line(text), rst_line(text)):
        assert line.splitlines() == [line]
        assert line.strip()


@given(TEXTS)
def test_parsing_ends_and_loses_no_letter(text: str) -> None:
    word = "kept"
    assert word in str(parse_text(f"{text}\n\n{word}\n", headings=True))


@pytest.mark.parametrize("tool", ["mkdocs", "sphinx"])
def test_equal_inputs_give_equal_files(tool: DocsTool) -> None:
    first, second = (render_docs(nasty_assembly(), "T", "1", tool) for _ in range(2))
    assert first == second
