"""The form in which code agents answer: <file path="…"> blocks."""

import re

from pydantic import ValidationError

from schemas.base import SourceFile

_BLOCK = re.compile(r'^<file path="([^"\n]*)">[ \t]*\n(.*?)^</file>[ \t]*$', re.MULTILINE | re.DOTALL)
MAX_FILE_BYTES = 200_000


class FileBlockError(ValueError):
    """An answer's file blocks break a rule; the message is shown to the model."""


def parse_file_blocks(text: str) -> tuple[SourceFile, ...]:
    """The files in an answer, in order.

    Raises:
        FileBlockError: there is no block, a block is open, a path escapes or occurs twice, a file is too big.
    """
    text = text.replace("\r\n", "\n")
    blocks = _BLOCK.findall(text)
    opened = len(re.findall(r"^<file\b", text, re.MULTILINE))
    if not blocks or opened != len(blocks):
        raise FileBlockError(
            f'{opened} block(s) opened and {len(blocks)} complete; each file is a line <file path="…">, '
            "its content, and a line </file>"
        )
    files = tuple(_file(path, body) for path, body in blocks)
    paths = [file.path for file in files]
    if len(set(paths)) < len(paths):
        raise FileBlockError("a path occurs twice")
    return files


def _file(path: str, body: str) -> SourceFile:
    if len(body.encode(errors="surrogatepass")) > MAX_FILE_BYTES:
        raise FileBlockError(f"{path}: over {MAX_FILE_BYTES} bytes")
    try:
        return SourceFile(path=path, text=_unfenced(body))
    except ValidationError as error:
        raise FileBlockError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _unfenced(body: str) -> str:
    match = re.fullmatch(r"\s*```[a-z]*\n(.*?)```\s*", body, re.DOTALL)
    inner = match.group(1) if match and "\n```" not in match.group(1).rstrip("`") else body
    return inner.strip("\n") + "\n"
