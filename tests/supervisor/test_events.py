"""The one stream of events: without gaps, enough to recount everything, and slowed by no subscriber."""

from __future__ import annotations

from collections import Counter
from functools import partial

import attrs
import pytest
import trio
from trio.testing import MockClock

from supervisor import (
    ActorEvent,
    Condemned,
    ConnectionAttached,
    ConnectionDetached,
    Event,
    EventsLost,
    Reserved,
    Stamp,
    Started,
    Suspected,
    Terminal,
)
from supervisor.testing import CrashesInHandle, Healthy, Shielded, StartRaises, WedgedForever

from .harness import ATTACH_GRACE, BUDGET, PLAIN, Crowd, opened, settle

manager = partial(Healthy, sockets=True)


async def test_numbers_have_no_gaps_and_time_never_runs_back(autojump_clock: MockClock) -> None:
    async with opened(3) as (supervisor, log):
        for user in ("ann", "bob"):
            crowd = Crowd(supervisor, user)
            await crowd.add("stuck", 2, WedgedForever, at_work=True)
            await crowd.add("crash", 1, CrashesInHandle, at_work=True)
            await trio.sleep(BUDGET + 0.01)
            await crowd.add("new", 3)
            await crowd.refused("one-more")
        seqs = [event.stamp.seq for event in log.all]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        times = [event.stamp.at for event in log.all]
        assert times == sorted(times)
        assert len(seqs) > 30


async def test_each_count_of_the_tables_is_recounted_from_the_log(autojump_clock: MockClock) -> None:  # A09
    release = trio.Event()
    async with opened(3) as (supervisor, log):
        for user in ("ann", "bob", "cid"):
            crowd = Crowd(supervisor, user)
            await crowd.add("stuck", 1, WedgedForever, at_work=True)
            await crowd.add("shielded", 1, partial(Shielded, release), at_work=True)
            await trio.sleep(BUDGET + 0.01)
            await crowd.add("new", 2)
        await settle()
        held = Counter(event.user for event in log.of(Reserved))
        held.subtract(event.user for event in log.of(Condemned))
        held.subtract(event.user for event in log.of(Terminal) if not event.was_condemned)
        condemned = Counter(event.user for event in log.of(Condemned))
        snapshot = supervisor.snapshot()
        assert {user.user: user.slots_held for user in snapshot.users} == dict(held)
        assert {user.user: len(user.condemned) for user in snapshot.users} == dict(condemned)
        assert (snapshot.slots_held, snapshot.condemned) == (held.total(), condemned.total())
        release.set()


async def test_an_admission_tells_what_it_did_in_order(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 0.01)
        seen = len(log.all)
        await crowd.get("new")
        await settle()
        told = [type(event).__name__ for event in log.all[seen:]]
        assert told == [
            "Waited",
            "Suspected",
            "ReapStarted",
            "MailDeadLettered",
            "Terminal",
            "Reserved",
            "Started",
            "CleanedUp",
        ] or told == [*told[:5], "Reserved", "CleanedUp", "Started"]


async def test_a_start_tells_how_long_it_was_waited_for(autojump_clock: MockClock) -> None:
    async with opened(1, slot_wait=60.0) as (supervisor, log):
        crowd = Crowd(supervisor)
        first = (await crowd.get("first")).ref
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.get, "second")
            await trio.sleep(7)
            first.stop()
        assert [event.waited for event in log.of(Started)] == [0.0, 7.0]


async def test_connections_that_come_and_go_are_told_of(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [ref] = await crowd.add("tab", 1, manager)
        wires = [crowd.attach(ref) for _ in range(3)]
        wires[1].abort(reason="cut")
        crowd.sockets.close()
        assert [event.connections for event in log.of(ConnectionAttached)] == [1, 2, 3]
        left = log.of(ConnectionDetached)
        assert [event.connections for event in left] == [2, 1, 0]
        assert "cut" in left[0].why
        assert "handler returned" in left[1].why


async def test_a_verdict_is_told_before_what_is_done_about_it(autojump_clock: MockClock) -> None:
    async with opened(2) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("abandoned", 2, manager)
        await trio.sleep(ATTACH_GRACE + 0.01)
        await supervisor.cleanup("alice")
        for incarnation in (1, 2):
            told = [
                type(event)
                for event in log.all
                if isinstance(event, ActorEvent) and event.incarnation == incarnation
            ]
            assert told[-3] is Suspected
            assert told[-1] is Terminal


async def test_a_slow_subscriber_loses_its_own_oldest_and_is_told(autojump_clock: MockClock) -> None:
    async with opened(20) as (supervisor, log):
        with supervisor.events(capacity=5) as slow:
            await Crowd(supervisor).add("tab", 6)
            await settle()
            mine = slow.drain()
            everything = log.all
            assert mine[0] == EventsLost(len(everything) - 5)
            assert mine[1:] == everything[-5:]
            assert slow.drain() == []


async def test_a_subscriber_that_iterates_is_told_of_its_loss_once(autojump_clock: MockClock) -> None:
    async with opened(20) as (supervisor, _):
        with supervisor.events(capacity=2) as slow:
            await Crowd(supervisor).add("tab", 2)
            first, second, third = [await slow.receive() for _ in range(3)]
            assert first == EventsLost(2)
            assert isinstance(second, Event)
            assert isinstance(third, Event)
            with trio.move_on_after(1) as scope:
                await slow.receive()
            assert scope.cancelled_caught


async def test_two_readers_of_one_subscription_are_both_served(autojump_clock: MockClock) -> None:
    async with opened(20) as (supervisor, _):
        with supervisor.events() as events, trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(events.receive)
                nursery.start_soon(events.receive)
                await settle()
                assert events.drain() == []
                await supervisor.get_or_spawn("alice", "tab", PLAIN)


async def test_a_closed_subscription_hears_nothing(autojump_clock: MockClock) -> None:
    async with opened(20) as (supervisor, _):
        events = supervisor.events()
        events.close()
        events.close()
        await supervisor.get_or_spawn("alice", "tab", PLAIN)
        assert events.drain() == []


async def test_a_subscription_holds_something(autojump_clock: MockClock) -> None:
    async with opened(20) as (supervisor, _):
        with pytest.raises(ValueError, match="1 event or more"):
            supervisor.events(capacity=0)


async def test_a_failed_start_is_told_before_its_end(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        with pytest.raises(Exception, match="no database"):
            await Crowd(supervisor).get("tab", StartRaises)
        await settle()
        assert [type(event).__name__ for event in log.all] == ["Reserved", "StartFailed", "Terminal"]


def test_an_event_reads_as_its_class_with_all_it_says() -> None:
    event = ConnectionDetached(Stamp(3, 1.5), "ann", "tab", 2, connections=0, why="closed")
    assert repr(event) == (
        "ConnectionDetached(stamp=Stamp(seq=3, at=1.5), user='ann', key='tab', incarnation=2,"
        " connections=0, why='closed')"
    )


def test_an_event_of_ones_own_may_say_less_or_read_otherwise() -> None:
    @attrs.frozen
    class Discreet(Event):
        token: str = attrs.field(repr=False)

    @attrs.frozen
    class Terse(Event):
        def __repr__(self) -> str:
            return "terse"

    assert repr(Discreet(Stamp(1, 0.5), "secret")) == "Discreet(stamp=Stamp(seq=1, at=0.5))"
    assert repr(Terse(Stamp(1, 0.5))) == "terse"
