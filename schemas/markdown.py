"""Pages in Markdown that no text can break."""

import re

from schemas.document import Block, Code, Definition, Heading, Items, Page, Paragraph, code_lines, spans

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "~": "&#126;"}
_MARKS = re.compile(r"[\\`*_{}\[\]#]")
_AT_START = re.compile(r"^([-+=:]|\d+(?=[.)]))")


def markdown_page(page: Page) -> str:
    """The page's text."""
    return "\n\n".join([f"# {markdown_line(page.title)}", *_blocks(page.blocks, 3)]) + "\n"


def markdown_line(text: str) -> str:
    """Text with spans, in one line of Markdown."""
    line = "".join(_span(span.kind, span.text) for span in spans(text))
    return _AT_START.sub(lambda m: f"&#{ord(m[0][0])};{m[0][1:]}", line) or "–"


def _span(kind: str, text: str) -> str:
    if kind == "code":
        return inline_code(text)
    plain = _MARKS.sub(lambda m: f"\\{m[0]}", text)
    plain = "".join(_ENTITIES.get(c, c) for c in plain)
    return f"**{plain}**" if kind == "strong" else plain


def inline_code(text: str) -> str:
    """Text as a span of code."""
    if not text.strip("`\\ "):
        return "".join(f"&#{ord(c)};" for c in text)
    fence = "`" * (_longest(text) + 1)
    return f"{fence} {text} {fence}" if "`" in text or text.endswith("\\") else f"`{text}`"


def _longest(text: str, mark: str = "`") -> int:
    return max((len(run) for run in re.findall(f"{mark}+", text)), default=0)


def _blocks(blocks: tuple[Block, ...], level: int) -> list[str]:
    return [text for block in blocks for text in _block(block, level)]


def _block(block: Block, level: int) -> list[str]:
    match block:
        case Heading():
            return [f"{'#' * block.level} {markdown_line(block.text)}"]
        case Paragraph():
            return [markdown_line(block.text)]
        case Items():
            return ["\n".join(f"- {markdown_line(entry)}" for entry in block.entries)]
        case Code():
            return [_fenced(block)]
        case Definition():
            code = _fenced(Code(block.code, "python"))
            title = f"{'#' * level} {inline_code(block.name)}"
            return [title, code, *_blocks(block.body, level + 1)]


def _fenced(code: Code) -> str:
    lines = code_lines(code.text)
    fence = "`" * max(3, _longest("\n".join(lines)) + 1)
    return "\n".join([f"{fence}{code.language}", *lines, fence])
