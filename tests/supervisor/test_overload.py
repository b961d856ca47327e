"""Overload: who gets what there is too little of: slots of the process, turns to start, time in a queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from supervisor import (
    ChildSpec,
    Health,
    HealthPolicy,
    LocalQuota,
    RefusalReason,
    Refused,
    Reserved,
    SpawnFailed,
    SpawnRefused,
    Started,
    Supervisor,
    Terminal,
)
from supervisor._admission import patience
from supervisor.checking import check_events
from supervisor.testing import Healthy, WedgedForever

from .harness import Crowd, answers, opened, settle

# The shares of a process


@given(
    st.integers(1, 40),
    st.sampled_from([0.1, 0.5, 0.8, 1.0, 2.0]),
    st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=200),
)
def test_a_user_who_has_less_than_his_share_gets_a_slot_as_long_as_there_is_one(
    limit: int, fair_from: float, script: Sequence[tuple[str, bool]]
) -> None:
    quota, held = LocalQuota(limit, fair_from), Counter[str]()
    names: dict[str, list[str]] = {user: [] for user in "abcde"}
    for number, (user, comes) in enumerate(script):
        if not comes:
            if names[user]:
                quota.release(user, names[user].pop())
                held[user] -= 1
            continue
        users = len({one for one, slots in held.items() if slots} | {user})
        share = max(1, limit // users)
        total = held.total()
        wanted = total < limit and (total < fair_from * limit or held[user] < share)
        assert quota.admit_nowait(user, f"{number}") == wanted
        if wanted:
            names[user].append(f"{number}")
            held[user] += 1
        assert len(quota) == held.total() <= limit


def test_a_slot_that_is_given_back_twice_counts_once() -> None:
    quota = LocalQuota(2, 0.5)
    assert quota.admit_nowait("alice", "1")
    quota.release("alice", "1")
    quota.release("alice", "1")
    assert len(quota) == 0
    assert quota.admit_nowait("alice", "2")


async def test_one_user_cannot_eat_the_process_and_is_told_his_share(autojump_clock: MockClock) -> None:
    async with opened(20, process_limit=10, fair_from=0.6) as (supervisor, log):
        greedy = Crowd(supervisor)
        bob = Crowd(supervisor, "bob")
        await bob.get("tab")
        await greedy.add("tab", 5)
        refusal = await greedy.refused("sixth")
        assert refusal.reason is RefusalReason.FAIR_SHARE
        assert (refusal.limit, refusal.live) == (5, 5)
        assert "your share is 5 sessions" in refusal.sentence
        assert refusal.stages, "nobody is refused before a cleanup"
        await bob.add("more", 4)
        carol = Crowd(supervisor, "carol")
        refusal = await carol.refused("tab")
        assert refusal.reason is RefusalReason.PROCESS_LIMIT
        assert check_events(log.all, spec=supervisor.spec, over=False) == ()


async def test_for_his_share_nobody_elses_client_that_may_come_back_is_ended(
    autojump_clock: MockClock,
) -> None:
    async with opened(20, process_limit=4, fair_from=0.5) as (supervisor, log):
        bob = Crowd(supervisor, "bob")
        await bob.add("tab", 1, lambda: Healthy(sockets=True), sockets=1)
        bob.sockets.close()
        await settle()
        alice = Crowd(supervisor)
        await alice.add("tab", 2)
        refusal = await alice.refused("third")
        assert refusal.reason is RefusalReason.FAIR_SHARE
        assert bob.held == 1
        assert check_events(log.all, spec=supervisor.spec, over=False) == ()


async def test_he_may_have_what_his_own_ghosts_held(autojump_clock: MockClock) -> None:
    async with opened(20, process_limit=4, fair_from=0.5) as (supervisor, log):
        await Crowd(supervisor, "bob").get("tab")
        alice = Crowd(supervisor)
        await alice.add("stuck", 2, WedgedForever, at_work=True)
        await trio.sleep(5.1)
        assert (await alice.get("new")).created
        assert check_events(log.all, spec=supervisor.spec, over=False) == ()


# Turns to start


class SlowStart(Healthy):
    async def on_start(self) -> None:
        await trio.sleep(1.0)


async def spawn_all(supervisor: Supervisor, user: str, number: int, refused: list[str]) -> None:
    async def spawn(key: str) -> None:
        try:
            await supervisor.get_or_spawn(user, key, ChildSpec(SlowStart))
        except SpawnRefused as error:
            refused.append(error.reason)

    async with trio.open_nursery() as nursery:
        for n in range(number):
            nursery.start_soon(spawn, f"{n}")
            await trio.lowlevel.checkpoint()


async def test_no_more_begin_at_once_than_allowed_and_users_take_turns(autojump_clock: MockClock) -> None:
    async with opened(20, concurrent_starts=2, start_wait=30.0) as (supervisor, log):
        refused: list[str] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(spawn_all, supervisor, "many", 12, refused)
            await trio.sleep(0.1)
            nursery.start_soon(spawn_all, supervisor, "few", 2, refused)
        started = log.of(Started)
        assert refused == []
        assert len(started) == 14
        times = Counter(round(event.stamp.at, 3) for event in started)
        assert set(times.values()) == {2}, "two a second"
        assert max(event.stamp.at for event in started if event.user == "few") <= 3.1
        assert check_events(log.all, spec=supervisor.spec, over=False) == ()


async def test_turns_go_round_all_users_that_wait(autojump_clock: MockClock) -> None:
    async with opened(20, concurrent_starts=1, start_wait=60.0) as (supervisor, log):
        async with trio.open_nursery() as nursery:
            for user in "abc":
                nursery.start_soon(spawn_all, supervisor, user, 3, list[str]())
                await trio.sleep(0.1)
        order = [event.user for event in log.of(Started)]
        assert sorted(order) == sorted("abc" * 3)
        assert all(set(order[turn : turn + 3]) == set("abc") for turn in range(1, 7, 3))


async def test_who_may_wait_longer_than_he_has_to_begin_is_refused_before_that(
    autojump_clock: MockClock,
) -> None:
    hasty = ChildSpec(SlowStart, health=HealthPolicy(start_grace=0.5))
    async with (
        opened(20, concurrent_starts=1, start_wait=30.0) as (supervisor, _),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(supervisor.get_or_spawn, "alice", "slow", ChildSpec(SlowStart))
        await trio.sleep(0.1)
        with pytest.raises(SpawnRefused) as refused:
            await supervisor.get_or_spawn("alice", "hasty", hasty)
        assert refused.value.reason == "overloaded"


async def test_whose_turn_does_not_come_is_refused_and_nobody_is_found_unresponsive(
    autojump_clock: MockClock,
) -> None:
    async with opened(20, concurrent_starts=1, start_wait=2.5) as (supervisor, log):
        refused: list[str] = []
        await spawn_all(supervisor, "alice", 10, refused)
        assert refused == ["overloaded"] * 7
        assert len(log.of(Started)) == 3
        words = {event.refusal.sentence.split(".")[0] for event in log.of(Refused)}
        assert all(word.startswith("The server is overloaded: ") for word in words)
        assert all(event.refusal.stages for event in log.of(Refused))
        await settle()
        assert (await supervisor.get_or_spawn("alice", "later", ChildSpec(SlowStart))).created
        assert check_events(log.all, spec=supervisor.spec, over=False) == ()


async def test_who_waits_for_his_turn_has_his_whole_grace_when_it_comes(autojump_clock: MockClock) -> None:
    async with opened(20, concurrent_starts=1, start_wait=30.0) as (supervisor, log):
        policy = HealthPolicy(start_grace=1.5)
        async with trio.open_nursery() as nursery:
            for key in "ab":
                nursery.start_soon(supervisor.get_or_spawn, "alice", key, ChildSpec(SlowStart, health=policy))
                await trio.lowlevel.checkpoint()
            await trio.sleep(0.5)
            holders = {holder.key: holder.verdict for holder in supervisor.explain("alice").holders}
            assert holders["b"].health is Health.STARTING
        assert len(log.of(Started)) == 2
        assert check_events(log.all, spec=supervisor.spec, over=False) == ()


@pytest.mark.parametrize("cancel_at", [0.0, 0.5, 1.0, 1.5])
async def test_who_gives_up_waiting_for_his_turn_holds_up_nobody(
    cancel_at: float, autojump_clock: MockClock
) -> None:
    async with opened(20, concurrent_starts=1, start_wait=30.0) as (supervisor, log):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.get_or_spawn, "alice", "first", ChildSpec(SlowStart))
            await trio.lowlevel.checkpoint()
            with trio.move_on_after(cancel_at):
                await supervisor.get_or_spawn("alice", "second", ChildSpec(SlowStart))
        await supervisor.get_or_spawn("alice", "third", ChildSpec(SlowStart))
        assert len(log.of(Reserved)) - len(log.of(Terminal)) in (2, 3)
        assert supervisor.lookup("alice", "third") is not None
        assert check_events(log.all, spec=supervisor.spec, over=False) == ()


async def test_one_that_hangs_in_its_start_gives_its_turn_up_with_its_grace(
    autojump_clock: MockClock,
) -> None:
    class Hangs(Healthy):
        async def on_start(self) -> None:
            await trio.sleep_forever()

    async def hang(supervisor: Supervisor) -> None:
        spec = ChildSpec(Hangs, health=HealthPolicy(start_grace=3.0))
        with pytest.raises(SpawnFailed, match="did not come to run"):
            await supervisor.get_or_spawn("alice", "hangs", spec)

    async with opened(20, concurrent_starts=1, start_wait=8.0) as (supervisor, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang, supervisor)
            await trio.lowlevel.checkpoint()
            obtained = await supervisor.get_or_spawn("bob", "tab", ChildSpec(Healthy))
        assert await answers(obtained.ref)


# Queues that stand


@pytest.mark.parametrize(("stood_for", "wanted"), [(0.0, 10.0), (9.9, 10.0), (10.0, 1.0), (100.0, 1.0)])
def test_where_a_queue_stands_waiting_is_short(stood_for: float, wanted: float) -> None:
    assert patience(10.0, 1.0, stood_for=stood_for) == wanted
    assert patience(10.0, None, stood_for=stood_for) == 10.0


async def test_a_burst_may_wait_and_a_standing_queue_is_refused_soon(autojump_clock: MockClock) -> None:
    waits: dict[str, float] = {}

    async def come(supervisor: Supervisor, key: str) -> None:
        began = trio.current_time()
        with pytest.raises(SpawnRefused):
            await supervisor.get_or_spawn("alice", key, ChildSpec(Healthy))
        waits[key] = trio.current_time() - began

    async with opened(1, slot_wait=10.0, standing_wait=1.0) as (supervisor, log):
        await Crowd(supervisor).get("tab")
        async with trio.open_nursery() as nursery:
            for number in range(60):  # two a second, for half a minute
                nursery.start_soon(come, supervisor, f"{number}")
                await trio.sleep(0.5)
        assert waits["0"] == pytest.approx(10.0, abs=0.2)
        assert max(waits[f"{number}"] for number in range(30, 60)) < 1.3, (
            "by then waiting longer helps nobody"
        )
        await trio.sleep(60)
        await come(supervisor, "after a pause")
        assert waits["after a pause"] == pytest.approx(10.0, abs=0.2)
        assert check_events(log.all, spec=supervisor.spec, over=False) == ()


async def test_a_standing_queue_is_served_in_order_of_arrival(autojump_clock: MockClock) -> None:
    async def come(supervisor: Supervisor, key: str) -> None:
        with suppress(SpawnRefused):
            await supervisor.get_or_spawn("alice", key, ChildSpec(Healthy))

    async with opened(1, slot_wait=5.0, standing_wait=2.0) as (supervisor, log):
        await Crowd(supervisor).get("00")
        async with trio.open_nursery() as nursery:
            for number in range(1, 20):
                nursery.start_soon(come, supervisor, f"{number:02}")
                await trio.sleep(0.4)
                if number in (14, 16):
                    supervisor.set_limit(number - 12, user="alice")
        order = [event.key for event in log.of(Reserved)]
        assert order == sorted(order)
        assert len(order) == 4
        assert check_events(log.all, spec=supervisor.spec, over=False) == ()
