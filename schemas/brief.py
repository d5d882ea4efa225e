"""The brief: what the user wrote, read from Markdown with optional YAML front matter."""

import datetime as dt
import re
from typing import Literal

import yaml
from pydantic import ValidationError

from schemas.base import Money, Slug, Text, Value, digest, slugify
from schemas.errors import InputError

MAX_BYTES = 200_000


class FrontMatter(Value):
    """What a brief may ask for; it may only tighten what the policy allows."""

    name: str | None = None
    mode: Literal["auto", "full", "lite"] | None = None
    budget_usd: Money | None = None
    approve: Literal["ask"] | None = None
    date: dt.date | None = None
    """What the bill of materials of the release carries as its time."""


class Brief(Value):
    """A brief, named by its project slug."""

    slug: Slug
    title: str
    text: Text
    """The whole text without its front matter."""
    asks: FrontMatter = FrontMatter()

    def uncapped(self) -> "Brief":
        """The brief without its cap, which no answer depends on."""
        return self.model_copy(update={"asks": self.asks.model_copy(update={"budget_usd": None})})

    def digest(self) -> str:
        """The digest of the brief without its cap."""
        return digest(self.uncapped())


def decode_brief(data: bytes, source: str) -> str:
    """The text of a brief's bytes.

    Raises:
        InputError: the bytes are too many, empty, or not UTF-8 text.
    """
    if len(data) > MAX_BYTES:
        raise InputError(
            f"{source}: the brief has over {MAX_BYTES:,} bytes, which is the most that is allowed. "
            "Keep the wishes and drop the rest, then run the same command again."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}: not UTF-8 text (byte {error.start}); a brief is Markdown. "
            "Save it as UTF-8 text, then run the same command again."
        ) from None
    if "\x00" in text:
        raise InputError(f"{source}: holds NUL characters; a brief is Markdown. Give a text file.")
    if not text.strip():
        raise InputError(
            f"{source}: the brief is empty. Write a '# Title' and what you want, then run again."
        )
    return text


def parse_brief(text: str, source: str) -> Brief:
    """The brief in a Markdown text.

    Raises:
        InputError: the front matter is invalid, or neither it nor a heading names the project.
    """
    asks, body = _split_front_matter(text.replace("\r\n", "\n").replace("\r", "\n"), source)
    heading = re.search(r"^#+[ \t]+(.+?)[ \t#]*$", body, re.MULTILINE)
    title = (heading.group(1) if heading else asks.name) or ""
    slug = slugify(asks.name or title)
    if not slug:
        raise InputError(
            f"{source}: nothing names the project. Start the brief with a heading such as '# Word Counter' "
            "(ASCII letters), or with front matter 'name: word-counter'."
        )
    if not re.sub(r"^#+[ \t]+.*$", "", body, flags=re.MULTILINE).strip():
        raise InputError(f"{source}: the brief has a title and nothing else. Say what the software must do.")
    return Brief(slug=slug, title=title, text=body.strip() + "\n", asks=asks)


def _split_front_matter(text: str, source: str) -> tuple[FrontMatter, str]:
    text = text.lstrip("\ufeff \t\n")
    match = re.match(r"---[ \t]*\n(.*?\n)??---[ \t]*(?:\n|$)", text, re.DOTALL)
    if not match and text.startswith("---") and text.splitlines()[0].strip() == "---":
        raise InputError(
            f"{source}: the front matter begins with '---' and is never closed. Close it with a line '---'."
        )
    if not match:
        return FrontMatter(), text
    try:
        loaded = yaml.safe_load(match.group(1) or "")
        asks = FrontMatter.model_validate({} if loaded is None else loaded)
    except ValidationError as error:
        where = ", ".join(".".join(map(str, item["loc"])) or "front matter" for item in error.errors())
        raise InputError(
            f"{source}: the front matter is invalid at: {where}. "
            "Allowed keys: name, mode (auto|full|lite), budget_usd (0 or more), approve (ask), date."
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{source}: the front matter is not YAML: {_first_line(error)}") from None
    return asks, text[match.end() :]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
