"""A reaped actor leaves nothing: no task, no connection, no slot, no key, and one last event."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from actors import ActorRef, ActorStopped, Connection, ExitReason, State, attach
from supervisor import (
    ActorEvent,
    ConnectionDetached,
    MailDeadLettered,
    ReapStarted,
    Reserved,
    Started,
    Suspected,
    Terminal,
)
from supervisor.testing import (
    WEDGES,
    CrashesInChild,
    CrashesInHandle,
    HasChildTasks,
    Healthy,
    MemoryTransport,
    ProbeRaises,
    SlowStop,
    StopHangs,
    StopRaises,
    WedgedForever,
    Work,
)

from .harness import (
    ATTACH_GRACE,
    BUDGET,
    CANCEL_GRACE,
    Crowd,
    Log,
    all_answer,
    all_tasks,
    keys,
    names,
    opened,
    settle,
)

ENDS = [name for name, wedge in WEDGES.items() if wedge.gives_way]


def about(log: Log, ref: ActorRef[object]) -> list[type[ActorEvent]]:
    return [type(event) for event in log.of(ActorEvent, ref)]


async def test_its_task_and_its_child_tasks_are_gone(autojump_clock: MockClock) -> None:  # R06
    async with opened(1) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("first", 1)
        await supervisor.stop_user("alice")
        await settle()
        before = all_tasks()
        [ref] = await crowd.add("stuck", 1, HasChildTasks, at_work=True)
        await settle()
        assert len(all_tasks() - before) == 6  # the user's, the actor's, and three with whoever keeps them
        await trio.sleep(BUDGET)
        await supervisor.cleanup("alice")
        await settle()
        assert all_tasks() <= before
        assert ref.state is State.ENDED


@pytest.mark.parametrize("kind", ENDS)
async def test_slot_and_key_are_free_and_there_is_one_last_event(
    kind: str, autojump_clock: MockClock
) -> None:  # R06
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [ref] = await crowd.add("stuck", 1, lambda: WEDGES[kind].make(trio.Event()), at_work=True)
        await trio.sleep(BUDGET + 0.01)
        await supervisor.cleanup("alice")
        assert crowd.held == 0
        assert about(log, ref) == [Reserved, Started, Suspected, ReapStarted, MailDeadLettered, Terminal]
        [terminal] = log.of(Terminal, ref)
        assert terminal.exit == ref.exit
        assert terminal.exit.reason is ExitReason.UNRESPONSIVE
        assert "in handle(Work) for 5.01 s, budget 5 s" in terminal.exit.detail
        assert not terminal.was_condemned
        assert (await crowd.get("stuck-0")).created


async def test_its_connections_are_closed(autojump_clock: MockClock) -> None:  # R06
    async with opened(1) as (supervisor, log), trio.open_nursery() as edge:
        crowd = Crowd(supervisor)
        [ref] = await crowd.add("stuck", 1, partial(WedgedForever, sockets=True))
        wires = [MemoryTransport() for _ in range(3)]

        async def handler(connection: Connection) -> None:
            with attach(ref, connection):
                await connection.receive()

        for number, wire in enumerate(wires):
            edge.start_soon(Connection(f"peer-{number}", wire).run, handler)
        await settle()
        await ref.tell(Work())
        await trio.sleep(BUDGET + 1)
        assert all(wire.ended is None for wire in wires)
        await supervisor.cleanup("alice")
        await settle()
        assert [wire.ended for wire in wires] == [(1011, "session ended: unresponsive")] * 3
        assert [event.connections for event in log.of(ConnectionDetached)] == [2, 1, 0]
        assert about(log, ref)[-1] is Terminal


async def test_mail_that_waits_is_told_of_and_askers_are_answered(autojump_clock: MockClock) -> None:  # R15
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [ref] = await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(1)
        for _ in range(3):
            await ref.tell(Work())
        answered: list[bool] = []

        async def ask() -> None:
            with pytest.raises(ActorStopped, match="unresponsive"):
                await all_answer([ref])
            answered.append(True)

        await trio.sleep(BUDGET - 1 - 0.5)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(0.51)
            await supervisor.cleanup("alice")
        assert answered
        [lost] = log.of(MailDeadLettered)
        assert (lost.count, lost.reason) == (4, ExitReason.UNRESPONSIVE)
        stats = ref.statistics()
        assert stats.accepted == stats.handled + stats.failed + stats.returned + stats.dead_lettered


@pytest.mark.parametrize("kind", WEDGES)
async def test_20_stuck_are_gone_in_one_grace(kind: str, autojump_clock: MockClock) -> None:  # R06
    release = trio.Event()
    async with opened(20) as (supervisor, log):
        crowd = Crowd(supervisor)
        refs = await crowd.add("stuck", 20, lambda: WEDGES[kind].make(release), at_work=True)
        await trio.sleep(BUDGET + 0.01)
        began = trio.current_time()
        assert (await crowd.get("one-more")).created
        assert trio.current_time() - began <= CANCEL_GRACE
        await settle(CANCEL_GRACE)  # the rest of them go as soon as the newcomer is at work
        assert crowd.keys == {"one-more"}
        release.set()
        await settle(2)
        assert [len(log.of(Terminal, ref)) for ref in refs] == [1] * 20


@pytest.mark.parametrize("specimen", [CrashesInHandle, CrashesInChild])
async def test_a_crash_frees_everything_and_touches_no_neighbour(
    specimen: type[Healthy], autojump_clock: MockClock
) -> None:
    async with opened(2) as (supervisor, log):
        crowd = Crowd(supervisor)
        healthy = await crowd.add("healthy", 1)
        [ref] = await crowd.add("crashes", 1, specimen, at_work=True)
        how = await ref.wait_stopped()
        assert how.reason is ExitReason.CRASHED
        assert isinstance(how.error, OSError)
        await settle()
        assert crowd.keys == {"healthy-0"}
        assert about(log, ref)[-1] is Terminal
        assert await all_answer(healthy)


async def test_a_stop_hook_that_raises_frees_everything_all_the_same(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [ref] = await crowd.add("raises", 1, StopRaises)
        await supervisor.stop_user("alice")
        [terminal] = log.of(Terminal, ref)
        assert terminal.exit.reason is ExitReason.STOPPED
        assert isinstance(terminal.exit.error, OSError)
        assert crowd.held == 0


async def test_a_stop_hook_that_hangs_has_its_grace_and_no_more(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [ref] = await crowd.add("hangs", 1, StopHangs, stop_grace=3.0)
        await supervisor.stop_user("alice")
        assert trio.current_time() <= 3.0 + CANCEL_GRACE
        assert crowd.held == 0
        await settle()
        assert len(log.of(Terminal, ref)) == 1


async def test_stopping_a_user_ends_the_stuck_too_and_all_at_once(autojump_clock: MockClock) -> None:
    async with opened(20) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 19, WedgedForever, at_work=True, stop_grace=2.0)
        await crowd.add("healthy", 1)
        await supervisor.stop_user("alice")
        assert trio.current_time() <= 2.0 + CANCEL_GRACE
        assert {event.exit.reason for event in log.of(Terminal)} == {ExitReason.STOPPED}
        assert len(log.of(Terminal)) == 20
        assert not supervisor.snapshot().slots_held


async def test_garbage_that_is_slow_to_leave_is_refused_now_and_replaced_later(
    autojump_clock: MockClock,
) -> None:  # A07
    async with opened(20) as (supervisor, _):
        crowd = Crowd(supervisor)
        abandoned = partial(SlowStop, 2.0, sockets=True)
        healthy = await crowd.add("healthy", 12)
        await crowd.add("abandoned", 5, abandoned)
        await trio.sleep(ATTACH_GRACE + 0.01)

        assert (await crowd.get("first")).created  # 17 of 20: nobody need go
        healthy += await crowd.add("filler", 2)
        assert crowd.held == 20

        refusal = await crowd.refused("second")
        assert refusal.reason.value == "reap_pending"
        assert 1.0 <= refusal.retry_after <= 7.5
        assert "some being freed" in refusal.sentence
        assert keys(refusal.stages[0].failed) == names("abandoned", 5)
        await trio.sleep(refusal.retry_after)
        assert (await crowd.get("second")).created
        assert crowd.held == 16
        assert await all_answer(healthy)


async def test_a_stuck_predecessor_gives_its_key_and_slot_to_its_heir_first(
    autojump_clock: MockClock,
) -> None:  # R02
    async with opened(1, slot_wait=60.0) as (supervisor, log):
        crowd = Crowd(supervisor)
        [old] = await crowd.add("tab", 1, WedgedForever, at_work=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.get, "waits")
            await trio.sleep(BUDGET + 0.01)
            heir = await crowd.get("tab-0")
            assert heir.created
            assert heir.ref != old
            assert [event.key for event in log.of(Reserved)] == ["tab-0", "tab-0"]
            heir.ref.stop()
        assert crowd.keys == {"waits"}
        with pytest.raises(ActorStopped, match="unresponsive"):
            old.tell_nowait(Work())


async def test_a_dying_key_is_waited_for(autojump_clock: MockClock) -> None:  # R11
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [old] = await crowd.add("tab", 1, partial(SlowStop, 2.0))
        old.stop()
        await trio.sleep(0.5)
        new = await crowd.get("tab-0")
        assert new.created
        assert new.ref != old
        assert trio.current_time() == pytest.approx(2.0, abs=0.01)
        lives = [e for e in log.all if isinstance(e, Reserved | Terminal)]
        assert [type(event) for event in lives] == [Reserved, Terminal, Reserved]


async def test_a_dying_key_is_waited_for_no_longer_than_its_graces(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, _):
        crowd = Crowd(supervisor)
        [old] = await crowd.add("tab", 1, StopHangs, stop_grace=3.0)
        old.stop()
        await trio.sleep(0.5)
        assert (await crowd.get("tab-0")).created
        assert trio.current_time() <= 3.0 + CANCEL_GRACE


async def test_incarnations_only_ever_count_up(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        for _ in range(5):
            (await crowd.get("tab", ProbeRaises)).ref.stop()
            await settle()
        counted = [event.incarnation for event in log.of(Reserved)]
        assert all(before < after for before, after in pairwise(counted))
