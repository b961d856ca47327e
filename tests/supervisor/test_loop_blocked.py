"""LoopBlocked: the watchdog of a supervisor tells in the stream what it saw."""

from __future__ import annotations

import threading
import time

import pytest
import trio

from actors import Actor
from supervisor import ChildSpec, LoopBlocked, SupervisorSpec, open_supervisor
from supervisor._stream import Events
from supervisor.watchdog import watching

from .blocking import LIMIT, PATIENCE, block, blocked, is_within, threads


async def test_the_event_comes_with_the_whole_duration_once_the_loop_is_back() -> None:
    block_for = 5 * LIMIT
    async with open_supervisor(spec=SupervisorSpec(watchdog=LIMIT)) as supervisor:
        events = supervisor.events()
        await trio.sleep(0.01)
        began = time.perf_counter()
        block(block_for)
        took = time.perf_counter() - began
        assert blocked(events) == [], "told within the blocked step"
        with trio.fail_after(PATIENCE):
            while not isinstance(event := await events.receive(), LoopBlocked):
                pass
        took_at_most = time.perf_counter() - began
        await trio.sleep(3 * LIMIT)
        assert blocked(events) == []
    assert event.actor is None
    assert "in test_the_event_comes" in event.where
    # It is seen a quarter of the limit late at the most; then noise has its turn.
    assert took / 2 <= event.duration <= took_at_most + LIMIT


async def test_two_that_block_one_after_the_other_are_two_events_with_a_duration_each() -> None:
    took: list[float] = []

    async def blocks() -> None:
        began = time.perf_counter()
        block(3 * LIMIT)
        took.append(time.perf_counter() - began)

    async with open_supervisor(spec=SupervisorSpec(watchdog=LIMIT)) as supervisor:
        events = supervisor.events()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(blocks)
            nursery.start_soon(blocks)
        await trio.sleep(0.01)
        both = blocked(events)
    assert len(both) == 2
    assert sum(event.duration for event in both) <= sum(took) + LIMIT
    assert all(is_within(blocks, event.where) for event in both)


async def test_a_blockage_that_lasts_to_the_end_is_still_an_event() -> None:
    class BlocksAtItsEnd(Actor[None]):
        async def handle(self, message: None) -> None: ...

        async def on_stop(self) -> None:
            block(5 * LIMIT)

    async with open_supervisor(spec=SupervisorSpec(watchdog=LIMIT)) as supervisor:
        events = supervisor.events()
        await supervisor.get_or_spawn("alice", "tab", ChildSpec(BlocksAtItsEnd))
    (event,) = blocked(events)
    assert event.actor == "alice/tab#1"
    assert is_within(BlocksAtItsEnd.on_stop, event.where)


async def test_a_blockage_in_the_very_last_step_is_told_too() -> None:
    events = Events()
    with events.subscribe(1) as ear:
        with watching(events, LIMIT):
            block(3 * LIMIT)
        assert len(blocked(ear)) == 1


async def test_nobody_watches_unless_told_to() -> None:
    async with open_supervisor() as supervisor:
        events = supervisor.events()
        assert threads() == []
        block(3 * LIMIT)
        await trio.sleep(LIMIT)
        assert blocked(events) == []


async def test_the_thread_ends_with_the_block_and_holds_no_process_up() -> None:
    async def crash() -> None:
        async with open_supervisor(spec=SupervisorSpec(watchdog=LIMIT)):
            seen.extend(threads())
            raise LookupError

    seen: list[threading.Thread] = []
    with pytest.raises(LookupError):
        await crash()
    (thread,) = seen
    assert thread.daemon
    thread.join(PATIENCE)
    assert not thread.is_alive()


async def test_of_two_supervisors_each_hears_its_own_watchdog() -> None:
    async with (
        open_supervisor(spec=SupervisorSpec(watchdog=LIMIT)) as soon,
        open_supervisor(spec=SupervisorSpec(watchdog=100.0)) as late,
        open_supervisor() as never,
    ):
        assert len(threads()) == 2
        ears = [supervisor.events() for supervisor in (soon, late, never)]
        await trio.sleep(0.01)
        block(4 * LIMIT)
        await trio.sleep(LIMIT)
        assert [len(blocked(events)) for events in ears] == [1, 0, 0]
