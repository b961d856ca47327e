"""The alert about emergency cleanups: it tells of ghosts that stay, not of users who are full and well."""

from __future__ import annotations

from functools import partial

import trio
from trio.testing import MockClock

from supervisor.alerts import AlertName, Thresholds
from supervisor.testing import Shielded, WedgedForever

from .harness import BUDGET, Crowd, settle
from .test_alerts import WINDOW, ask_in_vain, watched


async def test_emergency_cleanups_that_cannot_remove_whom_they_should_are_told(
    autojump_clock: MockClock,
) -> None:
    release = trio.Event()
    async with watched(limit=1, allowance=0) as on_duty:
        for number in range(5):
            stuck = partial(Shielded, release)
            await Crowd(on_duty.supervisor, f"user {number}").add("stuck", 1, stuck, at_work=True)
        await trio.sleep(BUDGET + 0.1)
        for number in range(5):
            await ask_in_vain(on_duty.supervisor, f"user {number}", 1)
        await on_duty.window()
        assert AlertName.EMERGENCY_CLEANUP_FAILING in on_duty.names
        summary = "0 of 5 emergency cleanups that had somebody to remove made room."
        assert summary in [alert.summary for alert in on_duty.told]
        release.set()


async def test_users_who_stay_locked_out_by_ghosts_are_told(autojump_clock: MockClock) -> None:
    """The ghosts were condemned long ago, so that no cleanup finds anybody it could still remove."""
    release = trio.Event()
    async with watched(limit=1, allowance=0, cool_down=WINDOW / 2) as on_duty:
        crowd = Crowd(on_duty.supervisor)
        await crowd.add("stuck", 1, partial(Shielded, release), at_work=True)
        await trio.sleep(WINDOW)
        await ask_in_vain(on_duty.supervisor, "alice", 5)
        await on_duty.window()
        assert AlertName.EMERGENCY_CLEANUP_FAILING in on_duty.names
        release.set()


async def test_users_who_are_full_and_well_are_no_failure_of_cleanup(autojump_clock: MockClock) -> None:
    async with watched(limit=2, thresholds=Thresholds(failures=1000)) as on_duty:
        for number in range(10):
            user = f"user {number}"
            await Crowd(on_duty.supervisor, user).add("tab", 2)
            await ask_in_vain(on_duty.supervisor, user, 5)
            await on_duty.supervisor.stop_user(user)
        assert on_duty.supervisor.counts().emergency_cleanup_triggers == 50
        await on_duty.window()
        assert on_duty.told == []


async def test_nor_are_they_where_others_were_stuck_and_made_room(autojump_clock: MockClock) -> None:
    """One slot comes free, two want it: whoever is refused meets only living ones."""
    async with watched(limit=3, thresholds=Thresholds(failures=1000, spawn_seconds=10.0)) as on_duty:
        for number in range(6):
            crowd = Crowd(on_duty.supervisor, f"user {number}")
            await crowd.add("tab", 2)
            await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 0.1)
        for number in range(6):
            crowd = Crowd(on_duty.supervisor, f"user {number}")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(crowd.get, "first")
                await trio.lowlevel.checkpoint()
                nursery.start_soon(crowd.refused, "second")
            await on_duty.supervisor.stop_user(crowd.user)
        await on_duty.window()
        assert on_duty.told == []


async def test_emergency_cleanups_that_make_room_are_not_told(autojump_clock: MockClock) -> None:
    async with watched(limit=1, thresholds=Thresholds(spawn_seconds=10.0)) as on_duty:
        for number in range(6):
            crowd = Crowd(on_duty.supervisor, f"user {number}")
            await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 0.1)
        for number in range(6):
            await Crowd(on_duty.supervisor, f"user {number}").add("tab", 1)
            await on_duty.supervisor.stop_user(f"user {number}")
        await settle()
        assert on_duty.supervisor.counts().emergency_cleanup_triggers == 6
        await on_duty.window()
        assert on_duty.told == []
