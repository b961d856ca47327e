"""Several nodes on a simulated engine, in virtual time: the promise over all of them, case by case."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors import ActorRef, ExitReason, State
from supervisor import (
    ChildSpec,
    ChoreFailed,
    CleanedUp,
    ClusterUnavailable,
    GaveUp,
    Health,
    HealthPolicy,
    LeaseLost,
    LivesElsewhere,
    NodeJoined,
    Obtained,
    OwnersAsked,
    Reconciled,
    RefusalReason,
    Restart,
    RestartPolicy,
    SpawnFailed,
    SpawnRefused,
    Terminal,
    open_supervisor,
)
from supervisor._backend import Claim
from supervisor.cluster import (
    ClusterSpec,
    Engine,
    EngineDown,
    EngineUnknown,
    NotAnswered,
    OnLeaseLost,
    Reply,
    Script,
    open_cluster,
)
from supervisor.cluster import LeaseLost as NoLease
from supervisor.cluster._nodes import about
from supervisor.testing import Healthy, Shielded, Work
from tests.supervisor.harness import Crowd

from .simulated import SimulatedWire, open_simulated_engine
from .world import LEASE, RECONCILED, SLOW, World, open_world


async def fill(world: World, user: str = "alice", *, number: int = 3) -> None:
    """One manager on each node in turn, until so many are there."""
    for each in range(number):
        assert isinstance(await world.spawn(each % len(world.nodes), user, f"tab-{each}"), Obtained)


async def test_a_new_engine_admits_nobody_for_one_lease(autojump_clock: MockClock) -> None:
    async with open_world(1, warm=False) as world:
        refused = await world.spawn(0, "alice", "tab")
        assert isinstance(refused, ClusterUnavailable)
        assert 0 < refused.retry_after <= LEASE
        await trio.sleep(refused.retry_after)
        assert isinstance(await world.spawn(0, "alice", "tab"), Obtained)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 5, 20])
async def test_a_limit_holds_over_all_nodes(autojump_clock: MockClock, limit: int) -> None:
    async with open_world(3, limit=limit) as world:
        outcomes = [await world.spawn(number % 3, "alice", f"tab-{number}") for number in range(limit + 3)]
        assert sum(isinstance(each, Obtained) for each in outcomes) == world.acting.peak == limit
        for refused in outcomes[limit:]:
            assert isinstance(refused, SpawnRefused)
            assert (refused.live, len(refused.refusal.holders)) == (limit, limit)
        assert isinstance(await world.spawn(0, "bob", "tab"), Obtained if limit else SpawnRefused)


async def test_many_newcomers_at_once_get_just_the_slots_there_are(autojump_clock: MockClock) -> None:
    async with open_world(3) as world:
        got = list[object]()

        async def come(number: int) -> None:
            got.append(await world.spawn(number % 3, "alice", f"tab-{number}"))

        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(come, number)
        assert sum(isinstance(each, Obtained) for each in got) == world.acting.peak == 3
        assert len(await world.counted("alice")) == 3


async def test_a_refusal_names_each_holder_its_node_and_the_verdict_on_it(autojump_clock: MockClock) -> None:
    async with open_world(3) as world:
        await fill(world)
        refused = await world.spawn(0, "alice", "one more")
        assert isinstance(refused, SpawnRefused)
        assert refused.reason == RefusalReason.CLUSTER_LIMIT.value
        holders = {(h.key, h.node): h for h in refused.refusal.holders}
        assert set(holders) == {("tab-0", ""), ("tab-1", "n1"), ("tab-2", "n2")}
        assert {h.verdict.health for h in holders.values()} == {Health.HEALTHY}
        assert "n1" in str(refused)
        assert holders["tab-1", "n1"].kept
        [asked] = world.nodes[0].of(OwnersAsked)
        assert (asked.asked, asked.silent, asked.freed) == (("n1", "n2"), (), 0)
        cleaned = world.nodes[1].of(CleanedUp)
        assert cleaned, "the owner judged before anybody was refused"


async def test_one_that_hangs_on_another_node_makes_room(autojump_clock: MockClock) -> None:
    async with open_world(3) as world:
        await fill(world)
        await world.hang(1, "alice", "tab-1")
        await trio.sleep(1.5)
        assert isinstance(await world.spawn(0, "alice", "one more"), Obtained)
        [ended] = world.nodes[1].of(Terminal)
        assert ended.exit.reason is ExitReason.UNRESPONSIVE
        assert world.acting.peak == 3
        for number in (0, 2):
            assert world.nodes[number].supervisor.lookup("alice", f"tab-{number}") is not None


async def test_who_may_come_back_gives_way_on_whatever_node_longest_gone_first(
    autojump_clock: MockClock,
) -> None:
    async with open_world(3, limit=3) as world:
        refs, spec = dict[str, ActorRef[Any]](), ChildSpec(partial(Healthy, sockets=True))
        crowds = [Crowd(node.supervisor) for node in world.nodes]
        for crowd, key in zip(crowds, ("second", "first", "here"), strict=True):
            refs[key] = (await crowd.supervisor.get_or_spawn("alice", key, spec)).ref
        wires = {key: crowd.attach(ref) for crowd, (key, ref) in zip(crowds, refs.items(), strict=True)}
        for key in ("first", "second"):
            wires[key].abort()
            await trio.sleep(1.0)

        def ended() -> set[str]:
            return {key for key, ref in refs.items() if ref.state is State.ENDED}

        assert isinstance(await world.spawn(2, "alice", "new"), Obtained)
        assert ended() == {"first"}
        assert isinstance(await world.spawn(2, "alice", "newer"), Obtained)
        assert ended() == {"first", "second"}
        assert isinstance(await world.spawn(2, "alice", "newest"), SpawnRefused), (
            "the others have their clients"
        )
        assert await world.counted("alice") == world.held("alice")


async def test_a_key_lives_on_one_node_and_the_others_say_where(autojump_clock: MockClock) -> None:
    async with open_world(2) as world:
        first = await world.spawn(0, "alice", "tab")
        elsewhere = await world.spawn(1, "alice", "tab")
        assert isinstance(elsewhere, LivesElsewhere)
        assert (elsewhere.node, elsewhere.address) == ("n0", "wss://n0")
        again = await world.spawn(0, "alice", "tab")
        assert isinstance(first, Obtained)
        assert isinstance(again, Obtained)
        assert first.ref == again.ref
        assert await world.nodes[1].cluster.stop("alice", "tab", "it moves")
        assert isinstance(await world.spawn(1, "alice", "tab"), Obtained)
        assert not await world.nodes[1].cluster.stop("alice", "no such tab")


async def test_keys_are_exact_strings_over_all_nodes(autojump_clock: MockClock) -> None:
    names = ["a", "A", "a ", "a}:b", "{a}", "a\n", "ä", "a\0b", ""]
    async with open_world(2, limit=len(names)) as world:
        for number, name in enumerate(names):
            assert isinstance(await world.spawn(number % 2, "alice", name), Obtained), name
            assert isinstance(await world.spawn(number % 2, name, "tab"), Obtained), name
        assert {place.key for place in await world.nodes[0].cluster.places("alice")} == set(names)


async def test_a_node_that_is_cut_off_ends_its_managers_before_others_get_the_slots(
    autojump_clock: MockClock,
) -> None:
    async with open_world(3) as world:
        await fill(world)
        world.nodes[1].wire.cut()
        cut_at, freed_at = trio.current_time(), None
        while freed_at is None:
            if isinstance(await world.spawn(0, "alice", "one more"), Obtained):
                freed_at = trio.current_time()
            await trio.sleep(0.05)
        assert freed_at - cut_at <= LEASE + 0.5
        assert not world.acting.too_many
        [lost] = world.nodes[1].of(LeaseLost)
        [ended] = world.nodes[1].of(Terminal)
        assert (lost.managers, lost.kept, ended.exit.reason) == (1, False, ExitReason.FENCED)
        assert ended.stamp.at < freed_at


async def test_a_lease_counts_from_before_it_was_asked_for(autojump_clock: MockClock) -> None:
    async with open_world(2, limit=1) as world:
        await world.spawn(1, "alice", "tab")
        world.nodes[1].wire.delays = (0.01, 0.01)
        await trio.sleep(LEASE)
        world.nodes[1].wire.delays = SLOW  # the engine may have renewed it this long before we hear of it
        await trio.sleep(LEASE)
        assert world.nodes[1].cluster.membership.holds
        world.nodes[1].wire.cut()
        while not isinstance(await world.spawn(0, "alice", "one more"), Obtained):
            await trio.sleep(0.01)
        assert not world.acting.too_many


async def test_a_node_without_a_lease_admits_nobody_and_says_why(autojump_clock: MockClock) -> None:
    async with open_world(2) as world:
        world.nodes[0].wire.cut()
        await trio.sleep(LEASE)
        with pytest.raises(NoLease):
            world.nodes[0].cluster.check()
        outcome = await world.spawn(0, "alice", "tab")
        assert isinstance(outcome, ClusterUnavailable)
        assert "cut" in str(outcome)
        assert outcome.farewell[0] == 1013
        world.nodes[0].wire.mend()
        await trio.sleep(1.0)
        world.nodes[0].cluster.check()
        [joined] = world.nodes[0].of(NodeJoined)
        assert joined.warming == 0.0
        assert isinstance(await world.spawn(0, "alice", "tab"), Obtained)


async def test_a_short_trouble_of_the_engine_is_waited_out(autojump_clock: MockClock) -> None:
    async with open_world(1) as world:
        world.engine.stop()

        async def come_back() -> None:
            await trio.sleep(0.5)
            world.engine.start()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come_back)
            assert isinstance(await world.spawn(0, "alice", "tab"), Obtained)
        assert not world.nodes[0].of(LeaseLost)


async def test_who_is_kept_lives_on_without_a_lease_and_counts_again_later(autojump_clock: MockClock) -> None:
    async with open_world(2, limit=2, on_lease_lost=OnLeaseLost.KEEP) as world:
        await world.spawn(0, "alice", "tab-0")
        world.nodes[0].wire.cut()
        await trio.sleep(2 * LEASE)
        assert world.nodes[0].supervisor.lookup("alice", "tab-0") is not None
        assert isinstance(await world.spawn(0, "alice", "tab-1"), Obtained), (
            "without the engine, by its own table"
        )
        assert isinstance(await world.spawn(1, "alice", "tab-2"), Obtained), (
            "the price: one more than the limit"
        )
        [lost] = world.nodes[0].of(LeaseLost)
        assert (lost.kept, lost.managers) == (True, 1)
        await world.heal()
        assert await world.counted("alice") == world.held("alice")
        assert len(world.acting.now["alice"]) == 3
        assert isinstance(await world.spawn(1, "alice", "tab-3"), SpawnRefused)
        assert sum(event.added for event in world.nodes[0].of(Reconciled)) == 2


async def test_an_engine_that_lost_everything_lets_nobody_in_beside_those_who_still_run(
    autojump_clock: MockClock,
) -> None:
    async with open_world(3) as world:
        await fill(world)
        world.engine.wipe()
        wiped_at = trio.current_time()
        while not isinstance(await world.spawn(0, "alice", "one more"), Obtained):
            await trio.sleep(0.05)
            assert trio.current_time() < wiped_at + 3 * LEASE
        assert not world.acting.too_many


@pytest.mark.parametrize("seconds", [-60.0, -1.0])
async def test_a_clock_that_is_set_back_neither_frees_nor_holds_up_slots(
    autojump_clock: MockClock, seconds: float
) -> None:
    async with open_world(3) as world:
        await fill(world)
        world.engine.step_clock(seconds)
        await trio.sleep(3 * LEASE)
        assert not any(node.of(LeaseLost) for node in world.nodes)
        assert isinstance(await world.spawn(0, "alice", "one more"), SpawnRefused)
        world.nodes[1].wire.cut()
        await trio.sleep(LEASE)
        assert isinstance(await world.spawn(0, "alice", "one more"), Obtained)
        assert not world.acting.too_many


@pytest.mark.parametrize("seconds", [2.0, 60.0, 3600.0])
async def test_a_clock_that_jumps_ahead_lets_nobody_in_beside_those_who_still_run(
    autojump_clock: MockClock, seconds: float
) -> None:
    async with open_world(3) as world:
        await fill(world)
        world.engine.step_clock(seconds)
        until = trio.current_time() + LEASE
        while trio.current_time() < until:
            for number in range(3):
                await world.spawn(number, "alice", "one more")
            await trio.sleep(0.02)
        assert not world.acting.too_many
        assert not any(node.of(LeaseLost) for node in world.nodes)


async def test_what_a_failover_has_forgotten_is_put_right(autojump_clock: MockClock) -> None:
    async with open_world(3) as world:
        await world.spawn(0, "alice", "tab-0")
        before = world.engine.snapshot()
        await world.spawn(1, "alice", "tab-1")
        await world.nodes[0].supervisor.stop("alice", "tab-0")
        await trio.sleep(0.1)
        world.engine.rewind(before)
        await trio.sleep(2 * RECONCILED)
        assert await world.counted("alice") == world.held("alice")
        assert sum(event.added for event in world.nodes[1].of(Reconciled)) == 1
        assert sum(event.dropped for event in world.nodes[0].of(Reconciled)) == 1


async def test_what_a_failed_comparison_did_not_see_the_next_one_does(autojump_clock: MockClock) -> None:
    """Of a user of whom nobody is left on the node, and of whom it forgets when all seems well."""
    async with open_world(2) as world:
        engine = world.nodes[1].cluster.engine
        await world.spawn(0, "alice", "tab-0")
        [slot] = await engine.slots("alice")
        await world.nodes[0].supervisor.stop("alice", "tab-0")
        await trio.sleep(2 * RECONCILED - 1.2)
        world.nodes[0].wire.cut()
        await engine.admit("alice", attrs.evolve(slot, slot="orphan"), limit=3)
        await trio.sleep(2.4)
        world.nodes[0].wire.mend()
        await trio.sleep(2 * RECONCILED)
        assert await world.counted("alice") == set()
        assert not world.nodes[0].of(LeaseLost)


async def test_who_has_lost_his_slot_to_another_in_a_failover_ends(autojump_clock: MockClock) -> None:
    async with open_world(2, limit=1) as world:
        before = world.engine.snapshot()
        await world.spawn(0, "alice", "tab-0")
        world.engine.rewind(before)
        assert isinstance(await world.spawn(1, "alice", "tab-1"), Obtained), "the documented window"
        await trio.sleep(2 * RECONCILED)
        assert len(world.acting.now["alice"]) == 1
        [ended] = world.nodes[0].of(Terminal)
        assert ended.exit.reason is ExitReason.FENCED
        [told] = world.nodes[0].of(Reconciled)
        assert told.lost == ("tab-0",)


async def test_a_cancelled_spawn_leaves_no_orphan(autojump_clock: MockClock) -> None:
    async with open_world(2) as world:
        for number in range(200):
            with trio.move_on_after(number * 0.00005):
                await world.spawn(number % 2, "alice", f"tab-{number}")
            for key in [p.key for p in await world.nodes[0].cluster.places("alice")]:
                await world.nodes[0].cluster.stop("alice", key)
        await trio.sleep(0.2)
        assert await world.counted("alice") == set() == world.held("alice")
        assert not [event for node in world.nodes for event in node.of(Reconciled)]


async def test_owners_that_do_not_answer_hold_their_slots_and_the_refusal_says_so(
    autojump_clock: MockClock,
) -> None:
    async with open_world(2, limit=1) as world:
        await world.spawn(1, "alice", "tab")
        world.nodes[1].wire.deafen()
        refused = await world.spawn(0, "alice", "one more")
        assert isinstance(refused, SpawnRefused)
        [holder] = refused.refusal.holders
        assert (holder.node, holder.verdict.health) == ("n1", Health.UNKNOWN)
        assert "n1 does not answer" in holder.verdict.evidence
        [asked] = world.nodes[0].of(OwnersAsked)
        assert asked.silent == ("n1",)


async def test_who_may_wait_for_a_slot_gets_one_that_another_node_frees(autojump_clock: MockClock) -> None:
    async with open_world(2, limit=1, slot_wait=3.0) as world:
        await world.spawn(1, "alice", "tab")

        async def free() -> None:
            await trio.sleep(1.0)
            await world.nodes[1].supervisor.stop("alice", "tab")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(free)
            began = trio.current_time()
            assert isinstance(await world.spawn(0, "alice", "one more"), Obtained)
        assert 1.0 <= trio.current_time() - began < 1.5


async def test_questions_of_ones_own(autojump_clock: MockClock) -> None:
    async with open_world(2) as world:
        here, there = (node.cluster for node in world.nodes)

        async def double(text: str) -> str:
            return text * 2

        there.answer("double", double)
        with pytest.raises(ValueError, match="answered already"):
            there.answer("double", double)
        assert await here.ask(there.session, "double", "ab") == "abab"
        with pytest.raises(NotAnswered, match="does not know"):
            await here.ask(there.session, "triple", "ab")
        with pytest.raises(NotAnswered, match="nobody listens"):
            await here.ask("no such session", "double", "ab")


async def test_an_engine_that_is_not_there_is_told_before_anything_is_opened(
    autojump_clock: MockClock,
) -> None:
    async with open_simulated_engine() as engine:
        engine.stop()
        with pytest.raises(EngineDown, match="is it running"):
            async with open_cluster(engine.wire(), boottime=trio.current_time):
                raise AssertionError


async def test_a_reply_that_is_lost_while_a_node_starts_is_asked_for_again(autojump_clock: MockClock) -> None:
    async with open_world(1) as world:
        wire = world.engine.wire("other")
        wire.replies_to_lose = 1
        spec = ClusterSpec(name="other", lease=LEASE)
        async with open_cluster(wire, spec, boottime=trio.current_time) as cluster:
            assert [node.name for node in await cluster.nodes()] == ["n0"]


async def test_all_nodes_have_the_same_lease(autojump_clock: MockClock) -> None:
    async with open_simulated_engine() as engine:
        one = ClusterSpec(name="one", lease=4.0)
        async with (
            open_cluster(engine.wire(), one, boottime=trio.current_time) as cluster,
            open_supervisor(cluster=cluster),
        ):
            with pytest.raises(ValueError, match="one has 4 s, this one 8 s"):
                async with open_cluster(engine.wire(), ClusterSpec(lease=8.0), boottime=trio.current_time):
                    raise AssertionError


async def test_a_node_that_leaves_gives_its_slots_back_at_once(autojump_clock: MockClock) -> None:
    async with open_world(1, limit=1) as world:
        wire = world.engine.wire("other")
        spec = ClusterSpec(name="other", lease=LEASE)
        async with (
            open_cluster(wire, spec, boottime=trio.current_time) as cluster,
            open_supervisor(1, cluster=cluster),
        ):
            pass
        assert [node.name for node in await world.nodes[0].cluster.nodes()] == ["n0"]


async def test_who_is_to_begin_anew_does_so_when_its_node_has_a_lease_again(
    autojump_clock: MockClock,
) -> None:
    async with open_world(2) as world:
        restart = RestartPolicy(when=Restart.ALWAYS, backoff=0.1)
        await world.spawn(0, "alice", "service", restart=restart)
        world.nodes[0].wire.cut()
        await trio.sleep(5 * LEASE)
        assert not world.acting.now["alice"]
        world.nodes[0].wire.mend()
        await trio.sleep(LEASE)
        [again] = world.acting.now["alice"]
        assert again is not None
        assert await world.counted("alice") == world.held("alice")
        assert not world.nodes[0].of(GaveUp)


async def test_who_is_to_begin_anew_gives_up_its_key_to_another_node(autojump_clock: MockClock) -> None:
    async with open_world(2) as world:
        restart = RestartPolicy(when=Restart.ALWAYS, backoff=0.1)
        await world.spawn(0, "alice", "service", restart=restart)
        world.nodes[0].wire.cut()
        await trio.sleep(2 * LEASE)
        assert isinstance(await world.spawn(1, "alice", "service", restart=restart), Obtained)
        world.nodes[0].wire.mend()
        await trio.sleep(2 * LEASE)
        [gone] = world.nodes[0].of(GaveUp)
        assert gone.key == "service"
        assert world.nodes[1].supervisor.lookup("alice", "service") is not None
        assert world.acting.peak == 1


async def test_a_lease_that_was_never_renewed_ends_too(autojump_clock: MockClock) -> None:
    async with open_world(1) as world:
        wire = world.engine.wire("other")
        spec = ClusterSpec(name="other", lease=LEASE)
        async with (
            open_cluster(wire, spec, boottime=trio.current_time) as cluster,
            open_supervisor(3, cluster=cluster) as supervisor,
        ):
            obtained = await supervisor.get_or_spawn("alice", "tab", ChildSpec(Healthy))
            wire.black_hole()  # so that a call is under way when it is over
            await trio.sleep(LEASE - 0.1)
            assert obtained.ref.state is State.ENDED


async def test_a_machine_that_slept_ends_what_it_ran_and_the_check_says_no_at_once(
    autojump_clock: MockClock,
) -> None:
    slept = 0.0
    async with open_world(1) as world:
        wire = world.engine.wire("other")
        spec = ClusterSpec(name="other", lease=LEASE)
        async with (
            open_cluster(wire, spec, boottime=lambda: trio.current_time() + slept) as cluster,
            open_supervisor(3, cluster=cluster) as supervisor,
        ):
            obtained = await supervisor.get_or_spawn("alice", "tab", ChildSpec(Healthy))
            cluster.check()
            slept = LEASE
            with pytest.raises(NoLease):
                cluster.check()
            await trio.sleep(LEASE / 8)  # before the next beat, which would tell as well
            assert obtained.ref.state is State.ENDED


async def test_all_who_wait_for_an_engine_that_does_not_answer_hear_so_within_one_deadline(
    autojump_clock: MockClock,
) -> None:
    async with open_world(2, limit=20) as world:
        await world.spawn(0, "alice", "tab")
        world.nodes[0].wire.black_hole()
        began, took = trio.current_time(), list[float]()

        async def come(number: int) -> None:
            assert isinstance(await world.spawn(0, "alice", f"tab-{number}"), ClusterUnavailable)
            took.append(trio.current_time() - began)

        async with trio.open_nursery() as nursery:
            for number in range(16):
                nursery.start_soon(come, number)
        assert max(took) <= 2.1, "a deadline, and a call that was under way"


async def test_who_waited_for_the_engine_was_not_idle_meanwhile(autojump_clock: MockClock) -> None:
    async with open_world(1) as world:
        world.nodes[0].wire.cut()

        async def mend() -> None:
            await trio.sleep(0.7)
            world.nodes[0].wire.mend()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(mend)
            spec = ChildSpec(Healthy, health=HealthPolicy(idle_limit=0.5))
            obtained = await world.nodes[0].supervisor.get_or_spawn("alice", "tab", spec)
        report = await world.nodes[0].supervisor.cleanup("alice")
        assert not report.reaped
        assert obtained.ref.state is State.RUNNING


async def test_who_outlives_his_lease_is_told_so_though_his_node_has_another(
    autojump_clock: MockClock,
) -> None:
    async with open_world(1) as world:
        cluster, wire = world.nodes[0].cluster, world.nodes[0].wire
        session = cluster.session
        cluster.check(session)
        wire.cut()
        await trio.sleep(LEASE)
        wire.mend()
        await trio.sleep(1.0)
        cluster.check()
        with pytest.raises(NoLease):
            cluster.check(session)


async def test_after_an_engine_was_away_for_long_nobody_waits_for_leases_that_are_over(
    autojump_clock: MockClock,
) -> None:
    async with open_world(3) as world:
        await fill(world)
        world.engine.stop()
        await trio.sleep(2 * LEASE)
        assert not world.acting.now["alice"]
        world.engine.start()
        await trio.sleep(0.5)
        for number in range(3):
            assert isinstance(await world.spawn(number, "alice", f"tab-{number}"), Obtained)


async def test_a_slot_that_was_just_given_back_is_there_for_the_next(autojump_clock: MockClock) -> None:
    async with open_world(2, limit=1, high_water=2.0) as world:
        for number in range(20):
            assert isinstance(await world.spawn(0, "alice", f"tab-{number}"), Obtained)
            await world.nodes[0].supervisor.stop("alice", f"tab-{number}")
        assert not world.nodes[0].of(CleanedUp), "there was room each time"


async def test_a_name_that_no_engine_can_hold_fails_its_own_start_alone(autojump_clock: MockClock) -> None:
    async with open_world(1) as world:
        await world.spawn(0, "bob", "tab")
        for user, key in (("\ud800", "tab"), ("alice", "\ud800")):
            failed = await world.spawn(0, user, key)
            assert isinstance(failed, SpawnFailed)
            assert "must be text that UTF-8 can hold" in str(failed)
        await trio.sleep(3 * RECONCILED)
        assert len(world.acting.now["bob"]) == 1
        assert not world.nodes[0].of(ChoreFailed)


@pytest.mark.parametrize("cut_for", [0.05, 0.12, 0.35])
async def test_a_slot_that_was_given_back_while_cut_off_is_free_soon_after(
    autojump_clock: MockClock, cut_for: float
) -> None:
    async with open_world(2, limit=1) as world:
        here = world.nodes[0]
        for number in range(20):
            user = f"user-{number}"
            await trio.sleep(LEASE + 0.1 * number)
            assert isinstance(await world.spawn(0, user, "tab"), Obtained)
            here.wire.cut()
            await here.supervisor.stop(user, "tab")
            await trio.sleep(cut_for)
            here.wire.mend()
            await trio.sleep(0.4)
            assert isinstance(await world.spawn(1, user, "other"), Obtained)


@pytest.mark.parametrize("seed", range(8))
async def test_who_is_kept_is_not_ended_when_the_engine_is_back_though_a_call_is_lost(
    autojump_clock: MockClock, seed: int
) -> None:
    async with open_world(2, limit=3, seed=seed, on_lease_lost=OnLeaseLost.KEEP) as world:
        for number in range(3):
            await world.spawn(0, "alice", f"tab-{number}")
        world.engine.stop()
        await trio.sleep(LEASE * 2)
        world.nodes[0].wire.replies_to_lose = 1 + seed % 3
        world.engine.start()
        await world.heal()
        assert len(world.acting.now["alice"]) == 3
        assert await world.counted("alice") == world.held("alice")
        assert not world.nodes[0].of(Terminal)


async def test_all_nodes_may_have_another_lease_after_all_have_died(autojump_clock: MockClock) -> None:
    async with open_simulated_engine() as engine:
        steps = Engine(engine.wire(), "trouper")
        await steps.open("dead-1", 4.0, about("dead", "", 4.0))
        await trio.sleep(1000.0)
        began = trio.current_time()
        async with open_cluster(engine.wire(), ClusterSpec(lease=8.0), boottime=trio.current_time):
            assert trio.current_time() - began < 8.0


async def test_a_message_from_a_stranger_is_nobodys_end(autojump_clock: MockClock) -> None:
    async with open_world(2) as world:
        here, there = world.nodes
        channel = f"trouper:rpc:{there.cluster.session}"
        for junk in (
            "",
            "{",
            "[]",
            "{}",
            '{"op": 1}',
            '{"id": "1"}',
            '{"op": "x", "id": "1"}',
            "null",
            '"a"',
            "[" * 100_000,
            '{"id": "1", "op": "x", "from": "\\ud800", "text": ""}',
        ):
            await here.wire.publish(channel, junk)
        await trio.sleep(1.0)
        assert await here.cluster.holders("alice") == ()
        await world.spawn(1, "alice", "tab")
        assert await here.cluster.stop("alice", "tab")


async def test_whoever_asked_hears_of_an_answer_that_may_have_been_missed(
    autojump_clock: MockClock,
) -> None:
    async with open_world(2) as world:
        here, there = world.nodes

        async def slow(_: str) -> str:
            await trio.sleep(0.3)
            return "late"

        there.cluster.answer("slow", slow)

        async def cut() -> None:
            await trio.sleep(0.1)
            here.wire.cut()
            await trio.sleep(0.5)
            here.wire.mend()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cut)
            with pytest.raises(NotAnswered, match="missed"):
                await here.cluster.ask(there.cluster.session, "slow", "")


async def test_whoever_asked_hears_that_the_other_has_no_lease_any_more(
    autojump_clock: MockClock,
) -> None:
    async with open_world(2) as world:
        here, there = world.nodes

        async def never(_: str) -> str:
            await trio.sleep_forever()
            raise AssertionError

        there.cluster.answer("never", never)

        async def cut() -> None:
            await trio.sleep(0.1)
            there.wire.cut()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cut)
            with trio.fail_after(2 * LEASE), pytest.raises(NotAnswered, match="lease is over"):
                await here.cluster.ask(there.cluster.session, "never", "")


@pytest.mark.parametrize("somebody_ignores_it", [False, True])
async def test_who_ignores_the_end_of_a_lease_keeps_nobody_else_out(
    autojump_clock: MockClock,
    somebody_ignores_it: bool,  # as pytest gives it
) -> None:
    """Once the engine is back, all others of his node are let in there at once."""
    async with open_world(1) as world:
        node = world.nodes[0]
        for number in range(3):
            assert isinstance(await world.spawn(0, "alice", f"tab-{number}"), Obtained)
        if somebody_ignores_it:
            spec = ChildSpec(partial(Shielded, seconds=10 * LEASE), health=HealthPolicy(budget=1e6))
            (await node.supervisor.get_or_spawn("bob", "tab", spec)).ref.tell_nowait(Work())
        await trio.sleep(1.0)
        world.engine.stop()
        await trio.sleep(1.5 * LEASE)
        world.engine.start()
        while not node.of(NodeJoined):
            await trio.sleep(0.01)
        await trio.sleep(0.1)  # the old lease is given back
        assert isinstance(await world.spawn(0, "alice", "tab-0"), Obtained)
        assert isinstance(await world.spawn(0, "alice", "another"), Obtained)
        again = await world.spawn(0, "bob", "tab")
        assert isinstance(again, Obtained), "nor himself"
        assert again.created


async def test_a_slot_that_nobody_holds_refuses_nobody(autojump_clock: MockClock) -> None:
    """An admission came so late that its node had given up on it."""
    async with open_world(2, limit=1) as world:
        late = world.nodes[1].wire
        late.delays = (2.0, 2.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.spawn, 1, "alice", "first")
            await trio.sleep(0.01)
            late.delays = (0.001, 0.001)
            await trio.sleep(0.5)
            late.cut()
            await trio.sleep(1.2)
            late.mend()
        await trio.sleep(0.6)
        assert await world.counted("alice"), "it is counted"
        assert not world.held("alice"), "and nobody holds it"
        assert isinstance(await world.spawn(0, "alice", "second"), Obtained)


async def test_a_slot_of_ones_own_that_nobody_holds_refuses_nobody(autojump_clock: MockClock) -> None:
    async with open_world(1, limit=1) as world:
        await world.spawn(0, "alice", "first")
        engine = world.nodes[0].cluster.engine
        [slot] = await engine.slots("alice")
        await world.nodes[0].supervisor.stop("alice", "first")
        await trio.sleep(0.1)
        await engine.admit("alice", attrs.evolve(slot, slot="orphan", key="of nobody"), limit=1)
        assert await world.counted("alice"), "it is counted"
        assert isinstance(await world.spawn(0, "alice", "second"), Obtained)


async def test_on_new_data_an_admission_takes_no_longer_than_its_deadline(autojump_clock: MockClock) -> None:
    """The lease is over there, and here it is not known before the next beat."""
    async with (
        open_simulated_engine() as engine,
        open_cluster(engine.wire(), ClusterSpec(lease=60.0), boottime=trio.current_time) as cluster,
        open_supervisor(3, cluster=cluster) as supervisor,
    ):
        await trio.sleep(61.0)
        engine.wipe()
        began = trio.current_time()
        with pytest.raises(ClusterUnavailable, match="counts this node as dead"):
            await supervisor.get_or_spawn("alice", "tab", ChildSpec(Healthy))
        assert trio.current_time() - began < 60.0 / 8


@pytest.mark.parametrize("seed", range(8))
async def test_a_node_that_was_started_anew_under_its_name_is_asked_to_give_way(
    autojump_clock: MockClock, seed: int
) -> None:
    """The lease of the one before it may not be over yet."""
    async with open_world(2, limit=1, seed=seed) as world:
        ghost = Engine(world.engine.wire("ghost"), "trouper")
        await ghost.open(f"n1-{seed}", LEASE, about("n1", "", LEASE))
        await ghost.open(f"n1-{16 - seed:x}", LEASE, about("n1", "", LEASE))
        crowd = Crowd(world.nodes[1].supervisor)
        spec = ChildSpec(partial(Healthy, sockets=True))
        ref = (await crowd.supervisor.get_or_spawn("alice", "gone", spec)).ref
        crowd.attach(ref).abort()
        await trio.sleep(0.5)
        assert isinstance(await world.spawn(0, "alice", "new"), Obtained)


async def test_what_is_given_back_is_told_with_the_next_admission(autojump_clock: MockClock) -> None:
    """And not lost, where that comes first."""
    async with open_world(1) as world:
        await world.spawn(0, "alice", "tab")
        cluster = world.nodes[0].cluster
        first, second = (Claim("alice", f"key-{name}", f"slot-{name}", 3) for name in ("one", "two"))
        await cluster.admit(first)
        cluster.release("alice", first.slot)
        await cluster.admit(second)  # it has the user's turn before anybody else runs
        assert {slot for _, slot in await world.counted("alice")} >= {second.slot}
        assert first.slot not in {slot for _, slot in await world.counted("alice")}


async def test_a_comparison_that_comes_late_drops_nobody_who_was_let_in_since(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is executed after its node has given up on it."""
    async with open_world(1) as world:
        await world.spawn(0, "alice", "tab-0")
        late: list[tuple[Any, ...]] = []
        run = SimulatedWire.run

        async def hold_one_up(wire: SimulatedWire, script: Script, *words: Any) -> Reply:
            if script.name == "reconcile" and not late:
                late.append((script, *words))
                raise EngineUnknown(wire.address, "no answer in time")
            return await run(wire, script, *words)

        monkeypatch.setattr(SimulatedWire, "run", hold_one_up)
        while not late:
            await trio.sleep(0.1)
        await world.spawn(0, "alice", "tab-1")
        world.engine.execute(*late[0])
        assert await world.counted("alice") == world.held("alice")


async def test_at_the_limit_of_the_cluster_the_stuck_of_ones_own_node_go_first(
    autojump_clock: MockClock,
) -> None:
    async with open_world(2, limit=5) as world:  # so few are here that nobody looks before
        await world.spawn(0, "alice", "stuck")
        for number in range(4):
            await world.spawn(1, "alice", f"well-{number}")
        await world.hang(0, "alice", "stuck")
        await trio.sleep(1.5)
        assert isinstance(await world.spawn(0, "alice", "new"), Obtained)
        assert not world.nodes[1].of(Terminal)


async def test_nobody_takes_a_step_after_the_lease_has_ended(mock_clock: MockClock) -> None:
    """Trio cancels it with the deadline: nothing of ours has to run first."""
    steps: list[float] = []

    class Restless(Healthy):
        async def on_start(self) -> None:
            self.start_soon(self.step_for_ever)

        async def step_for_ever(self) -> None:
            while True:
                await trio.lowlevel.checkpoint()
                steps.append(trio.current_time())

    mock_clock.autojump_threshold = 0
    async with open_world(1) as world:
        await world.nodes[0].supervisor.get_or_spawn("alice", "tab", ChildSpec(Restless))
        while not steps:
            await trio.lowlevel.checkpoint()
        world.nodes[0].wire.cut()
        mock_clock.jump(2 * LEASE)
        ended = trio.current_time()
        while not world.nodes[0].of(LeaseLost):
            await trio.lowlevel.checkpoint()
        assert steps.count(ended) <= 1, "at most the one that was under way"
