"""The memory of one database: entries are remembered, recalled as hints, and rebuilt."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from schemas.base import Digest, canonical_json
from schemas.errors import ConfigurationError, PhoenixError, Unreachable
from schemas.memory import Hint, HintKind, MemoryEntry, MemoryStatus, Rebuilt, Source
from services.database import memories, store
from services.database.memories import Among, Space
from services.database.session_lock import lock_key, session_lock
from services.memory.chroma import IndexLost
from services.memory.derive import stored_entries
from services.memory.embedding import open_embedder
from services.memory.index import Index
from services.memory.vectors import similarities
from services.secrets import redact
from services.settings import Settings
from services.telemetry import logger

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.database import Database

Make = Callable[[], Awaitable[tuple[Hint, ...]]]
SEARCHED = 20_000
"""How many of the newest entries are searched without the index."""
EMBEDDED = 256
"""How many entries that wait for a vector are given one before a search."""
SPARE = 4
"""The index tells which entries are near; so many times more are asked for, then compared exactly."""
_HINTS = TypeAdapter(tuple[Hint, ...])


class Memory:
    """What earlier work can hint at. PostgreSQL is the truth; without its index it is only slower."""

    def __init__(self, settings: Settings, database: "Database") -> None:
        self.on = settings.memory == "on"
        self.index = Index(settings, database)
        self._database = database
        self._embedder = open_embedder(settings)
        self._warned = False

    async def remember(self, conn: "AsyncConnection", entries: Iterable[MemoryEntry]) -> int:
        """How many entries were new; they are kept when the connection's transaction commits."""
        clean = [_redacted(entry) for entry in entries] if self.on else []
        if not clean:
            return 0
        vectors: list[bytes | None] = [None] * len(clean)
        if self._embedder.offline:
            vectors = [*await self._embedder.embed([entry.text for entry in clean])]
        return await memories.add(conn, clean, self._embedder.name, vectors)

    async def recall(
        self, kind: HintKind | None, text: str, limit: int = 5, project: str | None = None
    ) -> tuple[Hint, ...]:
        """The nearest entries, best first; none when the memory is off or no vector can be had."""
        if not self.on or not text.strip():
            return ()
        try:
            return await self.search(kind, text, limit, project)
        except PhoenixError as error:
            if not self._warned:
                logger().warning("the memory gives no hints", error=str(error))
            self._warned = True
            return ()

    async def search(
        self, kind: HintKind | None, text: str, limit: int = 5, project: str | None = None
    ) -> tuple[Hint, ...]:
        """The nearest entries, best first.

        Raises:
            ConfigurationError: the memory is off, or the embedding model is refused.
            Unreachable: the embedding model does not answer.
        """
        self._must_be_on()
        async with self._database.transaction() as conn:
            kinds, _, _ = await memories.count(conn, self._embedder.name)
        if not any(number for found, number in kinds.items() if kind in (None, found)):
            return ()
        await self._embed_waiting(EMBEDDED, others=False)
        [vector] = await self._embedder.embed([redact(text)])
        space, among = Space(self._embedder.name, len(vector) // 4), Among(kind, project)
        names = await self.index.nearest(space, vector, among, limit * SPARE)
        if names is None:
            names = await self._nearest_by_hand(space, vector, among, limit)
        return await self._hints(names, vector, space, among, limit)

    async def pinned(self, key: str, make: Make) -> tuple[Hint, ...]:
        """The hints that were first given under a key; whoever asks again is given the same."""
        if not self.on:
            return ()
        async with self._database.transaction() as conn:
            known = await memories.given(conn, key)
        if known is None:
            made = canonical_json(await make())
            async with self._database.transaction() as conn:
                known = await memories.give(conn, key, made)
        return _HINTS.validate_json(known)

    async def rebuild(self) -> Rebuilt:
        """Derive what is missing from accepted items, embed what has no vector, and write the index anew.

        Raises:
            ConfigurationError: the memory is off, or the embedding model is refused.
            Unreachable: the embedding model does not answer, or the index cannot be written.
        """
        self._must_be_on()
        async with session_lock(self._database.locks, lock_key("memory", "rebuild")):
            derived = await self._derive()
            embedded = 0
            while done := await self._embed_waiting(EMBEDDED, others=True):
                embedded += done
            async with self._database.transaction() as conn:
                space = await memories.space_of(conn, self._embedder.name)
            try:
                entries = await self.index.rebuild(space) if space else 0
            except IndexLost as error:
                raise Unreachable(
                    f"the memory's index cannot be written: {error}. Hints are searched in PostgreSQL until "
                    "then. Check CHROMA_URL or the folder 'memory' of PHOENIX_HOME, and type it again."
                ) from None
        return Rebuilt(entries=entries, derived=derived, embedded=embedded)

    async def expire(self, beginning: str) -> Digest:
        """The digest of the entry that is never hinted at again.

        Raises:
            InputError: not exactly one entry's digest begins so.
        """
        async with self._database.transaction() as conn:
            return await memories.expire(conn, beginning)

    async def status(self) -> MemoryStatus:
        """Where the memory stands."""
        async with self._database.transaction() as conn:
            kinds, waiting, expired = await memories.count(conn, self._embedder.name)
            space = await memories.space_of(conn, self._embedder.name)
        return MemoryStatus(
            on=self.on,
            embedder=self._embedder.name,
            entries=kinds,
            waiting=waiting,
            expired=expired,
            index=await self.index.state(space) if self.on else "not used",
        )

    async def close(self) -> None:
        """Let go of the index."""
        await self.index.close()

    async def __aenter__(self) -> "Memory":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _must_be_on(self) -> None:
        if not self.on:
            raise ConfigurationError("the memory is off. Set PHOENIX_MEMORY=on to use it.")

    async def _embed_waiting(self, limit: int, *, others: bool) -> int:
        async with self._database.transaction() as conn:
            rows = await memories.waiting(conn, self._embedder.name, limit, others=others)
        if not rows:
            return 0
        vectors = await self._embedder.embed([row.text for row in rows])
        made = dict(zip((row.digest for row in rows), vectors, strict=True))
        async with self._database.transaction() as conn:
            await memories.set_vectors(conn, self._embedder.name, made)
        return len(made)

    async def _nearest_by_hand(self, space: Space, vector: bytes, among: Among, limit: int) -> list[str]:
        async with self._database.transaction() as conn:
            rows = await memories.newest(conn, space, among, SEARCHED)
        scores = similarities(vector, [row.vector for row in rows])
        ranked = sorted(zip(scores, rows, strict=True), key=lambda pair: (-pair[0], pair[1].digest))
        return [row.digest for _, row in ranked[:limit]]

    async def _hints(
        self, names: list[str], vector: bytes, space: Space, among: Among, limit: int
    ) -> tuple[Hint, ...]:
        async with self._database.transaction() as conn:
            rows = [row for row in await memories.get(conn, names) if _fits(row, vector, space, among)]
            bodies = await store.get_artifacts(conn, [row.body for row in rows])
        scores = similarities(vector, [row.vector for row in rows])
        hints = [_hint(row, bodies[row.body], score) for row, score in zip(rows, scores, strict=True)]
        ranked = sorted(hints, key=lambda hint: (-hint.score, hint.entry))
        return tuple(hint for hint in ranked[:limit] if hint.score > 0)

    async def _derive(self) -> int:
        async with self._database.transaction() as conn:
            items = await memories.accepted_items(conn)
            known = await memories.of_items(conn)
        added = 0
        for item in items:
            async with self._database.transaction() as conn:
                named = {name for name in (item.body, item.candidate, item.plan) if name}
                entries = stored_entries(item, await store.get_artifacts(conn, named))
                have = known.get((item.project, item.key), set())
                added += await self.remember(conn, [entry for entry in entries if entry.kind not in have])
        return added


def _redacted(entry: MemoryEntry) -> MemoryEntry:
    return entry.model_copy(update={"text": redact(entry.text), "body": redact(entry.body)})


def _fits(row: Any, vector: bytes, space: Space, among: Among) -> bool:
    return (
        row.embedder == space.embedder
        and len(row.vector or b"") == len(vector)
        and among.kind in (None, row.kind)
        and among.project in (None, row.project)
    )


def _hint(row: Any, body: bytes, score: int) -> Hint:
    source = Source(project=row.project, run=row.run, item=row.item)
    return Hint(
        entry=row.digest,
        kind=HintKind(row.kind),
        text=row.text,
        body=body.decode(),
        source=source,
        embedder=row.embedder,
        score=score,
    )
