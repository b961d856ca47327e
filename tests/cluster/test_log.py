"""Who follows a log is given every entry once, in order, whatever the network does meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from supervisor.cluster._chain import Rewritten, Truncated
from supervisor.cluster._errors import LeaseLost
from supervisor.cluster._log import PAGE, QUEUE, Log
from supervisor.cluster._spec import ClusterSpec

from .followed import ROOM, SPEC, open_cluster

A_WHILE = 2.0


async def test_two_nodes_hear_the_same_in_the_same_order(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        readers = [await cluster.reader(node) for node in cluster.nodes]
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(cluster.say, cluster.nodes[number % 2], f"{number}")
        await trio.sleep(A_WHILE)
        assert readers[0].payloads == readers[1].payloads
        assert sorted(readers[0].payloads) == sorted(cluster.acked)
        assert [entry.position for entry in readers[0].entries] == sorted(cluster.acked.values())
        assert readers[0].told == []


async def test_who_follows_from_now_on_hears_nothing_older(autojump_clock: Any) -> None:
    async with open_cluster("a") as cluster:
        await cluster.say(cluster.nodes[0], "before")
        reader = await cluster.reader(cluster.nodes[0], after=None)
        assert reader.position == cluster.acked["before"]
        await cluster.say(cluster.nodes[0], "after")
        await trio.sleep(A_WHILE)
        assert reader.payloads == ["after"]


async def test_what_is_said_twice_under_one_id_is_there_once(autojump_clock: Any) -> None:
    async with open_cluster("a") as cluster:
        (node,) = cluster.nodes
        reader = await cluster.reader(node)
        (first,) = await node.log().append([("id", "one")])
        (again,) = await node.log().append([("id", "two")])
        await trio.sleep(A_WHILE)
        assert (first.is_new, again.is_new, again.position) == (True, False, first.position)
        assert reader.payloads == ["one"]


async def test_a_reply_that_was_cut_is_asked_for_again(autojump_clock: Any) -> None:
    async with open_cluster("a") as cluster:
        reader = await cluster.reader(cluster.nodes[0])
        cluster.nodes[0].wire.replies_to_lose = 1
        await cluster.say(cluster.nodes[0], "one", "two")
        await trio.sleep(A_WHILE)
        assert reader.payloads == ["one", "two"]


async def test_what_was_said_during_a_cut_is_caught_up_with(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        here, there = cluster.nodes
        reader = await cluster.reader(here)
        await cluster.say(there, "before")
        here.wire.cut()
        for number in range(2 * PAGE + 1):
            await cluster.say(there, f"{number}")
        here.wire.mend()
        await cluster.say(there, "after")
        await trio.sleep(A_WHILE)
        assert reader.payloads == list(cluster.acked)
        assert reader.told == []


async def test_what_was_said_during_a_cut_is_heard_though_nobody_says_more(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        here, there = cluster.nodes
        reader = await cluster.reader(here)
        here.wire.cut()
        await cluster.say(there, "meanwhile")
        here.wire.mend()
        await trio.sleep(A_WHILE)
        assert reader.payloads == ["meanwhile"]


async def test_an_engine_that_is_away_is_waited_for(autojump_clock: Any) -> None:
    async with open_cluster("a") as cluster:
        (node,) = cluster.nodes
        cluster.engine.stop()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cluster.say, node, "said while it was away")
            with trio.move_on_after(10) as waiting:
                await cluster.reader(node)
            assert waiting.cancelled_caught
            cluster.engine.start()
            reader = await cluster.reader(node)
        await trio.sleep(A_WHILE)
        assert reader.payloads == ["said while it was away"]


async def test_who_is_slow_reads_what_did_not_fit(autojump_clock: Any) -> None:
    async with open_cluster("a") as cluster:
        (node,) = cluster.nodes
        async with node.log().follow(after=0) as follower:
            await cluster.say(node, "first")
            heard = [await follower.receive()]
            texts = [f"{number}" for number in range(3 * QUEUE)]
            await cluster.say(node, *texts)
            await trio.sleep(A_WHILE)
            heard += [await follower.receive() for _ in texts]
            assert node.wire.gaps == 1
            await cluster.say(node, "last")
            heard.append(await follower.receive())
        assert [getattr(news, "payload", news) for news in heard] == ["first", *texts, "last"]


async def test_whoever_begins_before_what_is_kept_is_told(autojump_clock: Any) -> None:
    async with open_cluster("a") as cluster:
        (node,) = cluster.nodes
        few = Log(node.engine, ROOM, node, ClusterSpec(lease=SPEC.lease, log_length=100))
        for batch in range(20):
            await few.append([(f"{batch}-{number}", f"{batch}-{number}") for number in range(50)])
        reader = await cluster.reader(node)
        await trio.sleep(A_WHILE)
        (told,) = reader.told
        assert isinstance(told, Truncated)
        assert (told.after, told.first) == (0, reader.entries[0].position)
        assert 100 <= len(reader.entries) < 1000
        assert reader.payloads[-1] == "19-49"


async def test_an_engine_that_lost_everything_is_followed_from_its_beginning(autojump_clock: Any) -> None:
    async with open_cluster("a") as cluster:
        (node,) = cluster.nodes
        reader = await cluster.reader(node)
        await cluster.say(node, "lost")
        await trio.sleep(A_WHILE)
        cluster.engine.stop()
        cluster.engine.start(with_data=False)
        await cluster.say(node, "new")
        await trio.sleep(A_WHILE)
        assert reader.told == [Rewritten(0)]
        assert (reader.given, reader.payloads) == (["lost", "new"], ["new"])


async def test_an_engine_that_lost_its_last_writes_is_followed_from_there(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        here, there = cluster.nodes
        reader = await cluster.reader(here)
        await cluster.say(there, "kept")
        kept = cluster.engine.snapshot()
        await cluster.say(there, "lost")
        await trio.sleep(A_WHILE)
        cluster.engine.rewind(kept)
        await cluster.say(there, "new")
        await trio.sleep(A_WHILE)
        assert reader.told == [Rewritten(cluster.acked["kept"])]
        assert (reader.given, reader.payloads) == (["kept", "lost", "new"], ["kept", "new"])


async def test_a_node_without_a_lease_appends_nothing(autojump_clock: Any) -> None:
    async with open_cluster("a", "b") as cluster:
        here, there = cluster.nodes
        reader = await cluster.reader(there)
        session = here.session
        await here.engine.close(session)
        with pytest.raises(LeaseLost, match="a-0"):
            await here.log().append([("id", "never")])
        await cluster.say(there, "and on it goes")
        await trio.sleep(A_WHILE)
        assert reader.payloads == ["and on it goes"]


async def test_a_cancelled_receive_loses_nothing(autojump_clock: Any) -> None:
    async with open_cluster("a") as cluster:
        (node,) = cluster.nodes
        heard: list[object] = []
        async with node.log().follow(after=0) as follower, trio.open_nursery() as nursery:

            async def hear() -> None:
                while len(heard) < 50:
                    with trio.move_on_after(0.001):
                        heard.append(await follower.receive())

            nursery.start_soon(hear)
            for number in range(50):
                await cluster.say(node, f"{number}")
        assert [getattr(news, "payload", news) for news in heard] == [f"{number}" for number in range(50)]


async def test_what_a_stranger_publishes_ends_nobody_who_follows(autojump_clock: Any) -> None:
    async with open_cluster("a") as cluster:
        (node,) = cluster.nodes
        reader = await cluster.reader(node)
        for junk in ("", "x", "1", "a b c", "1 2"):
            await node.wire.publish(node.engine.log_channel(ROOM), junk)
        await cluster.say(node, "one")
        await trio.sleep(A_WHILE)
        assert reader.payloads == ["one"]
