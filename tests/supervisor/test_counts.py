"""The numbers of a supervisor: what they say of a story whose course is known."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors import ExitReason
from supervisor import BOUNDS, Found, Histogram, RefusalReason, Stage, Trigger
from supervisor._histogram import Bins
from supervisor.testing import Healthy, Shielded, SlowStart, SlowStop, WedgedForever

from .harness import Crowd, opened, settle


async def test_a_cleanup_that_makes_room_is_counted_by_what_it_was_for(autojump_clock: MockClock) -> None:
    async with opened(3) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 2, WedgedForever, at_work=True)
        await crowd.add("healthy", 1)
        assert supervisor.users_at_limit == ("alice",)
        await trio.sleep(6)
        await crowd.add("newcomer", 1)
        await settle()  # the cleanup is told when it is complete, the newcomer is in before that
        counts = supervisor.counts()
        assert (counts.emergency_cleanup_triggers, counts.successful_emergency_cleanups) == (1, 1)
        assert (counts.managers_created, counts.managers_cleaned_up, counts.managers) == (4, 2, 2)
        assert (counts.max_concurrent_managers, counts.users, counts.users_at_manager_limit) == (3, 1, 0)
        assert counts.average_managers_per_user == 2
        assert dict(counts.ends) == dict(counts.reaps) == {ExitReason.UNRESPONSIVE: 2}
        assert counts.cleanups[Trigger.ADMISSION] == 1
        assert counts.stages[Stage.LIVENESS].reaped == 2
        assert (counts.spawned.count, counts.spawned_after_cleanup.count) == (3, 1)
        assert counts.reaped.count == 2
        assert not supervisor.users_at_limit


async def test_a_refusal_is_counted_and_so_is_the_cleanup_that_made_no_room(
    autojump_clock: MockClock,
) -> None:
    async with opened(2, slot_wait=0.3) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("healthy", 2)
        await crowd.refused("one more")
        counts = supervisor.counts()
        assert (counts.resource_limit_hits, dict(counts.refusals)) == (1, {RefusalReason.LIMIT: 1})
        assert counts.emergency_cleanups_all_alive == counts.emergency_cleanup_triggers >= 1
        assert counts.successful_emergency_cleanups == 0
        assert counts.refused.count == 1
        assert counts.refused.sum == pytest.approx(0.3, abs=0.01)


async def test_a_cleanup_that_could_not_remove_whom_it_should_is_not_counted_as_one_with_nobody_to_remove(
    autojump_clock: MockClock,
) -> None:
    release = trio.Event()
    async with opened(2, condemned_allowance=0) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, partial(Shielded, release), at_work=True)
        await crowd.add("healthy", 1)
        await trio.sleep(6)
        await crowd.refused("one more")
        await crowd.refused("one more")  # by now it is condemned, and no cleanup looks at it
        counts = supervisor.counts()
        assert (counts.emergency_cleanup_triggers, counts.emergency_cleanups_all_alive) == (2, 0)
        release.set()


async def test_a_cleanup_while_one_still_ends_is_not_counted_as_one_with_nobody_to_remove(
    autojump_clock: MockClock,
) -> None:
    async with opened(1) as (supervisor, _):
        crowd = Crowd(supervisor)
        [ref] = await crowd.add("slow", 1, partial(SlowStop, 3.0))
        ref.stop()
        await settle(0.1)
        await crowd.refused("one more")
        counts = supervisor.counts()
        assert counts.refusals == {RefusalReason.REAP_PENDING: 1}
        assert (counts.emergency_cleanup_triggers, counts.emergency_cleanups_all_alive) == (1, 0)


async def test_each_request_that_gets_a_manager_is_counted_once_with_its_time(
    autojump_clock: MockClock,
) -> None:
    waited: list[float] = []

    async with opened(3) as (supervisor, log):

        async def ask() -> None:
            began = trio.current_time()
            obtained = await Crowd(supervisor).get("tab", partial(SlowStart, 2.0))
            if not obtained.created:
                waited.append(trio.current_time() - began)

        async with trio.open_nursery() as nursery:
            for delay in (0.0, 0.0, 1.0, 0.5):  # some join late; whoever wakes first has created it
                await trio.sleep(delay)
                nursery.start_soon(ask)
        await ask()
        counts = supervisor.counts()
        assert (counts.managers_created, counts.spawned.count) == (1, 1)
        assert [event.waited for event in log.of(Found)] == waited
        assert counts.managers_found == counts.found.count == len(waited) == 4
        assert counts.found.sum == pytest.approx(sum(waited))
        assert waited[-1] == 0


async def test_cleanups_by_hand_are_no_emergencies(autojump_clock: MockClock) -> None:
    async with opened(3) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(6)
        await supervisor.cleanup()
        counts = supervisor.counts()
        assert dict(counts.cleanups) == {Trigger.REQUEST: 1}
        assert (counts.emergency_cleanup_triggers, counts.successful_emergency_cleanups) == (0, 0)


async def test_who_is_at_the_limit_changes_with_it(autojump_clock: MockClock) -> None:
    async with opened(3) as (supervisor, _):
        ann, bob = Crowd(supervisor, "ann"), Crowd(supervisor, "bob")
        await ann.add("a", 2)
        await bob.add("b", 3)
        stood = [supervisor.users_at_limit]
        for limit, user in ((2, None), (5, "bob"), (10, None), (3, None)):
            supervisor.set_limit(limit, user=user)
            stood.append(supervisor.users_at_limit)
        # The last limit is bob's too, who has one of his own.
        assert stood == [("bob",), ("bob", "ann"), ("ann",), (), ()]
        await supervisor.stop_user("bob")
        await settle()
        assert (supervisor.counts().users, supervisor.counts().managers) == (1, 2)


async def test_a_snapshot_of_the_numbers_stays_as_it_was(autojump_clock: MockClock) -> None:
    async with opened(3) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("a", 1)
        before = supervisor.counts()
        kept = (before.managers, before.events, dict(before.ends), before.spawned)
        await crowd.add("b", 1)
        await supervisor.stop_user("alice")
        assert (before.managers, before.events, dict(before.ends), before.spawned) == kept
        assert supervisor.counts() != before


async def test_connections_are_counted_and_gone_with_their_manager(autojump_clock: MockClock) -> None:
    async with opened(3) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("a", 2, partial(Healthy, sockets=True), sockets=2)
        assert supervisor.counts().connections == 4
        await supervisor.stop_user("alice")
        await settle()
        assert supervisor.counts().connections == 0


def test_a_histogram_puts_each_into_the_smallest_bound_that_holds_it() -> None:
    histogram = Histogram().plus(0.1).plus(0.11).plus(0.0).plus(99.0)
    assert histogram.counts[BOUNDS.index(0.1)] == 1
    assert histogram.counts[BOUNDS.index(0.25)] == 1
    assert (histogram.counts[0], histogram.counts[-1], histogram.count) == (1, 1, 4)
    assert histogram.sum == pytest.approx(99.21)


@given(st.lists(st.floats(0, 20) | st.sampled_from(BOUNDS)))
def test_bins_that_grow_are_the_histogram_of_what_was_added(seconds: list[float]) -> None:
    bins, histogram = Bins(), Histogram()
    for each in seconds:
        bins.add(each)
        histogram = histogram.plus(each)
    assert bins.histogram() == histogram


async def test_a_full_process_is_no_users_emergency(autojump_clock: MockClock) -> None:
    async with opened(20, process_limit=2) as (supervisor, _):
        await Crowd(supervisor, "ann").add("stuck", 2, WedgedForever, at_work=True)
        await trio.sleep(6)
        await Crowd(supervisor, "bob").add("newcomer", 1)
        await settle()
        counts = supervisor.counts()
        assert counts.cleanups[Trigger.FULL_PROCESS] >= 1
        assert (counts.emergency_cleanup_triggers, counts.spawned_after_cleanup.count) == (0, 1)
