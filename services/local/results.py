"""Prefect's result cache over our own results: what it finds is what the task bodies committed."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from itertools import count
from typing import Any

from prefect._internal.result_records import ResultRecord, ResultRecordMetadata
from prefect.exceptions import ObjectAlreadyExists
from prefect.filesystems import WritableFileSystem
from prefect.serializers import JSONSerializer

Reader = Callable[[str], Awaitable[tuple[str, str] | None]]
"""From a stage key to the outcome and the answer's digest, or None when nothing was committed."""

NAME = "default"
REFERENCE = f"phoenix-results/{NAME}"

TRIES = 5

_READER: ContextVar[Reader | None] = ContextVar("reader", default=None)


def bind(reader: Reader | None) -> None:
    """Let the block read through this function in this flow; the database's URL stays off the server."""
    _READER.set(reader)


class PhoenixResults(WritableFileSystem):
    """Prefect's view of the results table. It cannot write: the body of a stage has committed before."""

    _block_type_name = "Phoenix results"
    _block_type_slug = "phoenix-results"
    _description = "Stage results that Phoenix keeps in PostgreSQL."

    async def read_path(self, path: str, **_: Any) -> bytes:
        """The result record of a stage key.

        Raises:
            FileNotFoundError: nothing was committed under this key, which Prefect takes for a cache miss.
        """
        reader = _READER.get()
        found = await reader(path) if reader else None
        if found is None:
            raise FileNotFoundError(f"no result under {path}")
        return record(path, *found)

    async def write_path(self, path: str, content: bytes, **_: Any) -> None:
        """Nothing: the row is there already."""


def record(key: str, outcome: str, answer: str) -> bytes:
    """The bytes that Prefect stores for the value {"outcome": …, "answer": …}."""
    metadata = ResultRecordMetadata(serializer=JSONSerializer(), storage_key=key)
    return ResultRecord(metadata=metadata, result={"outcome": outcome, "answer": answer}).serialize()


async def save_block() -> PhoenixResults:
    """The block, saved on the server: give it to the flow as `result_storage`, its tasks inherit it."""
    block = PhoenixResults()
    for tries in count(1):
        try:
            await block.asave(NAME, overwrite=True)
            break
        except ObjectAlreadyExists:
            # Another process saves it at the same moment: it is there when we look again.
            if tries == TRIES:
                raise
    return block
