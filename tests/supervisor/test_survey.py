"""A survey: everybody counted as `explain` would, and the worst by name."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from supervisor import (
    Health,
    Standing,
    Survey,
)
from supervisor._survey import MOST_NAMED, MOST_OF_ONE, Largest
from supervisor.testing import (
    Healthy,
    Shielded,
    SlowButAlive,
    SlowStart,
    WedgedForever,
    Work,
)

from .harness import BUDGET, Crowd, dice, opened
from .surveying import NEVER, explained, recount


async def condemn(crowd: Crowd, *names: str) -> None:
    """One after the other, a second apart."""
    for name in names:
        await crowd.add(name, 1, Shielded, at_work=True)
        await trio.sleep(BUDGET + 1)
        await crowd.supervisor.cleanup(crowd.user)


async def test_every_kind_of_health_is_counted_as_explain_counts_it(autojump_clock: MockClock) -> None:
    async with opened(30, sweep_period=NEVER) as (here, _), trio.open_nursery() as nursery:
        with ExitStack() as sockets:
            alice, bob = Crowd(here, "alice", sockets), Crowd(here, "bob", sockets)
            await condemn(alice, "shielded", "another")
            await alice.add("stuck", 3, WedgedForever, at_work=True)
            await trio.sleep(BUDGET + 1)
            await bob.add("healthy", 4, partial(Healthy, sockets=True), sockets=2)
            [gone] = await bob.add("gone", 1, partial(Healthy, sockets=True))
            with ExitStack() as briefly:
                Crowd(here, "bob", briefly).attach(gone)
            await bob.add("busy", 2, partial(SlowButAlive, 0.9), at_work=True)
            await bob.add("newborn", 1, partial(Healthy, sockets=True))
            [stopping] = await alice.add("stopping", 1, WedgedForever, at_work=True)
            stopping.stop()
            nursery.start_soon(bob.get, "starting", partial(SlowStart, 8))
            await trio.sleep(0.1)
            found = await here.survey()
            assert dict(found.health) == recount(explained(here))
            assert set(found.health) == {
                Health.CONDEMNED,
                Health.UNRESPONSIVE,
                Health.HEALTHY,
                Health.DISCONNECTED,
                Health.BUSY,
                Health.STARTING,
                Health.STOPPING,
            }
            assert (found.users, found.managers) == (2, 13)
            assert found.managers == here.counts().managers


async def test_of_nobody_there_is_an_empty_survey(autojump_clock: MockClock) -> None:
    async with opened() as (here, _):
        began = trio.current_time()
        found = await here.survey()
        assert found == Survey(began, 0.0, 0, 0, {}, (), (), (), ())


async def test_the_stuck_are_named_with_their_line_the_longest_stuck_first(autojump_clock: MockClock) -> None:
    async with opened(sweep_period=NEVER) as (here, _):
        for user in ("carol", "alice", "bob"):
            await Crowd(here, user).add("stuck", 1, WedgedForever, at_work=True)
            await Crowd(here, user).add("healthy", 1)
            await trio.sleep(1)
        await trio.sleep(BUDGET)
        found = await here.survey()
        assert [user for user, _ in found.stuck] == ["carol", "alice", "bob"]
        for user, holder in found.stuck:
            assert holder.key == "stuck-0"
            assert holder.where.endswith("in WedgedForever.work")
            assert holder.stack[-1] == holder.where
            assert len(holder.stack) > 3
            assert holder.cause == "", "it was not cancelled"
            [same] = [each for each in here.explain(user).holders if each.key == "stuck-0"]
            assert (holder.where, holder.stack, holder.since) == (same.where, same.stack, same.since)


async def test_the_condemned_are_named_with_their_cause_the_oldest_first(autojump_clock: MockClock) -> None:
    async with opened(sweep_period=NEVER) as (here, _):
        for user in ("carol", "alice"):
            await condemn(Crowd(here, user), "first", "second")
        found = await here.survey()
        assert [(user, holder.key) for user, holder in found.condemned] == [
            ("carol", "first-0"),
            ("carol", "second-0"),
            ("alice", "first-0"),
            ("alice", "second-0"),
        ]
        for _, holder in found.condemned:
            assert holder.cause.startswith("shielded at ")
            assert holder.where.endswith("in Shielded.work")
        assert (found.managers, found.health[Health.CONDEMNED]) == (0, 4)


async def test_of_many_stuck_those_are_named_that_are_stuck_the_longest(autojump_clock: MockClock) -> None:
    async with opened(sweep_period=NEVER) as (here, _):
        young = [f"young {number}" for number in range(MOST_NAMED)]
        for user in young:
            await Crowd(here, user).add("stuck", 1, WedgedForever)
        await Crowd(here, "old").add("stuck", 7, WedgedForever, at_work=True)
        await trio.sleep(1)
        for user in young:
            ref = here.lookup(user, "stuck-0")
            assert ref is not None
            await ref.tell(Work())
        await trio.sleep(BUDGET + 1)
        found = await here.survey()
        assert found.health == {Health.UNRESPONSIVE: MOST_NAMED + 7}
        assert [user for user, _ in found.stuck] == ["old"] * 7 + young[: MOST_NAMED - 7]
        assert (len(found.stuck_users), found.stuck_users[0][1]) == (MOST_NAMED, 7)


async def test_one_user_with_many_stuck_hides_nobody(autojump_clock: MockClock) -> None:
    async with opened(MOST_NAMED + 20, sweep_period=NEVER) as (here, _):
        await Crowd(here, "many").add("stuck", MOST_NAMED + 10, WedgedForever, at_work=True)
        await Crowd(here, "one").add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 1)
        found = await here.survey()
        assert [user for user, _ in found.stuck] == ["many"] * MOST_OF_ONE + ["one"]
        assert found.health == {Health.UNRESPONSIVE: MOST_NAMED + 11}
        assert [stuck for _, stuck in found.stuck_users] == [MOST_NAMED + 10, 1]


async def test_the_fullest_and_those_with_the_most_stuck_come_first(autojump_clock: MockClock) -> None:
    async with opened(20, sweep_period=NEVER) as (here, _):
        held = {"a": (5, 0), "b": (1, 3), "c": (8, 1), "d": (2, 3), "e": (0, 5)}
        for user, (healthy, stuck) in held.items():
            await Crowd(here, user).add("healthy", healthy)
            await Crowd(here, user).add("stuck", stuck, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 1)
        found = await here.survey()
        assert [(each.user, each.slots_held) for each in found.fullest] == [
            ("c", 9),
            ("a", 5),
            ("d", 5),
            ("e", 5),
            ("b", 4),
        ]
        stuck_users = [(each.user, stuck) for each, stuck in found.stuck_users]
        assert stuck_users == [("e", 5), ("b", 3), ("d", 3), ("c", 1)]
        assert all(each == here.standing(each.user) for each in found.fullest)
        assert found.fullest[0] == Standing("c", limit=20, slots_held=9, waiting=0, condemned=0)


async def test_no_list_names_more_than_a_hundred(autojump_clock: MockClock) -> None:
    async with opened(sweep_period=NEVER) as (here, _):
        for number in range(MOST_NAMED + 5):
            await Crowd(here, f"user-{number}").add("tab", 1 + number % 3)
        found = await here.survey()
        assert (found.users, len(found.fullest)) == (MOST_NAMED + 5, MOST_NAMED)
        assert [each.slots_held for each in found.fullest] == [3] * 35 + [2] * 35 + [1] * 30
        assert [each.user for each in found.fullest[:3]] == ["user-2", "user-5", "user-8"]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 400), st.integers(1, 50))
def test_the_largest_are_kept_and_of_equal_ones_the_first(seed: int, length: int, kinds: int) -> None:
    roll, largest, made = dice(seed), Largest[int](), 0
    sizes = [roll.randrange(kinds) for _ in range(length)]
    if seed % 3 == 0:
        sizes.sort(reverse=True)

    def make(number: int) -> int:
        nonlocal made
        made += 1
        return number

    for number, size in enumerate(sizes):
        largest.offer(size, partial(make, number))
    naive = sorted(range(len(sizes)), key=lambda number: (-sizes[number], number))[:MOST_NAMED]
    assert list(largest.ranked()) == naive
    assert made <= len(sizes)
    if sizes and sizes == sorted(sizes, reverse=True):
        assert made == len(naive), "what is not kept is not made"


async def test_some_users_can_be_looked_at_alone(autojump_clock: MockClock) -> None:
    async with opened(sweep_period=NEVER) as (here, _):
        for user in ("alice", "bob", "carol"):
            await Crowd(here, user).add("tab", 2)
        found = await here.survey(users=["bob", "nobody"])
        assert (found.users, found.managers) == (1, 2)
        assert [standing.user for standing in found.fullest] == ["bob"]
        assert (await here.survey(users=())).users == 0
