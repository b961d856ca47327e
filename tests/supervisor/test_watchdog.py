"""The watchdog names what blocks the event loop.

On a real clock: what blocks here goes on until it has been told, so it must be told while the loop
stands still.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from collections import defaultdict

import pytest
import trio
from trio.testing import MockClock

from actors import Actor
from supervisor import (
    Blockage,
    ChildSpec,
    SupervisorSpec,
    _loop_view,
    open_supervisor,
    open_watchdog,
)
from supervisor._blockage import SAMPLES_PER_LIMIT

from .blocking import LIMIT, Computes, HasBlockingChild, Sleeps, Told, block, blocked, is_within


async def told_of(kind: type[Actor[Told]], told: Told) -> None:
    """Have such an actor of alice's block the loop, and be told of it."""
    async with open_supervisor() as supervisor:
        with open_watchdog(limit=LIMIT, tell=told):
            ref = (await supervisor.get_or_spawn("alice", "tab", ChildSpec(kind))).ref
            await ref.tell(told)
            while told.waits():
                await trio.sleep(LIMIT / 20)


async def test_an_actor_that_calls_a_blocking_function_is_named_with_its_line() -> None:
    told = Told()
    await told_of(Sleeps, told)
    assert told.only.actor == "alice/tab#1"
    assert is_within(Sleeps.handle, told.only.where)
    assert told.only.duration >= LIMIT


async def test_an_actor_that_computes_is_named_with_its_line() -> None:
    told = Told()
    await told_of(Computes, told)
    assert told.only.actor == "alice/tab#1"
    assert is_within(Computes.handle, told.only.where)


async def test_an_actor_is_named_for_its_child_task() -> None:
    told = Told()
    await told_of(HasBlockingChild, told)
    assert told.only.actor == "alice/tab#1"
    assert is_within(HasBlockingChild.block, told.only.where)


async def test_the_stack_goes_from_the_outside_in_and_spares_what_is_trios() -> None:
    told = Told()
    await told_of(Sleeps, told)
    stack = told.only.stack
    names = [line.rsplit(" in ", 1)[1] for line in stack]
    assert names.index("run_actor") < names.index("Sleeps.handle")
    assert told.only.where == stack[-1]
    assert not [line for line in stack if "/trio/" in line]


async def test_a_task_of_no_actor_has_its_line_told() -> None:
    told = Told()

    async def handler() -> None:
        while told.waits():
            block(LIMIT / 20)

    async with open_supervisor() as supervisor:
        with open_watchdog(limit=LIMIT, tell=told):
            supervisor.handler_nursery.start_soon(handler)
            while told.waits():
                await trio.sleep(LIMIT / 20)
    assert told.only.actor is None
    assert is_within(handler, told.only.where)


async def test_what_trio_itself_calls_is_told_without_trios_own_lines() -> None:
    told = Told()

    def callback() -> None:
        while told.waits():
            block(LIMIT / 20)

    with open_watchdog(limit=LIMIT, tell=told):
        trio.lowlevel.current_trio_token().run_sync_soon(callback)
        await trio.sleep(0.01)
    assert told.only.actor is None
    (line,) = (line for line in told.only.stack if not line.endswith("in Told.waits"))
    assert is_within(callback, line)


async def test_many_short_steps_are_told_as_a_turn_and_nobody_is_named() -> None:
    limit = 0.4
    told = Told()

    async def short() -> None:
        if told.waits():
            block(limit / 80)

    with open_watchdog(limit=limit, tell=told):
        async with trio.open_nursery() as nursery:
            for _ in range(1_000):
                nursery.start_soon(short)
    assert told.only.actor is None
    assert told.only.where.startswith("a whole turn of the loop, lately at ")
    assert "short" in told.only.where
    assert told.only.duration >= limit


class Turns(trio.abc.Instrument):
    """Counts the loop's turns."""

    count = 0

    def before_io_wait(self, timeout: float) -> None:  # Trio's signature
        self.count += 1


async def test_a_turn_in_which_the_watchdog_is_put_off_is_told_once() -> None:
    """A late turn lets deadlines pass: those of many short steps, and in their midst its own."""
    told, turns = Told(), Turns()
    steps: dict[int, list[float]] = defaultdict(list)
    trio.lowlevel.add_instrument(turns)

    async def short(deadline: float) -> None:
        await trio.sleep_until(deadline)
        steps[turns.count].append(time.perf_counter())
        block(LIMIT / 25)

    with open_watchdog(limit=LIMIT, tell=told):
        async with trio.open_nursery() as nursery:
            now = trio.current_time() + LIMIT / 2
            for deadline in (now, now + LIMIT / 5):
                for _ in range(30):
                    nursery.start_soon(short, deadline)
            await trio.sleep_until(now - LIMIT / 200)
            block(LIMIT / 3)
        await trio.sleep(LIMIT)
    trio.lowlevel.remove_instrument(turns)
    long = [turn for turn, at in steps.items() if at[-1] - at[0] > LIMIT / 2]
    assert 1 <= len(told.blockages) <= len(long)


async def test_a_loop_that_rests_is_not_blocked() -> None:
    told = Told()
    with open_watchdog(limit=LIMIT, tell=told):
        await trio.sleep(5 * LIMIT)
    assert told.blockages == []


async def test_a_loop_that_is_busy_with_short_turns_is_not_blocked() -> None:
    told = Told()
    limit = 0.4
    with open_watchdog(limit=limit, tell=told):
        ends = time.perf_counter() + 3 * limit
        while time.perf_counter() < ends:
            block(limit / 40)
            await trio.lowlevel.checkpoint()
    assert told.blockages == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it looks now and then")
async def test_a_loop_that_is_well_is_hardly_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look would cost it some of its time, for a thread that wants its turn."""
    looks: list[object] = []
    look = _loop_view.StepView.look

    def counted(view: _loop_view.StepView) -> object:
        looks.append(view)
        return look(view)

    monkeypatch.setattr(_loop_view.StepView, "look", counted)
    limit, limits = 0.4, 5
    with open_watchdog(limit=limit, tell=print):
        ends = time.perf_counter() + limits * limit
        while time.perf_counter() < ends:
            await trio.sleep(limit / 100)
    assert len(looks) < limits * SAMPLES_PER_LIMIT / 2, "only where this machine stood still"


async def test_a_blockage_is_told_once_and_the_next_one_again() -> None:
    told = Told()
    with open_watchdog(limit=LIMIT, tell=told):
        for count in (1, 2):
            while told.waits(count):
                block(LIMIT / 20)
            block(3 * LIMIT)  # still the same one
            await trio.sleep(0.01)
    assert len(told.blockages) == 2


async def test_a_loop_in_another_thread_is_another_loop() -> None:
    told = Told()

    async def rest() -> None:
        with open_watchdog(limit=LIMIT, tell=told):
            await trio.sleep(6 * LIMIT)

    other = threading.Thread(target=trio.run, args=(rest,))
    other.start()
    block(4 * LIMIT)
    await trio.to_thread.run_sync(other.join)
    assert told.blockages == []


async def test_under_a_virtual_clock_it_watches_real_time(autojump_clock: MockClock) -> None:
    told = Told()
    async with open_supervisor(spec=SupervisorSpec(watchdog=LIMIT)) as supervisor:
        events = supervisor.events()
        with open_watchdog(limit=LIMIT, tell=told):
            await trio.sleep(1_000.0)  # no time at all
            assert told.blockages == []
            assert blocked(events) == []
            while told.waits():
                block(LIMIT / 20)
            block(2 * LIMIT)
        await trio.sleep(1.0)
        assert len(blocked(events)) == 1
    assert "in test_under_a_virtual_clock" in told.only.where


async def test_it_holds_no_task_that_has_ended() -> None:
    tasks: list[weakref.ref[trio.lowlevel.Task]] = []

    async def short() -> None:
        tasks.append(weakref.ref(trio.lowlevel.current_task()))
        block(LIMIT)  # so it has surely been looked at

    with open_watchdog(limit=LIMIT, tell=Told()):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(short)
            nursery.start_soon(short)
        await trio.sleep(2 * LIMIT)
        await trio.to_thread.run_sync(gc.collect)  # it takes so long that this task would be looked at
        assert [task() for task in tasks] == [None, None]


async def test_a_crash_of_who_is_told_is_told_and_it_watches_on(monkeypatch: pytest.MonkeyPatch) -> None:
    crashes: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", crashes.append)
    told = Told()

    def crash(blockage: Blockage) -> None:
        told(blockage)
        raise OSError("no space left for logs")

    with open_watchdog(limit=LIMIT, tell=crash):
        for count in (1, 2):
            while told.waits(count):
                block(LIMIT / 20)
            await trio.sleep(0.01)
    assert [crash.exc_type for crash in crashes] == [OSError, OSError]


async def test_where_trios_loop_is_another_it_still_tells_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loop_view, "TRIOS_LOOP", "a loop of a later Trio")
    told = Told()
    with open_watchdog(limit=LIMIT, tell=told):
        await trio.sleep(4 * LIMIT)
        assert told.blockages == []
    await told_of(Sleeps, told)
    assert told.only.actor is None
    assert is_within(Sleeps.handle, told.only.where)


async def test_where_trios_loop_is_another_its_turns_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loop_view, "TRIOS_LOOP", "a loop of a later Trio")
    await test_a_loop_that_is_busy_with_short_turns_is_not_blocked()


async def test_a_limit_is_more_than_nothing() -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"), open_watchdog(limit=0, tell=print):
        raise AssertionError("unreachable")


def test_without_a_loop_there_is_nothing_to_watch() -> None:
    with pytest.raises(RuntimeError), open_watchdog(limit=LIMIT, tell=print):
        raise AssertionError("unreachable")
