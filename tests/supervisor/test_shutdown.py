"""The end of the block: nothing outlives it, nothing new starts, and what the body raised comes out."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors import ExitReason
from supervisor import (
    HandlerFailed,
    Reserved,
    SpawnFailed,
    Subscription,
    SupervisorClosed,
    Terminal,
    open_supervisor,
)
from supervisor.testing import SlowStart, SlowStop, StopHangs, WedgedForever, run

from .harness import CANCEL_GRACE, PLAIN, Crowd, all_tasks


def terminals(events: Subscription) -> list[Terminal]:
    return [event for event in events.drain() if isinstance(event, Terminal)]


async def test_nothing_outlives_the_block(autojump_clock: MockClock) -> None:
    before = all_tasks()
    async with open_supervisor() as supervisor:
        events = supervisor.events()
        crowd = Crowd(supervisor)
        await crowd.add("healthy", 3)
        await crowd.add("stuck", 3, WedgedForever, at_work=True)
        await crowd.add("hangs", 3, StopHangs)
    assert all_tasks() == before
    assert trio.current_time() <= 5 + CANCEL_GRACE
    ends = terminals(events)
    assert len(ends) == 9
    assert {event.exit.reason for event in ends} == {ExitReason.SHUTDOWN}
    assert not supervisor.snapshot().users


async def test_shutdown_gives_each_child_its_own_time_and_all_of_them_the_same(
    autojump_clock: MockClock,
) -> None:
    async with open_supervisor() as supervisor:
        events = supervisor.events()
        crowd = Crowd(supervisor)
        for seconds in (3.0, 1.0, 2.0):
            await crowd.get(f"grace-{seconds:g}", StopHangs, stop_grace=seconds)
        await crowd.get("well", partial(SlowStop, 0.5))
        began = trio.current_time()
    ends = {event.key: event.stamp.at - began for event in terminals(events)}
    assert list(ends) == ["well", "grace-1", "grace-2", "grace-3"]
    for key, seconds in {"well": 0.5, "grace-1": 1.0, "grace-2": 2.0, "grace-3": 3.0}.items():
        assert seconds <= ends[key] <= seconds + CANCEL_GRACE


async def test_what_the_body_raised_comes_out_bare(autojump_clock: MockClock) -> None:
    async def body() -> None:
        async with open_supervisor() as supervisor:
            await supervisor.get_or_spawn("alice", "tab", PLAIN)
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await body()


async def test_a_group_that_the_body_raised_comes_out_as_it_was(autojump_clock: MockClock) -> None:
    group = ExceptionGroup("mine", [LookupError(), OSError()])
    with pytest.raises(ExceptionGroup) as raised:
        async with open_supervisor():
            raise group
    assert raised.value is group


async def test_a_refusal_that_nobody_catches_comes_out_bare(autojump_clock: MockClock) -> None:
    with pytest.raises(SpawnFailed):
        async with open_supervisor() as supervisor:
            await Crowd(supervisor).get("tab", lambda: 1 // 0)  # type: ignore[arg-type, return-value]


async def test_a_cancelled_block_still_stops_gracefully(autojump_clock: MockClock) -> None:
    stopped: list[float] = []

    class Flushes(SlowStop):
        async def on_stop(self) -> None:
            await super().on_stop()
            stopped.append(trio.current_time())

    with trio.move_on_after(1) as scope:
        async with open_supervisor() as supervisor:
            await Crowd(supervisor).add("tab", 3, partial(Flushes, 2.0))
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert stopped == [3.0] * 3


async def test_who_waits_for_a_slot_is_told_that_the_supervisor_closes(autojump_clock: MockClock) -> None:
    told: list[Exception] = []

    async def ask(crowd: Crowd, key: str) -> None:
        try:
            await crowd.get(key)
        except (SupervisorClosed, SpawnFailed) as closed:
            told.append(closed)

    async with trio.open_nursery() as nursery:
        async with open_supervisor(2, spec=None) as supervisor:
            events = supervisor.events()
            supervisor.set_limit(1)
            crowd = Crowd(supervisor)
            old = (await crowd.get("old", partial(SlowStop, 2.0))).ref
            old.stop()
            nursery.start_soon(ask, crowd, "old")  # waits for its predecessor
            await trio.sleep(0.01)
        born = [event for event in events.drain() if isinstance(event, Reserved)]
    assert [type(error) for error in told] == [SupervisorClosed]
    assert len(born) == 1, "started during the shutdown"


async def test_who_is_starting_is_stopped_and_its_caller_told(autojump_clock: MockClock) -> None:
    async def ask(crowd: Crowd) -> None:
        with pytest.raises(SpawnFailed) as failed:
            await crowd.get("tab", partial(SlowStart, 3.0))
        assert failed.value.exit.reason is ExitReason.SHUTDOWN

    async with trio.open_nursery() as nursery, open_supervisor() as supervisor:
        nursery.start_soon(ask, Crowd(supervisor))  # noqa: ASYNC111  # it outlives the supervisor, and is told
        await trio.sleep(1)
    assert trio.current_time() <= 6


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.booleans(), st.integers(0, 2**16))
def test_users_who_leave_while_others_look_at_them_are_no_error(
    stopped: int, cleaned: int, ended: int, everybody: bool, seed: int
) -> None:
    """Cleanup, stop and shutdown each meet users that retire in that very moment."""

    async def retire() -> None:
        async with trio.open_nursery() as nursery, open_supervisor() as supervisor:
            refs = [await Crowd(supervisor, user).get("tab") for user in ("ann", "bob", "cid")]

            async def stop() -> None:
                await rounds(stopped)
                for obtained in refs[:2]:
                    obtained.ref.stop()

            async def clean() -> None:
                await rounds(cleaned)
                await supervisor.cleanup(None if everybody else "ann")
                await supervisor.stop_user("ann")

            nursery.start_soon(stop)
            nursery.start_soon(clean)
            await rounds(ended)

    run(retire, seed=seed)


async def rounds(count: int) -> None:
    for _ in range(count):
        await trio.lowlevel.checkpoint()


async def test_a_crash_of_a_handler_stays_there(autojump_clock: MockClock) -> None:
    async def crash() -> None:
        await trio.lowlevel.checkpoint()
        raise OSError("garbage from a client")

    async with open_supervisor() as supervisor:
        events = supervisor.events()
        supervisor.handler_nursery.start_soon(crash, name="client 7")
        supervisor.handler_nursery.start_soon(crash)
        await trio.sleep(1)
        assert (await supervisor.get_or_spawn("alice", "tab", PLAIN)).created
        failed = [event for event in events.drain() if isinstance(event, HandlerFailed)]
        assert {event.name for event in failed} >= {"client 7"}
        assert [type(event.error) for event in failed] == [OSError, OSError]


async def test_handlers_live_while_their_managers_stop_and_end_with_the_block(
    autojump_clock: MockClock,
) -> None:
    ended: list[float] = []

    async def handler() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time())

    async with open_supervisor() as supervisor:
        await Crowd(supervisor).add("tab", 1, partial(SlowStop, 2.0))
        supervisor.handler_nursery.start_soon(handler)
        await trio.sleep(1)
    assert ended == [3.5]  # the managers' two seconds, then the handlers' half


async def test_the_actors_of_two_supervisors_share_nothing(autojump_clock: MockClock) -> None:
    async with open_supervisor(1) as first, open_supervisor(1) as second:
        mine: Any = await first.get_or_spawn("alice", "tab", PLAIN)
        theirs: Any = await second.get_or_spawn("alice", "tab", PLAIN)
        assert mine.ref != theirs.ref
        await first.stop_user("alice")
        assert second.lookup("alice", "tab") == theirs.ref
