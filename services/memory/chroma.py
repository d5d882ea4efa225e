"""Chroma as an index over the vectors in PostgreSQL. Its calls block; whatever breaks in it is IndexLost."""

import asyncio
import contextlib
import os
import re
import shutil
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from schemas.base import text_digest
from services.database.memories import Among, Space
from services.settings import Settings

T = TypeVar("T")
AT_ONCE = 1000
NEVER_ON_DISK = 1_000_000
"""hnsw files are never written: a kill while Chroma writes them can break a collection for good."""
OPTIONS = {"hnsw": {"space": "cosine", "sync_threshold": NEVER_ON_DISK}}


class IndexLost(Exception):
    """The index cannot be used; it is only an index."""


async def patiently(work: Callable[[], T], seconds: float) -> T:
    """What blocking work returns, done by a thread that nobody waits for when it hangs.

    Raises:
        IndexLost: the work failed in any way, or took too long.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(set_it: Callable[[Any], None], value: object) -> None:
        if not done.done():
            set_it(value)

    def run() -> None:
        outcome: tuple[Callable[[Any], None], object]
        try:
            outcome = (done.set_result, work())
        except BaseException as error:
            # Chroma's core panics with an exception that is no Exception.
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            outcome = (done.set_exception, IndexLost(reason))
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, *outcome)

    threading.Thread(target=run, daemon=True, name="memory").start()
    try:
        return await asyncio.wait_for(done, seconds)
    except TimeoutError:
        raise IndexLost(f"no answer within {seconds:.0f} s") from None


class Folder:
    """Where the embedded index is: a file names the present folder, so that a new one takes over at once."""

    def __init__(self, home: Path) -> None:
        self.root = home / "memory"
        self._present = self.root / "present"

    def open(self) -> Path:
        """The present folder; a new one, when there is none."""
        self.root.mkdir(parents=True, exist_ok=True)
        if self.present() is None:
            name = self.root / f"index-{uuid.uuid4().hex[:8]}"
            noted = name.with_suffix(".name")
            noted.write_text(name.name)
            with contextlib.suppress(FileExistsError):
                os.link(noted, self._present)
            noted.unlink()
        present = self.present()
        if present is None:
            raise FileNotFoundError(self._present)
        for other in self.root.glob("index-*"):
            if other != present and other.is_dir():
                shutil.rmtree(other, ignore_errors=True)
        return present

    def present(self) -> Path | None:
        """The folder that is used at present."""
        try:
            return self.root / Path(self._present.read_text().strip()).name
        except OSError:
            return None

    def give_up(self, broken: Path | None) -> None:
        """Let whoever opens the index next begin a new one, unless somebody did already."""
        if broken is not None and broken == self.present():
            with contextlib.suppress(OSError):
                self._present.unlink(missing_ok=True)


class Collection:
    """The vectors of one space of one database, in the home's folder or on a server; every method blocks."""

    def __init__(self, settings: Settings, space: Space, database: str) -> None:
        from chromadb import HttpClient, PersistentClient
        from chromadb.config import Settings as ChromaSettings

        quiet = ChromaSettings(anonymized_telemetry=False, chroma_http_max_keepalive_connections=0)
        self._client: Any
        self.folder: Path | None = None
        if settings.chroma_url:
            url = urlsplit(settings.chroma_url)
            secure = url.scheme == "https"
            port = url.port or (443 if secure else 80)
            self._client = HttpClient(host=url.hostname or "", port=port, ssl=secure, settings=quiet)
        else:
            self.folder = Folder(settings.home).open()
            self._client = PersistentClient(path=self.folder, settings=quiet)
        self.name = collection_name(space, database)
        self._open()

    def _open(self) -> None:
        self._vectors = self._client.get_or_create_collection(
            self.name, embedding_function=None, configuration=OPTIONS
        )

    def empty(self) -> None:
        """Begin anew."""
        self._client.delete_collection(self.name)
        self._open()

    def mark(self) -> tuple[int, str]:
        """How many vectors there are, and the mark that was set last."""
        return int(self._vectors.count()), str((self._vectors.metadata or {}).get("mark", ""))

    def set_mark(self, mark: str) -> None:
        """Say which entries the vectors stand for."""
        self._vectors.modify(metadata={"mark": mark})

    def names(self) -> set[str]:
        """The digests of all entries."""
        return set(self._vectors.get(include=[])["ids"])

    def add(self, rows: Sequence[Any]) -> None:
        """Add entries with their vectors; what is there already is replaced."""
        import numpy

        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            self._vectors.upsert(
                ids=[row.digest for row in some],
                embeddings=[numpy.frombuffer(row.vector, dtype="<f4") for row in some],
                metadatas=[{"kind": row.kind, "project": row.project} for row in some],
            )

    def remove(self, names: Sequence[str]) -> None:
        """Remove entries."""
        for start in range(0, len(names), AT_ONCE):
            self._vectors.delete(ids=list(names[start : start + AT_ONCE]))

    def nearest(self, vector: bytes, among: Among, limit: int) -> list[str]:
        """The digests nearest to a vector."""
        import numpy

        parts = [{name: value} for name, value in _filters(among).items()]
        found = self._vectors.query(
            query_embeddings=[numpy.frombuffer(vector, dtype="<f4")],
            n_results=limit,
            where=None if not parts else parts[0] if len(parts) == 1 else {"$and": parts},
            include=[],
        )
        return list(found["ids"][0])

    def close(self) -> None:
        """Let go of the files or the connection."""
        self._client.close()


def collection_name(space: Space, database: str) -> str:
    """A name that Chroma allows; another embedder, length or database has another."""
    readable = re.sub(r"[^a-z0-9]+", "-", space.embedder.lower()).strip("-")[:80]
    return f"{readable}-{space.dimensions}-{text_digest(space.embedder)[:8]}-{database}"


def _filters(among: Among) -> dict[str, str]:
    named = {"kind": among.kind and among.kind.value, "project": among.project}
    return {name: value for name, value in named.items() if value is not None}
