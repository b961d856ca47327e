"""What a supervisor tells of itself: snapshots, standings, users and limits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors import ActorError
from supervisor import (
    Holder,
    LimitChanged,
    Settings,
    Snapshot,
    Standing,
    Supervisor,
    SupervisorError,
)
from supervisor.testing import (
    Healthy,
    Shielded,
    SlowStart,
    SwallowsCancelled,
    WedgedForever,
    Work,
    run,
)

from .harness import BUDGET, Crowd, dice, opened

# Longer than any of these tests lasts: nothing is cleaned up in the background.
NEVER = 1e6


def plain(holder: Holder) -> tuple[Any, ...]:
    """What a snapshot says of it too: not where it is."""
    verdict = holder.verdict
    known = (holder.key, holder.incarnation, verdict.health, verdict.evidence, verdict.until)
    return (*known, holder.age, holder.connections, holder.phase, holder.since)


def check_snapshot(here: Supervisor) -> Snapshot:
    """It equals what `explain` says of each."""
    snapshot = here.snapshot()
    assert snapshot.at == trio.current_time()
    for user in snapshot.users:
        stands = here.explain(user.user)
        assert (user.limit, user.slots_held, user.waiting, user.threads) == (
            stands.limit,
            stands.slots_held,
            stands.waiting,
            stands.threads,
        )
        assert list(map(plain, user.managers)) == list(map(plain, stands.holders))
        assert list(map(plain, user.condemned)) == list(map(plain, stands.condemned))
        assert {(each.where, each.stack, each.cause) for each in (*user.managers, *user.condemned)} <= {
            ("", (), "")
        }, "that would take longer"
    assert snapshot.slots_held == sum(user.slots_held for user in snapshot.users)
    assert snapshot.condemned == sum(len(user.condemned) for user in snapshot.users)
    return snapshot


async def add(crowd: Crowd, key: str, make: Callable[[], Healthy]) -> None:
    """One more, at work; or it is refused."""
    with trio.move_on_after(3), suppress(SupervisorError, ActorError):
        await (await crowd.get(key, make)).ref.tell(Work())


async def live(seed: int) -> int:
    """Something of everything, at random."""
    roll, seen = dice(seed), 0
    kinds: list[Callable[[], Healthy]]
    kinds = [Healthy, WedgedForever, Shielded, SwallowsCancelled, partial(SlowStart, 2.0)]
    async with opened(5, sweep_period=NEVER, condemned_allowance=3) as (here, _):
        async with trio.open_nursery() as nursery:
            for step in range(15):
                crowd = Crowd(here, f"user-{roll.randrange(3)}")
                nursery.start_soon(add, crowd, f"key-{step}", roll.choice(kinds))
                await trio.sleep(roll.choice([0.0, 0.5, 3.0]))
                if roll.random() < 0.3:
                    await here.cleanup(crowd.user)
                seen += len(check_snapshot(here).users)
        return seen


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_a_snapshot_equals_what_explain_says_of_each(seed: int) -> None:
    assert run(live, seed, seed=seed) > 0


async def test_a_snapshot_keeps_those_of_whom_a_thread_is_left(autojump_clock: MockClock) -> None:
    release = threading.Event()
    async with opened(sweep_period=NEVER) as (here, _):
        crowd = Crowd(here)
        await crowd.add("threads", 1, partial(_InThread, release), at_work=True)
        await trio.sleep(0.01)
        await here.stop_user("alice")
        await trio.sleep(0.01)
        assert here.users == ()
        [user] = check_snapshot(here).users
        assert (user.user, user.threads, user.slots_held, user.managers) == ("alice", 1, 0, ())
        assert here.standing("alice") is None
        release.set()
        autojump_clock.autojump_threshold = 0.05
        while here.snapshot().users:
            await trio.sleep(0.01)


class _InThread(Healthy):
    """Works in a thread, and leaves it behind when it is cancelled."""

    def __init__(self, until: threading.Event) -> None:
        super().__init__()
        self._until = until

    async def work(self) -> None:
        await self.run_blocking(self._until.wait, 5)


async def test_a_standing_is_a_user_in_one_line(autojump_clock: MockClock) -> None:
    async with opened(4, sweep_period=NEVER, slot_wait=100.0) as (here, _):
        assert list(here.users) == []
        assert here.standing("alice") is None
        crowd = Crowd(here)
        await crowd.add("shielded", 1, Shielded, at_work=True)
        await trio.sleep(BUDGET + 1)
        await here.cleanup("alice")
        await crowd.add("healthy", 4)
        async with trio.open_nursery() as nursery:
            for number in range(2):
                nursery.start_soon(crowd.get, f"waits-{number}")
            await trio.sleep(1)
            assert here.standing("alice") == Standing("alice", limit=4, slots_held=4, waiting=2, condemned=1)
            here.set_limit(9, user="alice")
        assert here.standing("alice") == Standing("alice", limit=9, slots_held=6, waiting=0, condemned=1)


async def test_a_spawn_that_has_its_slot_does_not_wait_for_one(autojump_clock: MockClock) -> None:
    async with opened(4, sweep_period=NEVER) as (here, _), trio.open_nursery() as nursery:
        crowd = Crowd(here)
        [stuck] = await crowd.add("tab", 1, WedgedForever, at_work=True)
        stuck.stop()
        nursery.start_soon(crowd.get, "tab-0")  # it waits for the one before it, not for a slot
        nursery.start_soon(crowd.get, "starting", partial(SlowStart, 2.0))
        await trio.sleep(1)
        assert here.standing("alice") == Standing("alice", limit=4, slots_held=2, waiting=0, condemned=0)
        assert here.snapshot().users[0].waiting == 0


async def test_users_are_those_of_whom_somebody_is_here_in_the_order_they_came(
    autojump_clock: MockClock,
) -> None:
    async with opened(sweep_period=NEVER) as (here, _):
        for user in ("carol", "alice", "bob"):
            await Crowd(here, user).add("tab", 2)
        assert list(here.users) == ["carol", "alice", "bob"]
        await here.stop_user("carol")
        assert list(here.users) == ["alice", "bob"]
        await Crowd(here, "carol").add("tab", 1)
        assert list(here.users) == ["alice", "bob", "carol"]


async def test_own_limits_are_told_and_cannot_be_written(autojump_clock: MockClock) -> None:
    async with opened(5) as (here, _):
        assert here.own_limits == {}
        here.set_limit(3, user="alice")
        here.set_limit(7)
        assert here.own_limits == {"alice": 3}
        with pytest.raises(TypeError):
            here.own_limits["bob"] = 1  # type: ignore[index]


# Limits that are functions


async def test_a_limit_that_is_a_function_survives_new_settings(autojump_clock: MockClock) -> None:
    async def limit(user: str) -> int:
        await trio.sleep(0.1)
        return 1 if user == "alice" else 3

    async with opened(limit, sweep_period=NEVER) as (here, log):
        changes = here.configure(Settings(limit=9))
        assert "limit" not in {change.option for change in changes}
        assert here.limit is limit
        assert log.of(LimitChanged) == []
        for user, slots in (("alice", 1), ("bob", 3)):
            crowd = Crowd(here, user)
            await crowd.add("tab", slots)
            assert (await crowd.refused("one more")).limit == slots
