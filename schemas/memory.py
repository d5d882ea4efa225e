"""What Phoenix remembers of earlier work, and what it hints at later: never more than a hint."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from schemas.base import Digest, Text, Value, digest


class HintKind(StrEnum):
    """What an entry tells."""

    PATTERN = "pattern"
    """Requirements, and the contract that served them."""
    CODE = "code"
    """A contract, and the code that was accepted for it."""
    FAILURE = "failure"
    """A failure, and the repair that worked."""


class Source(Value):
    """Where an entry came from."""

    project: str
    run: str
    item: str
    """The item key; empty when it is about a whole run."""


def _says_something(text: str) -> str:
    if not text.strip():
        raise ValueError("the text that is searched must not be empty")
    return text


class MemoryEntry(Value):
    """Something to remember: what it is found by, and what is shown then."""

    kind: HintKind
    text: Annotated[Text, AfterValidator(_says_something)]
    body: Text
    source: Source

    def name(self) -> str:
        """The digest that names it: the same again, from another run of its project, is no new entry."""
        said = {"kind": self.kind, "text": self.text, "body": self.body, "project": self.source.project}
        return digest(said)


class Hint(Value):
    """An entry that was found, with where it came from."""

    entry: Digest
    kind: HintKind
    text: Text
    body: Text
    source: Source
    embedder: str
    score: int = Field(ge=-1000, le=1000)
    """The cosine similarity to what was asked, in thousandths."""


class Rebuilt(Value):
    """What rebuilding the memory came to."""

    entries: int
    derived: int
    """Entries that were missing, and are derived from accepted items."""
    embedded: int
    """Entries that had no vector of the present embedder."""


class MemoryStatus(Value):
    """Where the memory stands."""

    on: bool
    embedder: str
    entries: dict[HintKind, int]
    waiting: int
    """Entries that have no vector of the present embedder and so cannot be found."""
    expired: int
    index: str
    """ok, or what will happen."""
