"""Files in an answer: what is taken, and what the model is told otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import SourceFile
from schemas.fileblocks import MAX_FILE_BYTES, FileBlockError, parse_file_blocks
from tests.builders import source


def block(path: str, body: str) -> str:
    return f'<file path="{path}">\n{body}</file>\n'


def only(text: str) -> SourceFile:
    (file,) = parse_file_blocks(text)
    return file


def test_files_come_in_order_and_text_around_them_is_dropped() -> None:
    text = "Here you are:\n\n" + block("b.py", "x = 1\n") + "\nand\n" + block("a.py", "y = 2\n") + "\nDone.\n"
    assert parse_file_blocks(text) == (source("b.py", "x = 1\n"), source("a.py", "y = 2\n"))


def test_windows_line_ends_become_unix_ones() -> None:
    assert only(block("a.py", "x = 1\ny = 2\n").replace("\n", "\r\n")).text == "x = 1\ny = 2\n"


@pytest.mark.parametrize("fence", ["```", "```python", "```py"])
def test_a_fence_around_a_file_is_taken_off(fence: str) -> None:
    assert only(block("a.py", f"{fence}\nx = 1\n```\n")).text == "x = 1\n"


def test_fences_inside_a_file_stay() -> None:
    readme = "# A\n\n```python\nx\n```\n\ntext\n\n```\ny\n```\n"
    assert only(block("README.md", readme)).text == readme
    two = "```python\nx\n```\n\ntext\n\n```\ny\n```\n"
    assert only(block("README.md", two)).text == two


def test_a_fence_around_everything_does_not_matter() -> None:
    assert only("```xml\n" + block("a.py", "x = 1\n") + "```\n").text == "x = 1\n"


def test_blank_lines_around_a_file_go_and_one_line_end_stays() -> None:
    assert only(block("a.py", "\n\nx = 1\n\n\n")).text == "x = 1\n"
    assert only(block("a.py", "")).text == "\n"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "no files",
            "<file>\nx\n</file>",
            "<file path='a.py'>\nx\n</file>",
            '<file path="a.py">x</file>',
        ),
        *(
            '<file path="a.py">\nx\n',
            block("a.py", "x\n") + '<file path="b.py">\ncut off',
            '<file path="a.py">',
        ),
        '<file path="a.py">\nx\n<file path="b.py">\ny\n</file>\n',
    ],
)
def test_a_missing_or_open_block_is_refused(text: str) -> None:
    with pytest.raises(FileBlockError, match=r"opened and .* complete; each file is a line"):
        parse_file_blocks(text)


@pytest.mark.parametrize("path", ["../a.py", "/a.py", "", ".git/config", "a b.py", "a\\b.py", "a\tb", "é.py"])
def test_a_path_that_escapes_is_refused_by_name(path: str) -> None:
    with pytest.raises(FileBlockError, match=r"^path "):
        parse_file_blocks(block(path, "x\n"))


def test_a_path_may_occur_once() -> None:
    with pytest.raises(FileBlockError, match="a path occurs twice"):
        parse_file_blocks(block("a.py", "x\n") + block("b.py", "x\n") + block("a.py", "y\n"))


def test_a_file_has_a_size_in_bytes() -> None:
    with pytest.raises(FileBlockError, match=r"a\.py: over 200000 bytes"):
        parse_file_blocks(block("a.py", "é" * (MAX_FILE_BYTES // 2) + "\n"))
    assert len(only(block("a.py", "x" * (MAX_FILE_BYTES - 1) + "\n")).text) == MAX_FILE_BYTES


@pytest.mark.parametrize("body", ["x\0\n", "\ud800\n"])
def test_what_is_not_text_is_refused(body: str) -> None:
    with pytest.raises(FileBlockError):
        parse_file_blocks(block("a.py", body))


LINES = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), max_size=20))


@given(LINES.map("\n".join).filter(lambda t: not any(s in t for s in ("<file", "</file>", "```"))))
def test_a_file_comes_back_as_it_was_written(body: str) -> None:
    assert only(block("a.py", body + "\n")).text == body.strip("\n") + "\n"


@given(st.text())
def test_any_answer_is_files_or_a_clear_refusal(text: str) -> None:
    for whole in (text, block("a.py", text), f'<file path="{text}">\nx\n</file>'):
        try:
            assert parse_file_blocks(whole)
        except FileBlockError as error:
            assert str(error)
