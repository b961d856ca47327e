"""Who is at a place: on every node the same, as people come and go, and as nodes die."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import trio

from supervisor.cluster import EngineRefused, Reply, Script
from supervisor.cluster._presence import Presence

from .followed import ROOM, SPEC, Cluster, Node, open_cluster
from .simulated import SimulatedWire

A_WHILE = 0.5


def place(cluster: Cluster, node: Node) -> Presence:
    here = Presence(node.engine, ROOM, node, SPEC)
    cluster.nursery.start_soon(here.run)
    return here


async def until(check: Callable[[], object], *, within: float) -> None:
    with trio.fail_after(within):
        while not check():
            await trio.sleep(0.01)


async def test_everybody_sees_who_comes_and_goes(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        here, there = (place(cluster, node) for node in cluster.nodes)
        here.enter("alice")
        there.enter("bob")
        assert (set(here.who), set(there.who)) == ({"alice"}, {"bob"}), "one's own are there at once"
        await until(lambda: set(here.who) == set(there.who) == {"alice", "bob"}, within=A_WHILE)
        here.leave("alice")
        await until(lambda: set(here.who) == set(there.who) == {"bob"}, within=A_WHILE)


async def test_who_is_there_by_two_nodes_leaves_with_the_last(autojump_clock: Any) -> None:
    async with open_cluster("a", "b", "c") as cluster:
        here, there, beside = (place(cluster, node) for node in cluster.nodes)
        here.enter("alice")
        await until(lambda: set(beside.who) == {"alice"}, within=A_WHILE)
        await trio.sleep(
            2 * SPEC.lease
        )  # every node has seen every other one, and nobody looks again by himself
        there.enter("alice")  # of which nobody is told: it changes nothing
        seen: list[frozenset[str]] = []

        async def watch(each: Presence) -> None:
            while True:
                seen.append(each.who)
                await each.wait_changed()

        async with trio.open_nursery() as nursery:
            for each in (here, there, beside):
                nursery.start_soon(watch, each)
            await trio.sleep(A_WHILE)
            here.leave("alice")
            assert set(here.who) == {"alice"}, "is she still there by another node?"
            await trio.sleep(A_WHILE)
            assert set(seen) == {frozenset({"alice"})}, "not even for a moment"
            there.leave("alice")
            await until(lambda: not (here.who | there.who | beside.who), within=A_WHILE)
            nursery.cancel_scope.cancel()


async def test_a_node_that_dies_takes_its_people_with_it(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        here, there = (place(cluster, node) for node in cluster.nodes)
        here.enter("alice")
        there.enter("bob")
        await until(lambda: set(here.who) == {"alice", "bob"}, within=A_WHILE)
        cluster.nodes[1].die()
        await until(lambda: set(here.who) == {"alice"}, within=SPEC.lease + SPEC.beat + A_WHILE)


async def test_a_place_that_is_not_run_any_more_is_left(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        here = place(cluster, cluster.nodes[0])
        there = Presence(cluster.nodes[1].engine, ROOM, cluster.nodes[1], SPEC)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(there.run)
            there.enter("bob")
            await until(lambda: set(here.who) == {"bob"}, within=A_WHILE)
            nursery.cancel_scope.cancel()
        await until(lambda: not set(here.who), within=A_WHILE)


async def test_who_left_while_his_coming_was_told_is_not_left_there(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        there = place(cluster, cluster.nodes[1])
        await trio.sleep(A_WHILE)
        cluster.nodes[0].wire.delays = (0.01, 0.01)
        here = Presence(cluster.nodes[0].engine, ROOM, cluster.nodes[0], SPEC)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.run)
            here.enter("bob")
            await trio.sleep(0.005)
            here.leave("bob")
            nursery.cancel_scope.cancel()
        await trio.sleep(A_WHILE)
        assert await cluster.nodes[1].engine.present(ROOM) == ()
        assert not there.who


async def test_a_farewell_is_said_until_it_is_answered(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        there = place(cluster, cluster.nodes[1])
        here = Presence(cluster.nodes[0].engine, ROOM, cluster.nodes[0], SPEC)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.run)
            here.enter("bob")
            await until(lambda: set(there.who) == {"bob"}, within=A_WHILE)
            session = cluster.nodes[0].session
            cluster.engine.stop()
            here.leave("bob")
            nursery.cancel_scope.cancel()
        cluster.nursery.start_soon(here.farewell)
        await trio.sleep(0.3)
        cluster.engine.start()
        await until(lambda: not there.who, within=A_WHILE)
        assert cluster.nodes[0].session == session


async def test_a_farewell_is_also_said_for_a_presence_before_that_could_not(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        there = place(cluster, cluster.nodes[1])
        first, second = (Presence(cluster.nodes[0].engine, ROOM, cluster.nodes[0], SPEC) for _ in range(2))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.run)
            first.enter("bob")
            await until(lambda: set(there.who) == {"bob"}, within=A_WHILE)
            cluster.engine.stop()
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(second.run)
            await trio.sleep(0.1)
            nursery.cancel_scope.cancel()
        cluster.engine.start()
        await second.farewell()
        await until(lambda: not there.who, within=A_WHILE)


async def test_a_farewell_ends_with_the_session(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        here = Presence(cluster.nodes[0].engine, ROOM, cluster.nodes[0], SPEC)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.run)
            here.enter("bob")
            await here.looked.wait()
            cluster.engine.stop()
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.farewell)
            await trio.sleep(2 * SPEC.lease)
            cluster.engine.start()
        assert await cluster.nodes[1].engine.present(ROOM) == ()


async def test_after_a_cut_everybody_is_there_again(autojump_clock: Any) -> None:
    """The session has expired meanwhile, and its people with it; the next one has them again."""
    async with open_cluster("a", "b") as cluster:
        here, there = (place(cluster, node) for node in cluster.nodes)
        there.enter("bob")
        await until(lambda: set(here.who) == {"bob"}, within=A_WHILE)
        cluster.nodes[1].wire.cut()
        await until(lambda: not set(here.who), within=SPEC.lease + SPEC.beat + A_WHILE)
        here.enter("alice")
        there.enter("carol")
        cluster.nodes[1].wire.mend()
        await until(lambda: set(here.who) == set(there.who) == {"alice", "bob", "carol"}, within=SPEC.lease)


async def test_an_engine_that_lost_everything_is_told_again(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        here, there = (place(cluster, node) for node in cluster.nodes)
        here.enter("alice")
        there.enter("bob")
        await until(lambda: set(here.who) == set(there.who) == {"alice", "bob"}, within=A_WHILE)
        cluster.engine.stop()
        cluster.engine.start(with_data=False)
        here.enter("carol")
        await trio.sleep(2 * SPEC.lease)
        assert set(here.who) == set(there.who) == {"alice", "bob", "carol"}


async def test_a_reply_that_is_lost_leaves_nobody_behind(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        here, there = (place(cluster, node) for node in cluster.nodes)
        await trio.sleep(A_WHILE)
        cluster.nodes[0].wire.replies_to_lose = 3
        here.enter("alice")
        here.enter("bob")
        await trio.sleep(0.001)
        here.leave("alice")
        await until(lambda: set(here.who) == set(there.who) == {"bob"}, within=SPEC.lease)


async def test_a_crowd_is_looked_at_a_few_times_not_once_a_head(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        here, there = (place(cluster, node) for node in cluster.nodes)
        await trio.sleep(A_WHILE)
        before = cluster.engine.executed
        crowd = [f"guest {number}" for number in range(200)]
        for who in crowd:
            here.enter(who)
        await until(lambda: set(there.who) == set(crowd), within=5)
        assert cluster.engine.executed - before < 2 * len(crowd)


async def test_a_refusal_loses_nobody(autojump_clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of memory, say, until an operator has mended it: whoever runs it runs it again."""
    run, refused = SimulatedWire.run, 0

    async def without_newcomers(
        wire: SimulatedWire, script: Script, keys: Sequence[str], args: Sequence[str | int]
    ) -> Reply:
        nonlocal refused
        if script.name == "enter":
            refused += 1
            raise EngineRefused("simulated", "OOM command not allowed")
        return await run(wire, script, keys, args)

    async def run_again_and_again(presence: Presence) -> None:
        while True:
            try:
                await presence.run()
            except* EngineRefused:
                pass
            await trio.sleep(1)

    seen: list[frozenset[str]] = []

    async def watch(each: Presence) -> None:
        while True:
            seen.append(each.who)
            await each.wait_changed()

    async with open_cluster("a", "b") as cluster:
        there = place(cluster, cluster.nodes[1])
        here = Presence(cluster.nodes[0].engine, ROOM, cluster.nodes[0], SPEC)
        cluster.nursery.start_soon(run_again_and_again, here)
        here.enter("bob")
        await until(lambda: set(there.who) == {"bob"}, within=A_WHILE)
        cluster.nursery.start_soon(watch, there)
        with monkeypatch.context() as while_it_lasts:
            while_it_lasts.setattr(SimulatedWire, "run", without_newcomers)
            here.enter("carol")
            await trio.sleep(10)
            assert set(here.who) == {"bob", "carol"}
        assert 1 < refused < 20
        await until(lambda: set(there.who) == set(here.who) == {"bob", "carol"}, within=2)
        assert seen == [{"bob"}, {"bob", "carol"}], "not even for a moment was anybody gone"
