"""The bound on jobs at once: kept over event loops and cancellations, and seen from inside the sandbox."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from services.sandbox import Job, Limits, open_sandbox
from services.sandbox.bubblewrap import AT_ONCE
from services.sandbox.turns import Turns


class Busy:
    """Counts how many are inside at once, and how many were."""

    def __init__(self, turns: Turns) -> None:
        self.turns, self.now, self.peak, self.done = turns, 0, 0, 0

    async def work(self, seconds: float = 0.01) -> None:
        async with self.turns.turn():
            self.now += 1
            self.peak = max(self.peak, self.now)
            try:
                await asyncio.sleep(seconds)
            finally:
                self.now -= 1
            self.done += 1


def test_the_bound_holds_in_one_loop_after_another() -> None:
    busy = Busy(Turns(3))
    for _ in range(3):

        async def many() -> None:
            await asyncio.gather(*(busy.work() for _ in range(10)))

        asyncio.run(many())
    assert (busy.peak, busy.now, busy.done) == (3, 0, 30)


async def test_the_bound_holds_over_loops_in_several_threads() -> None:
    busy = Busy(Turns(2))

    def loop() -> None:
        asyncio.run(several())

    async def several() -> None:
        await asyncio.gather(*(busy.work() for _ in range(5)))

    await asyncio.gather(*(asyncio.to_thread(loop) for _ in range(3)))
    assert (busy.peak, busy.done) == (2, 15)


async def test_who_is_cancelled_takes_no_turn_away() -> None:
    busy = Busy(Turns(1))
    tasks = [asyncio.create_task(busy.work(0.05)) for _ in range(6)]
    await asyncio.sleep(0.01)
    for task in (tasks[0], tasks[2], tasks[5]):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (busy.peak, busy.done) == (1, 3)
    async with asyncio.timeout(1):
        await busy.work()


async def test_a_turn_that_was_given_to_a_cancelled_one_goes_on() -> None:
    busy = Busy(Turns(1))
    async with busy.turns.turn():
        waiting = asyncio.create_task(busy.work())
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1):
        await busy.work()


@pytest.mark.services
async def test_jobs_at_once_keep_to_the_bound_and_waiting_is_not_their_time() -> None:
    sandbox = await open_sandbox()
    script = "import time; a = time.monotonic(); time.sleep(0.5); print(a, time.monotonic())"
    argv = ("python", "-I", "-S", "-c", script)
    job = Job(argv, {}, environment=Path(sys.prefix), limits=Limits(wall_s=5))
    begin = time.monotonic()
    outcomes = await asyncio.gather(*(sandbox.run(job) for _ in range(2 * AT_ONCE + 2)))
    assert {o.exit_code for o in outcomes} == {0}
    assert all(o.wall_s < 5 for o in outcomes)
    times = [tuple(map(float, o.stdout.split())) for o in outcomes]
    assert max(sum(a <= t < b for a, b in times) for t, _ in times) <= AT_ONCE
    assert time.monotonic() - begin > 3 * 0.5
