"""What can happen between a wire and a real engine, and what a caller is told of it."""

from __future__ import annotations

import time

import pytest
import trio

from supervisor.cluster._errors import EngineDown, EngineRefused, EngineUnknown
from supervisor.cluster._redis import open_redis
from supervisor.cluster._wire import GAP, Standing, Wire

from .kit import COUNT, ECHO, SLACK, eventually, open_behind, persist, wait_up
from .proxy import open_proxy
from .redis_server import open_server

TIMEOUT = 0.5


async def slowest(wire: Wire, seconds: float) -> float:
    """How long the longest of some calls took, one after the other; none of them may be answered."""
    longest, end = 0.0, trio.current_time() + seconds
    while trio.current_time() < end:
        began = trio.current_time()
        with pytest.raises((EngineDown, EngineUnknown)):
            await wire.run(COUNT, ["n"], [1])
        longest = max(longest, trio.current_time() - began)
        await trio.sleep(0.01)
    return longest


async def test_an_answer_that_is_cut_off_is_unknown_and_nothing_is_tried_twice() -> None:
    async with open_behind() as behind:
        for turn in range(1, 9):
            await wait_up(behind.wire)
            behind.proxy.cut_answer_to(b"EVALSHA" if turn > 1 else b"INCRBY")
            with pytest.raises(EngineUnknown, match="did not answer"):
                await behind.wire.run(COUNT, ["n"], [1])
            assert await behind.server.command("GET", "n") == str(turn), "once, and not again"
        assert behind.proxy.cuts == 8
        assert behind.wire.statistics().failures == 8


async def test_all_who_wait_are_told_at_once_when_the_engine_dies() -> None:
    told: list[float] = []

    async def ask(wire: Wire) -> None:
        with pytest.raises(EngineUnknown):
            await wire.run(ECHO, ["k"], ["x"])
        told.append(trio.current_time())

    async with open_behind(call_timeout=30) as behind:
        await behind.wire.run(ECHO, ["k"], ["x"])
        behind.server.sigstop()
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(ask, behind.wire)
            await trio.sleep(0.05)
            assert not told
            died = trio.current_time()
            await behind.server.kill9()
        assert max(told) - died < SLACK


async def test_it_is_back_soon_after_the_engine_is() -> None:
    async with open_server() as server, open_redis(server.url) as wire, wire.subscribe("c") as subscription:
        for turn in range(10):
            await server.restart()
            assert await persist(wire.run, ECHO, ["k"], [turn]) == [str(turn), "k"]
            with trio.fail_after(30):
                assert await subscription.receive() is GAP
        assert wire.statistics().standing is Standing.UP


async def test_no_call_on_a_frozen_engine_outlasts_its_timeout() -> None:
    async with open_server() as server, open_redis(server.url, call_timeout=TIMEOUT) as wire:
        await wire.run(COUNT, ["n"], [1])
        server.sigstop()
        assert await slowest(wire, 3) < TIMEOUT + SLACK
        assert wire.statistics().standing is Standing.UNKNOWN
        assert wire.statistics().why == "no answer in time"
        server.sigcont()
        await wait_up(wire)
        assert isinstance(await wire.run(COUNT, ["n"], [1]), int)


async def test_where_this_process_stood_still_the_answer_is_still_taken() -> None:
    async with open_server() as server, open_redis(server.url, call_timeout=TIMEOUT) as wire:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(wire.run, ECHO, ["k"], ["x"])
            for _ in range(2):
                await trio.lowlevel.checkpoint()
            time.sleep(3 * TIMEOUT)  # noqa: ASYNC251  # that is what it is about
        await wire.run(ECHO, ["k"], ["x"])
        assert (wire.statistics().failures, wire.statistics().connects) == (0, 1)


async def test_a_black_hole_is_seen_even_when_nobody_asks() -> None:
    async with open_behind(call_timeout=TIMEOUT) as behind, behind.wire.subscribe("c") as subscription:
        behind.proxy.swallow()
        await eventually(lambda: behind.wire.statistics().standing is Standing.UNKNOWN)
        with pytest.raises(EngineDown):
            await behind.wire.publish("c", "lost")
        behind.proxy.cut()  # as a network that forgot them would
        behind.proxy.let_pass()
        await wait_up(behind.wire)
        assert await persist(behind.wire.publish, "c", "x") <= 1
        with trio.fail_after(30):
            assert await subscription.receive() is GAP


async def test_the_channels_line_alone_may_go_and_comes_back() -> None:
    async with open_behind() as behind, behind.wire.subscribe("c") as subscription:
        await behind.server.command("CLIENT", "KILL", "TYPE", "pubsub")
        with trio.fail_after(30):
            assert await subscription.receive() is GAP
        assert await behind.wire.publish("c", "x") == 1
        assert await subscription.receive() == "x"
        assert behind.wire.statistics().connects == 1


async def test_a_slow_network_is_no_cut() -> None:
    async with open_behind() as behind:
        behind.proxy.delay = 0.02
        for number in range(5):
            assert await behind.wire.run(ECHO, ["k"], [number]) == [str(number), "k"]
        statistics = behind.wire.statistics()
        assert statistics.connects == 1
        assert statistics.round_trip is not None
        assert statistics.round_trip >= 0.04


async def test_while_it_connects_a_call_waits_for_it() -> None:
    async with open_behind(call_timeout=20) as behind:
        await trio.sleep(1.1)  # a connection that held for a second is made anew at once
        behind.proxy.delay = 0.05
        behind.proxy.cut()
        await eventually(lambda: behind.wire.statistics().standing is Standing.DOWN)
        assert await behind.wire.run(ECHO, ["k"], ["x"]) == ["x", "k"]
        assert behind.wire.statistics().failures == 0


async def test_a_primary_that_became_a_replica_is_left() -> None:
    async with open_behind() as behind, open_server() as other:
        await behind.wire.run(COUNT, ["n"], [1])
        await behind.server.command("REPLICAOF", "127.0.0.1", other.port)
        with pytest.raises(EngineDown, match="read only replica"):
            await behind.wire.run(COUNT, ["n"], [1])
        await behind.server.command("REPLICAOF", "NO", "ONE")
        await persist(behind.wire.run, COUNT, ["n"], [1])
        assert behind.wire.statistics().connects >= 2


async def test_a_primary_without_its_replicas_does_nothing_and_says_so() -> None:
    async with open_server() as server, open_redis(server.url) as wire:
        await server.command("CONFIG", "SET", "min-replicas-to-write", "1")
        with pytest.raises(EngineDown, match="replicas"):
            await wire.run(COUNT, ["n"], [1])
        await server.command("CONFIG", "SET", "min-replicas-to-write", "0")
        assert await persist(wire.run, COUNT, ["n"], [1]) == 1


async def test_an_engine_that_is_too_old_is_refused() -> None:
    async with open_server() as server, open_proxy(server.port) as proxy:
        facts = str(await server.command("INFO", "server"))
        number = facts.split("redis_version:")[1].split("\r\n", maxsplit=1)[0]
        proxy.changes[number.encode()] = b"6" + number[1:].encode()
        with pytest.raises(
            EngineRefused, match=r"refuses: its version is 6\.\S+; 7 is the first that will do"
        ):
            async with open_redis(proxy.url):
                pytest.fail("entered")
        proxy.changes.clear()
        async with open_redis(proxy.url) as wire:
            proxy.changes[number.encode()] = b"6" + number[1:].encode()
            proxy.cut()
            await eventually(lambda: "its version is 6" in wire.statistics().why)
            with pytest.raises(EngineRefused, match="its version is 6"):
                await persist(wire.run, COUNT, ["n"], [1])


async def test_a_redis_cluster_is_refused() -> None:
    async with open_server("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf") as server:
        with pytest.raises(EngineRefused, match="it is a Redis Cluster; take one primary"):
            async with open_redis(server.url):
                pytest.fail("entered")


async def test_an_engine_that_does_not_tell_what_it_is_is_taken() -> None:
    async with open_server() as server:
        await server.command("ACL", "SETUSER", "silent", "on", "nopass", "~*", "&*", "+@all", "-info")
        async with open_redis(server.url.replace("//", "//silent:x@")) as wire:
            assert await wire.run(COUNT, ["n"], [1]) == 1


async def test_an_engine_that_wants_a_password_says_so() -> None:
    async with open_server("--requirepass", "secret") as server:
        with pytest.raises(EngineRefused, match="it wants a password"):
            async with open_redis(server.url):
                pytest.fail("entered")


async def test_an_engine_that_is_loading_is_not_up() -> None:
    async with open_server("--rdbcompression", "no") as server:
        for number in range(200):
            await server.command("SET", f"k{number}", "x" * 1000)
        await server.command("SAVE")
        await server.kill9()
        async with open_redis(server.url) as wire:
            server.arguments = (
                *server.arguments,
                "--key-load-delay",
                "10000",
                "--loading-process-events-interval-bytes",
                "1024",
            )
            server.launch()
            await eventually(lambda: "loading" in wire.statistics().why)
            assert wire.statistics().connects == 0, "it was let in, and that is not enough"
            with pytest.raises(EngineDown):
                await wire.run(COUNT, ["n"], [1])
            assert wire.statistics().standing is Standing.DOWN


async def test_connections_are_refused_and_then_no_more() -> None:
    async with open_behind() as behind:
        behind.proxy.refuses = True
        behind.proxy.cut()
        await eventually(lambda: behind.wire.statistics().standing is Standing.DOWN)
        await trio.sleep(0.3)
        with pytest.raises(EngineDown):
            await behind.wire.run(COUNT, ["n"], [1])
        behind.proxy.refuses = False
        await wait_up(behind.wire)
        assert await behind.wire.run(COUNT, ["n"], [1]) == 1
