"""Whom no stage removes: the slow, the newborn, the resumable; and the last as few as will do."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from supervisor import (
    CleanupReport,
    Health,
    RefusalReason,
    Suspected,
    Terminal,
)
from supervisor.testing import (
    BusyWithProgress,
    CrashesInHandle,
    Healthy,
    Shielded,
    SlowButAlive,
    SlowStart,
    WedgedForever,
    Work,
)

from .harness import ATTACH_GRACE, BUDGET, Crowd, all_answer, keys, opened

manager = partial(Healthy, sockets=True)


def check_partition(report: CleanupReport, before: int) -> None:
    """Each stage puts everybody that it looked at into exactly one of its lists."""
    for stage in report.stages:
        groups = [keys(stage.reaped), keys(stage.kept), keys(stage.failed)]
        looked_at = set[str]().union(*groups)
        assert len(looked_at) == sum(map(len, groups)) == before
        before -= len(stage.reaped) + len(stage.failed)


async def test_those_who_work_within_their_budget_are_kept(autojump_clock: MockClock) -> None:  # R04, R07
    async with opened(3) as (supervisor, log):
        crowd = Crowd(supervisor)
        slow = await crowd.add("slow", 1, partial(SlowButAlive, 0.9), at_work=True)
        brink = await crowd.add("brink", 1, partial(SlowButAlive, 0.999), at_work=True)
        long = await crowd.add("long", 1, partial(BusyWithProgress, 50), at_work=True)
        await trio.sleep(BUDGET * 0.89)

        refusal = await crowd.refused("one-more")

        assert refusal.reason is RefusalReason.LIMIT
        assert {holder.verdict.health for holder in refusal.holders} == {Health.BUSY}
        await trio.sleep(40)
        assert not (await supervisor.cleanup("alice")).reaped
        await trio.sleep(20)
        assert await all_answer([*slow, *brink, *long])
        assert not log.of(Suspected)


async def test_progress_does_not_stretch_a_budget_past_the_ceiling(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("long", 1, partial(BusyWithProgress, 100), at_work=True)
        await trio.sleep(60.5)
        assert (await crowd.get("one-more")).created


async def test_a_newborn_that_starts_is_not_removed(autojump_clock: MockClock) -> None:  # R07
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.get, "newborn", partial(SlowStart, 9.9))
            await trio.sleep(9.8)
            refusal = await crowd.refused("one-more")
            assert [holder.verdict.health for holder in refusal.holders] == [Health.STARTING]
        assert crowd.keys == {"newborn"}
        assert not log.of(Terminal)


async def test_a_newborn_keeps_its_place_until_its_first_connection_is_due(
    autojump_clock: MockClock,
) -> None:  # R07
    async with opened(1) as (supervisor, _):
        crowd = Crowd(supervisor)
        [newborn] = await crowd.add("newborn", 1, manager)
        await trio.sleep(ATTACH_GRACE / 2)
        for _ in range(3):  # nothing extends the grace: neither work nor asking again
            await newborn.tell(Work())
            await crowd.get("newborn-0")
        await trio.sleep(ATTACH_GRACE / 2)
        refusal = await crowd.refused("one-more")
        assert [holder.verdict.health for holder in refusal.holders] == [Health.STARTING]
        await trio.sleep(0.01)
        assert (await crowd.get("one-more")).created


async def test_an_actor_that_erred_often_is_as_healthy_as_any(autojump_clock: MockClock) -> None:  # R04
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        for _ in range(5):
            ref = (await crowd.get("tab", CrashesInHandle)).ref
            await ref.tell(Work())
            await trio.sleep(1)
        await crowd.get("tab", CrashesInHandle)
        refusal = await crowd.refused("one-more")
        assert [holder.verdict.health for holder in refusal.holders] == [Health.HEALTHY]
        assert not log.of(Suspected)


async def test_the_sweep_keeps_those_who_may_come_back(autojump_clock: MockClock) -> None:
    async with opened(3) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("gone", 3, manager, sockets=1)
        crowd.sockets.close()
        await trio.sleep(1)
        report = await supervisor.cleanup("alice")
        assert not report.reaped
        assert {finding.verdict.health for finding in report.kept} == {Health.DISCONNECTED}
        check_partition(report, before=3)


@pytest.mark.parametrize("needed", [1, 2])
async def test_as_few_as_will_do_of_those_who_may_come_back_give_way_longest_gone_first(
    needed: int, autojump_clock: MockClock
) -> None:
    async with opened(4) as (supervisor, log):
        crowd = Crowd(supervisor)
        for name in ("third", "first", "second"):
            await crowd.add(name, 1, manager)
        healthy = await crowd.add("healthy", 1, manager, sockets=1)
        for name in ("first", "second", "third"):
            ref = supervisor.lookup("alice", f"{name}-0")
            assert ref is not None
            crowd.attach(ref).abort()
            await trio.sleep(1)

        async with trio.open_nursery() as nursery:
            for number in range(needed):
                nursery.start_soon(crowd.get, f"new-{number}")

        assert {event.key for event in log.of(Terminal)} == set(["first-0", "second-0"][:needed])
        assert await all_answer(healthy)


@pytest.mark.parametrize("turns", range(8))
async def test_who_may_come_back_stays_when_whoever_needed_the_slot_has_given_up(
    turns: int, autojump_clock: MockClock
) -> None:
    """Also when the cleanup for him is under way already."""
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [gone] = await crowd.add("gone", 1, manager)
        crowd.attach(gone).abort()
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.get, "new", manager)
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            suspected = log.of(Suspected)
            nursery.cancel_scope.cancel()
        await trio.sleep(1)
        assert log.of(Suspected) == suspected


async def test_who_may_come_back_stays_where_a_stuck_one_is_room_enough(autojump_clock: MockClock) -> None:
    async with opened(2) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, partial(WedgedForever, sockets=True), sockets=1, at_work=True)
        await trio.sleep(BUDGET)
        [gone] = await crowd.add("gone", 1, manager)
        crowd.attach(gone).abort()
        await trio.sleep(1)

        assert (await crowd.get("one-more")).created

        assert [event.key for event in log.of(Terminal)] == ["stuck-0"]
        assert await all_answer([gone])


async def test_who_may_come_back_gives_way_where_the_stuck_one_keeps_its_slot(
    autojump_clock: MockClock,
) -> None:
    release = trio.Event()
    async with opened(2, condemned_allowance=0) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, partial(Shielded, release, sockets=True), sockets=1, at_work=True)
        await trio.sleep(BUDGET)
        [gone] = await crowd.add("gone", 1, manager)
        crowd.attach(gone).abort()
        await trio.sleep(1)

        assert (await crowd.get("one-more")).created

        assert [event.key for event in log.of(Terminal)] == ["gone-0"]
        release.set()


async def test_every_stage_accounts_for_everybody(autojump_clock: MockClock) -> None:  # R02, R04
    release = trio.Event()
    async with opened(20) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("abandoned", 2, manager)
        await trio.sleep(ATTACH_GRACE)
        await crowd.add("stuck", 3, WedgedForever, at_work=True)
        await crowd.add("shielded", 3, partial(Shielded, release), at_work=True)
        await crowd.add("healthy", 4)
        await trio.sleep(BUDGET + 0.01)

        report = await supervisor.cleanup("alice")

        check_partition(report, before=12)
        detected = {event.key for event in log.of(Suspected)}
        assert len(detected) == len(report.reaped) + len(report.failed) == 8
        assert detected == keys(report.reaped) | keys(report.failed)
        assert keys(report.failed) == {"shielded-0", "shielded-1", "shielded-2"}
        assert all(stage.duration <= 0.05 for stage in report.stages)
        release.set()
