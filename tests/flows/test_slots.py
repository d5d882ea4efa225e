"""A bound on what goes on at once, and who is next."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.slots import PrioritySlots

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.integers(0, 3)),
        st.tuples(st.just("leave"), st.integers(0, 20)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("cancel_and_leave"), st.integers(0, 20)),
    ),
    max_size=30,
)


class Scene:
    """Holders and waiters that come, leave and are cancelled."""

    def __init__(self, most: int) -> None:
        self.slots = PrioritySlots(most)
        self.inside: list[int] = []
        self.entered: list[int] = []
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.doors: dict[int, asyncio.Event] = {}
        self.priorities: dict[int, int] = {}

    async def _hold(self, number: int) -> None:
        async with self.slots.slot(self.priorities[number]):
            self.inside.append(number)
            self.entered.append(number)
            try:
                await self.doors[number].wait()
            finally:
                self.inside.remove(number)

    async def come(self, priority: int) -> int:
        """Somebody comes and holds a slot until the door opens."""
        number = len(self.tasks)
        self.priorities[number], self.doors[number] = priority, asyncio.Event()
        self.tasks[number] = asyncio.create_task(self._hold(number))
        await settled()
        return number

    def waiting(self) -> list[int]:
        """Who waits, in the order in which they are next."""
        left = [n for n, task in self.tasks.items() if not task.done() and n not in self.inside]
        return sorted(left, key=lambda n: (-self.priorities[n], n))

    async def end(self) -> None:
        """Everybody leaves."""
        for door in self.doors.values():
            door.set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def settled() -> None:
    """Let everything that can go on go on."""
    for _ in range(6):
        await asyncio.sleep(0)


async def test_the_highest_priority_is_next_and_equals_come_in_order() -> None:
    scene = Scene(1)
    await scene.come(0)
    for priority in (1, 3, 2, 3):
        await scene.come(priority)
    await scene.end()
    assert scene.entered == [0, 2, 4, 3, 1]


async def test_an_error_inside_gives_the_slot_back() -> None:
    slots = PrioritySlots(1)
    with pytest.raises(KeyError):
        async with slots.slot(0):
            raise KeyError("inside")
    async with asyncio.timeout(1), slots.slot(0):
        pass


async def test_a_waiter_who_is_cancelled_just_as_the_slot_comes_loses_none() -> None:
    scene = Scene(1)
    holder, waiter, last = await scene.come(0), await scene.come(2), await scene.come(1)
    scene.doors[holder].set()
    await scene.tasks[holder]
    scene.tasks[waiter].cancel()
    await settled()
    assert scene.tasks[waiter].cancelled()
    assert scene.inside == [last]
    await scene.end()


@given(st.integers(1, 3), ACTIONS)
def test_whoever_comes_leaves_or_is_cancelled_the_bound_and_the_order_hold(
    most: int, actions: list[tuple[str, int]]
) -> None:
    asyncio.run(play(most, actions))


async def play(most: int, actions: list[tuple[str, int]]) -> None:
    scene = Scene(most)
    for action, number in actions:
        expected = scene.waiting()
        if action == "come":
            await scene.come(number)
        elif action == "leave" and scene.inside:
            leaving = scene.inside[number % len(scene.inside)]
            scene.doors[leaving].set()
            await settled()
            assert expected[:1] == [n for n in scene.entered[-1:] if n in expected]
        elif action == "cancel" and scene.tasks:
            scene.tasks[number % len(scene.tasks)].cancel()
            await settled()
        elif action == "cancel_and_leave" and scene.inside and expected:
            scene.doors[scene.inside[number % len(scene.inside)]].set()
            await asyncio.sleep(0)
            scene.tasks[expected[0]].cancel()
            await settled()
        unfinished = len(scene.inside) + len(scene.waiting())
        assert len(scene.inside) == min(most, unfinished), "no slot is lost, and none is held twice"
    await scene.end()
    assert scene.inside == []
    async with asyncio.timeout(1):
        for _ in range(most):
            await scene.slots.slot(0).__aenter__()
