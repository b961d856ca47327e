"""One Keeper looks at each connection when it is due, and at no other; in one task."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Connection
from actors._keeper import Keeper

from . import virtual
from .test_connection import listen
from .wires import PaperWire

# Those due within so many seconds of a look are looked at together.
GRAIN = 0.05

# Looked at in one go.
BATCH = 512


@attrs.define(eq=False)
class Kept:
    """Wants to be looked at again `every` so many seconds, and keeps when it was."""

    every: float = math.inf
    looks: list[float] = attrs.field(factory=list[float])
    late: list[float] = attrs.field(factory=list[float])

    def keep_alive(self, *, late: float) -> float:
        self.looks.append(trio.current_time())
        self.late.append(late)
        return trio.current_time() + self.every


@asynccontextmanager
async def running(keeper: Keeper) -> AsyncGenerator[trio.Nursery]:
    with trio.fail_after(virtual.FOREVER):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run)
            await wait_all_tasks_blocked()
            yield nursery
            keeper.end()


async def test_each_is_looked_at_at_once_and_when_it_is_due(autojump_clock: MockClock) -> None:
    keeper, often, seldom, never = Keeper(), Kept(10), Kept(25), Kept()
    async with running(keeper):
        for kept in (often, seldom, never):
            keeper.watch(kept)
        await trio.sleep(51)
    assert often.looks == [0, 10, 20, 30, 40, 50]
    assert seldom.looks == [0, 25, 50]
    assert never.looks == [0]


async def test_one_that_comes_while_it_sleeps_is_not_missed(autojump_clock: MockClock) -> None:
    keeper, early, late = Keeper(), Kept(100), Kept(3)
    async with running(keeper):
        keeper.watch(early)
        await trio.sleep(10)
        keeper.watch(late)
        await trio.sleep(7)
    assert late.looks == [10, 13, 16]
    assert early.looks == [0]


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """When one task ran."""

    task: trio.lowlevel.Task
    times: list[float] = attrs.field(factory=list[float])

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.times.append(trio.current_time())


async def test_it_sleeps_while_nobody_is_due(autojump_clock: MockClock) -> None:
    keeper = Keeper()
    async with running(keeper) as nursery:
        for _ in range(100):
            keeper.watch(Kept(100))
        await wait_all_tasks_blocked()
        (task,) = nursery.child_tasks
        steps = Steps(task)
        trio.lowlevel.add_instrument(steps)
        await trio.sleep(1000.5)
        trio.lowlevel.remove_instrument(steps)
    assert steps.times == [100.0 * number for number in range(1, 11)]


async def test_those_due_at_about_the_same_time_are_looked_at_together(autojump_clock: MockClock) -> None:
    keeper, crowd = Keeper(), [Kept(10) for _ in range(5)]
    async with running(keeper):
        for kept in crowd:
            keeper.watch(kept)
            await trio.sleep(GRAIN / 10)
        await trio.sleep(10.5)
    first = crowd[0].looks[1]
    assert first == pytest.approx(10)
    assert len({kept.looks[1] for kept in crowd}) <= 2  # and not 5
    assert all(0 <= late <= GRAIN + 1e-9 for kept in crowd for late in kept.late)


async def test_a_look_says_how_late_it_is(mock_clock: MockClock) -> None:
    keeper, kept = Keeper(), Kept(10)
    async with running(keeper):
        keeper.watch(kept)
        await wait_all_tasks_blocked()
        mock_clock.jump(10)
        await wait_all_tasks_blocked()
        mock_clock.jump(13)
        await wait_all_tasks_blocked()
    assert (kept.looks, kept.late) == ([0, 10, 23], [0, 0, 3])


async def test_who_asks_is_looked_at_again_at_once(autojump_clock: MockClock) -> None:
    keeper, kept = Keeper(), Kept(10)
    async with running(keeper):
        number = keeper.watch(kept)
        await trio.sleep(4)
        keeper.look_again(number)
        assert (kept.looks, kept.late) == ([0, 4], [0, 0])
        await trio.sleep(11)
    assert kept.looks == [0, 4, 14]  # and not at 10: that is of the past


async def test_who_is_sooner_due_after_another_look_is_not_missed(autojump_clock: MockClock) -> None:
    keeper, kept = Keeper(), Kept(1000)
    async with running(keeper):
        number = keeper.watch(kept)
        await trio.sleep(4)
        kept.every = 2
        keeper.look_again(number)
        await trio.sleep(5)
    assert kept.looks == [0, 4, 6, 8]


async def test_who_is_forgotten_is_not_looked_at(autojump_clock: MockClock) -> None:
    keeper, kept = Keeper(), Kept(10)
    async with running(keeper):
        number = keeper.watch(kept)
        await trio.sleep(5)
        keeper.forget(number)
        keeper.forget(number)
        keeper.look_again(number)
        await trio.sleep(100)
    assert kept.looks == [0]


async def test_who_forgets_itself_at_a_look_is_gone(autojump_clock: MockClock) -> None:
    class Leaving(Kept):
        number = -1

        def keep_alive(self, *, late: float) -> float:
            again = super().keep_alive(late=late)
            if len(self.looks) == 2:
                keeper.forget(self.number)
            return again

    keeper, kept, other = Keeper(), Leaving(10), Kept(10)
    async with running(keeper):
        kept.number = keeper.watch(kept)
        keeper.watch(other)
        await trio.sleep(35)
    assert (kept.looks, other.looks) == ([0, 10], [0, 10, 20, 30])


async def test_others_have_their_turn_between_two_batches(autojump_clock: MockClock) -> None:
    keeper = Keeper()
    looked: list[int] = []

    class Counting(Kept):
        def keep_alive(self, *, late: float) -> float:
            looked.append(1)
            return super().keep_alive(late=late)

    async with running(keeper):
        for _ in range(8 * BATCH):
            keeper.watch(Counting(10))
        looked.clear()
        await trio.sleep_until(10)
        seen = [0]
        while len(looked) < 8 * BATCH:
            await trio.lowlevel.checkpoint()
            seen.append(len(looked))
    # A task may be the first in one turn, and the last in the next.
    assert max(after - before for before, after in pairwise(seen)) <= 2 * BATCH


# Its end


@pytest.mark.parametrize("when", ["before", "asleep", "empty"])
async def test_it_ends_when_it_is_told_to(when: str, autojump_clock: MockClock) -> None:
    keeper = Keeper()
    if when != "empty":
        keeper.watch(Kept(10))
    async with trio.open_nursery() as nursery:
        if when == "before":
            keeper.end()
        nursery.start_soon(keeper.run)
        await trio.sleep(5)
        keeper.end()
    assert trio.current_time() == 5


async def test_it_ends_when_it_is_told_to_amid_a_look(autojump_clock: MockClock) -> None:
    class Ending(Kept):
        def keep_alive(self, *, late: float) -> float:
            if self.looks:
                keeper.end()
            return super().keep_alive(late=late)

    keeper = Keeper()
    keeper.watch(Ending(10))
    await keeper.run()
    assert trio.current_time() == 10


async def test_cancelled_it_may_be_run_elsewhere(autojump_clock: MockClock) -> None:
    keeper, kept = Keeper(), Kept(10)
    keeper.watch(kept)
    with trio.move_on_after(25):
        await keeper.run()
    async with running(keeper):
        await trio.sleep(10)
    assert kept.looks == [0, 10, 20, 30]


# Many


async def test_one_task_keeps_ten_thousand(autojump_clock: MockClock) -> None:
    keeper, crowd = Keeper(), [Kept(20) for _ in range(10_000)]
    async with running(keeper) as nursery:
        for kept in crowd:
            keeper.watch(kept)
        await trio.sleep(41)
        assert len(nursery.child_tasks) == 1
    assert all(len(kept.looks) == 3 for kept in crowd)


async def test_it_does_not_grow_with_those_that_came_and_went(autojump_clock: MockClock) -> None:
    keeper, staying = Keeper(), [Kept(20) for _ in range(100)]
    async with running(keeper):
        for kept in staying:
            keeper.watch(kept)
        for _ in range(20_000):
            keeper.forget(keeper.watch(Kept(20)))
        assert held_by(keeper) < 2000
        for _ in range(20_000):
            keeper.look_again(0)
        assert held_by(keeper) < 2000
        staying[0].looks = [0]
        await trio.sleep(41)
        assert held_by(keeper) == 300  # of each: itself, when it is due, and a place in the queue
    assert all(kept.looks == [0, 20, 40] for kept in staying)


async def test_connections_that_close_leave_nothing_behind(autojump_clock: MockClock) -> None:
    async def one_message(connection: Connection) -> None:
        await connection.receive()

    keeper = Keeper()
    async with running(keeper):
        for has_left in (False, True, None):  # True: reset, before the first look at it
            wire = PaperWire()
            wire.has_left = has_left
            wire.say("and no more")
            await Connection("it", wire).run(one_message, keeper=keeper)
        await trio.sleep(100)
        assert held_by(keeper) == 0


def held_by(keeper: Keeper) -> int:
    """All that it holds on to."""
    return sum(len(getattr(keeper, name)) for name in ("_watched", "_due", "_queue"))


async def test_a_connection_that_crashes_at_a_look_harms_no_other(autojump_clock: MockClock) -> None:
    class Failing(PaperWire):
        def ping_soon(self) -> None:
            raise RuntimeError("its wire is faulty")

    keeper = Keeper()
    other = Connection("other", PaperWire(answers_pings=True))
    async with running(keeper) as nursery:

        async def serve_the_other() -> None:
            await other.run(listen, keeper=keeper)

        nursery.start_soon(serve_the_other)
        with pytest.RaisesGroup(RuntimeError):
            await Connection("it", Failing()).run(listen, keeper=keeper)
        assert trio.current_time() == 20
        await trio.sleep(100)
        assert other.closed is None
        other.close()
