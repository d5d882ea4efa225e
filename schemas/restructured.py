"""Pages in reStructuredText that no text can break."""

import re

from schemas.document import Block, Code, Definition, Heading, Items, Page, Paragraph, code_lines, spans

_MARKS = re.compile(r"[\\`*_|:<>\[\]]")
_WORD_START = re.compile(r"^(?![A-Za-z0-9]+[.)])[A-Za-z0-9]")
_UNDERLINES = {1: "=", 2: "-", 3: "~"}


def rst_page(page: Page) -> str:
    """The page's text."""
    parts = [rst_title(page.title, 1)]
    if page.module:
        parts.append(f".. py:module:: {page.module}")
    return "\n\n".join([*parts, *_blocks(page.blocks)]) + "\n"


def toctree(pages: tuple[str, ...]) -> str:
    """The list of pages that belong to a page."""
    return "\n".join([".. toctree::", "   :maxdepth: 2", "", *(f"   {page}" for page in pages)])


def rst_line(text: str) -> str:
    """Text with spans, in one line of reStructuredText."""
    line = "".join(_span(span.kind, span.text) for span in spans(text)).strip() or "–"
    return line if _WORD_START.match(line) else f"\\ {line}"


def _span(kind: str, text: str) -> str:
    if kind == "code" and not re.search(r"^[`\\]|[`\\]$", text):
        return f"\\ ``{text}``\\ "
    plain = _MARKS.sub(lambda m: f"\\{m[0]}", text)
    return f"\\ **{plain}**\\ " if kind == "strong" else plain


def rst_title(text: str, level: int) -> str:
    """A title, underlined as its level is."""
    line = rst_line(text)
    return f"{line}\n{_UNDERLINES[level] * (2 * len(line) + 4)}"


def _blocks(blocks: tuple[Block, ...]) -> list[str]:
    return [text for block in blocks for text in _block(block)]


def _block(block: Block) -> list[str]:
    match block:
        case Heading():
            return [rst_title(block.text, block.level)]
        case Paragraph():
            return [rst_line(block.text)]
        case Items():
            return ["\n".join(f"- {rst_line(entry)}" for entry in block.entries)]
        case Code():
            return [_literal(block)]
        case Definition():
            body = [_literal(Code(block.code, "python")), *_blocks(block.body)]
            return [f".. py:{block.kind}:: {block.name}", *map(_indented, body)]


def _literal(code: Code) -> str:
    return f".. code-block:: {code.language}\n\n" + _indented("\n".join(code_lines(code.text)))


def _indented(text: str) -> str:
    return "\n".join(f"   {line}" if line else "" for line in text.split("\n"))
