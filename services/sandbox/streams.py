"""The three pipes of a program, served by the event loop."""

import asyncio
import os
from collections.abc import Callable
from io import FileIO

_CHUNK = 1 << 16


class Sink:
    """Reads a pipe always, keeps its first bytes and counts the rest."""

    def __init__(self, descriptor: int, keep: int, changed: Callable[[], None]) -> None:
        self.kept = bytearray()
        self.dropped = 0
        self._descriptor, self._keep, self._changed = descriptor, keep, changed
        self._loop = asyncio.get_running_loop()
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self.read)

    @property
    def total(self) -> int:
        """The bytes seen and not taken away."""
        return len(self.kept) + self.dropped

    def read(self) -> bool:
        """Whether there was something to read."""
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.close()
        room = max(0, self._keep - len(self.kept))
        self.kept += data[:room]
        self.dropped += max(0, len(data) - room)
        self._changed()
        return bool(data)

    def drain(self) -> None:
        """Read what a dead program left in the pipe."""
        while self.read():
            pass
        self.close()

    def close(self) -> None:
        """Stop reading."""
        self._loop.remove_reader(self._descriptor)


class Feed:
    """Writes to a program that may not read."""

    def __init__(self, pipe: FileIO) -> None:
        self._waiting = bytearray()
        self._pipe = pipe
        self._last = False
        self._loop = asyncio.get_running_loop()
        os.set_blocking(pipe.fileno(), False)

    def send(self, data: bytes, last: bool = False) -> None:
        """Send soon; after the last data the program sees the end of its input."""
        self._waiting += data
        self._last = self._last or last
        self._write()

    def close(self) -> None:
        """End the program's input and forget what it did not take."""
        if not self._pipe.closed:
            self._loop.remove_writer(self._pipe.fileno())
            self._pipe.close()

    def _write(self) -> None:
        if self._pipe.closed:
            return
        try:
            while self._waiting:
                del self._waiting[: os.write(self._pipe.fileno(), self._waiting[:_CHUNK])]
        except BlockingIOError:
            self._loop.add_writer(self._pipe.fileno(), self._write)
            return
        except BrokenPipeError:
            self._waiting.clear()
        self._loop.remove_writer(self._pipe.fileno())
        if self._last:
            self.close()
