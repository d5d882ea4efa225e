"""A bound on how much happens at once in a process, whichever event loops it happens in."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from threading import Lock


class Turns:
    """At most so many at once, first come, first served; not bound to an event loop."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[Future[None]] = deque()
        self._lock = Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A turn, given back at the end; waits until one is free."""
        ticket = self._ticket()
        try:
            await asyncio.wrap_future(ticket)
        except asyncio.CancelledError:
            if not ticket.cancel():
                self._give_back()
            raise
        try:
            yield
        finally:
            self._give_back()

    def _ticket(self) -> "Future[None]":
        ticket: Future[None] = Future()
        with self._lock:
            if self._free:
                self._free -= 1
                ticket.set_result(None)
            else:
                self._waiting.append(ticket)
        return ticket

    def _give_back(self) -> None:
        with self._lock:
            while self._waiting:
                ticket = self._waiting.popleft()
                if ticket.set_running_or_notify_cancel():
                    break
            else:
                self._free += 1
                return
        ticket.set_result(None)
