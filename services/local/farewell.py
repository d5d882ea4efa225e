"""What a process still has to tell its Prefect server when its work is done."""

import asyncio
from typing import Any

import httpx

MOMENT_S = 5.0
"""After so long it is asked whether the server is there at all."""


async def farewell(api_url: str) -> None:
    """Wait until Prefect's events have been sent, for as long as there is a server that takes them.

    Prefect itself would try every event that is left for ten seconds while the interpreter ends: hours,
    after a long run whose server has died. What such a server has not heard is in our ledger.
    """
    from prefect.events.worker import EventsWorker

    workers: Any = EventsWorker
    sending = [(worker._loop, worker._task) for worker in tuple(workers._instances.values())]
    ended = await workers.drain_all(timeout=MOMENT_S)
    late = ended[1] if ended else set()
    while late and await _answers(api_url):
        _, late = await asyncio.wait(late, timeout=MOMENT_S)
    if late:
        for loop, task in sending:
            if loop and task:
                loop.call_soon_threadsafe(task.cancel)
        await asyncio.wait(late, timeout=MOMENT_S)


async def _answers(api_url: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=MOMENT_S) as client:
            return (await client.get(f"{api_url}/health")).is_success
    except httpx.HTTPError:
        return False
