"""Small builders for tests of the memory."""

from pathlib import Path
from typing import Any

from schemas.memory import HintKind, MemoryEntry, Source
from services.database import Database
from services.memory import Memory
from services.settings import Settings

TEXTS = (
    "Count the words in a text file and print the most frequent ones.",
    "Parse a CSV of bank transactions into dated amounts.",
    "Convert temperatures between Celsius and Fahrenheit.",
    "Find the shortest path between two cities on a map.",
    "Render a Markdown document as HTML.",
)


def settings(home: Path, **changes: Any) -> Settings:
    """Settings of a home, untouched by this machine's environment."""
    plain = {"CHROMA_URL": None, "OPENAI_API_KEY": None, "OPENAI_BASE_URL": None, "PHOENIX_MEMORY": "on"}
    model = {"PHOENIX_EMBEDDING_MODEL": "lexical-hash-v1"}
    return Settings.model_validate({"PHOENIX_HOME": home, **plain, **model, **changes})


def entry(text: str, kind: str = "pattern", project: str = "p", **changes: Any) -> MemoryEntry:
    """An entry whose body says what its text says."""
    source = Source(project=project, run=changes.pop("run", "r1"), item=changes.pop("item", ""))
    return MemoryEntry(
        kind=HintKind(kind), text=text, body=changes.pop("body", f"Body: {text}"), source=source
    )


def entries(*texts: str) -> list[MemoryEntry]:
    """Patterns with these texts, or with the usual ones."""
    return [entry(text) for text in texts or TEXTS]


async def remember(database: Database, memory: Memory, *what: MemoryEntry) -> int:
    """Remember in a transaction of its own."""
    async with database.transaction() as conn:
        return await memory.remember(conn, what)
