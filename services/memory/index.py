"""The index of a memory: opened when it is first needed, brought up to date, given up when it breaks."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from services.database import memories
from services.database.memories import Among, Space
from services.memory.chroma import Collection, Folder, IndexLost, patiently
from services.settings import Settings
from services.telemetry import logger

if TYPE_CHECKING:
    from services.database import Database

T = TypeVar("T")
CATCH_UP = 2000
"""How many entries a search adds to the index at most."""
PATIENCE_S = 60
REBUILD_S = 3600


class Index:
    """Chroma over one database's vectors. After a failure it stays shut for the life of this process."""

    def __init__(self, settings: Settings, database: "Database") -> None:
        self._settings, self._database = settings, database
        self._folder = Folder(settings.home)
        self._open: dict[Space, Collection] = {}
        self._lock = asyncio.Lock()
        self.lost: str | None = None

    async def nearest(self, space: Space, vector: bytes, among: Among, limit: int) -> list[str] | None:
        """The digests nearest to a vector; None when the index cannot tell."""
        async with self._lock:
            try:
                collection = await self._collection(space)
                if not await self._catch_up(collection, space):
                    return None
                return await self._do(lambda: collection.nearest(vector, among, limit))
            except IndexLost as error:
                self._give_up(error)
                return None

    async def state(self, space: Space | None) -> str:
        """ok, or what will happen; nothing is made or changed but a broken index given up."""
        if space is None:
            return "empty"
        if not self._settings.chroma_url and self._folder.present() is None:
            return "will be built at the first search"
        async with self._lock:
            try:
                collection = await self._collection(space)
                return "ok" if await self._in_step(collection, space) else "will be brought up to date"
            except IndexLost as error:
                self._give_up(error)
                return f"will be rebuilt ({error})"

    async def rebuild(self, space: Space) -> int:
        """Write the index from nothing; how many entries it has.

        Raises:
            IndexLost: it cannot be written.
        """
        async with self._lock:
            await self._shut()
            if not self._settings.chroma_url:
                self._folder.give_up(self._folder.present())
            self.lost = None
            collection = await self._collection(space)
            await self._do(collection.empty)
            await self._catch_up(collection, space, at_most=None, seconds=REBUILD_S)
            return (await self._do(collection.mark))[0]

    async def close(self) -> None:
        """Let go of what is open."""
        async with self._lock:
            await self._shut()

    async def _shut(self) -> None:
        for collection in self._open.values():
            try:
                await self._do(collection.close)
            except IndexLost as error:
                logger().debug("the memory's index did not close", error=str(error))
        self._open.clear()

    async def _collection(self, space: Space) -> Collection:
        if self.lost is not None:
            raise IndexLost(self.lost)
        if space not in self._open:
            async with self._database.transaction() as conn:
                database = await memories.identity(conn)
            self._open[space] = await self._do(lambda: Collection(self._settings, space, database))
        return self._open[space]

    async def _in_step(self, collection: Collection, space: Space) -> bool:
        async with self._database.transaction() as conn:
            wanted = await memories.mark(conn, space)
        return await self._do(collection.mark) == wanted

    async def _catch_up(
        self,
        collection: Collection,
        space: Space,
        *,
        at_most: int | None = CATCH_UP,
        seconds: float = PATIENCE_S,
    ) -> bool:
        """Whether the index holds what PostgreSQL holds, after adding at most some entries to it."""
        async with self._database.transaction() as conn:
            number, mark = await memories.mark(conn, space)
            if await self._do(collection.mark) == (number, mark):
                return True
            wanted = await memories.names(conn, space)
        known = await self._do(collection.names)
        missing = [name for name in wanted if name not in known]
        for start in range(0, len(missing[:at_most]), CATCH_UP):
            async with self._database.transaction() as conn:
                rows = await memories.get(conn, missing[:at_most][start : start + CATCH_UP])
            await self._do(lambda rows=rows: collection.add(rows), seconds)  # type: ignore[misc]
        await self._do(lambda: collection.remove(sorted(known - set(wanted))), seconds)
        if at_most is not None and len(missing) > at_most:
            return False
        await self._do(lambda: collection.set_mark(mark))
        return True

    async def _do(self, work: Callable[[], T], seconds: float = PATIENCE_S) -> T:
        return await patiently(work, seconds)

    def _give_up(self, error: IndexLost) -> None:
        if self.lost is None:
            self.lost = str(error)
            logger().warning(
                "the memory's index is lost; hints are searched in PostgreSQL until it is rebuilt",
                error=self.lost,
                remedy="phoenix memory rebuild",
            )
            if not self._settings.chroma_url:
                used = [collection.folder for collection in self._open.values()]
                self._folder.give_up(used[0] if used else self._folder.present())
