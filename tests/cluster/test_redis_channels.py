"""Subscriptions of a real engine: every message once and in order, or a GAP where some may be missing."""

from __future__ import annotations

import pytest
import trio

from supervisor.cluster._errors import EngineDown, EngineRefused
from supervisor.cluster._redis import open_redis
from supervisor.cluster._wire import GAP, Gap, Standing, Wire, WireSubscription

from .kit import COUNT, eventually, open_behind, persist
from .redis_server import open_server


async def receive(subscription: WireSubscription, count: int) -> list[str | Gap]:
    with trio.fail_after(30):
        return [await subscription.receive() for _ in range(count)]


async def test_messages_come_in_order_and_only_while_it_is_subscribed() -> None:
    async with open_server() as server, open_redis(server.url) as wire:
        await wire.publish("c", "before")
        async with wire.subscribe("c") as subscription, wire.subscribe("d") as other:
            for number in range(500):
                await wire.publish("c", str(number))
            await wire.publish("d", "other")
            assert await receive(subscription, 500) == [str(number) for number in range(500)]
            assert await receive(other, 1) == ["other"]
        with trio.fail_after(30):
            while await wire.publish("c", "after"):
                await trio.sleep(0.005)
        assert wire.statistics().gaps == 0


async def test_two_of_one_channel_hear_the_same_and_one_may_leave() -> None:
    async with open_server() as server, open_redis(server.url) as wire, wire.subscribe("c") as first:
        async with wire.subscribe("c") as second:
            assert await wire.publish("c", "1") == 1, "one connection"
            assert [await receive(first, 1), await receive(second, 1)] == [["1"], ["1"]]
        assert await wire.publish("c", "2") == 1
        assert await receive(first, 1) == ["2"]


async def test_left_and_entered_again_at_once_is_subscribed_for_sure() -> None:
    async with open_server() as server, open_redis(server.url) as wire:
        for number in range(200):
            async with wire.subscribe("c") as subscription:
                assert await wire.publish("c", str(number)) == 1
                assert await receive(subscription, 1) == [str(number)]


async def test_what_does_not_fit_becomes_one_gap() -> None:
    async with open_server() as server, open_redis(server.url) as wire:
        async with wire.subscribe("c", capacity=2) as subscription, wire.subscribe("c") as watch:
            for number in range(10):
                await wire.publish("c", str(number))
            await receive(watch, 10)
            assert await receive(subscription, 1) == ["0"]
            await wire.publish("c", "again")
            await receive(watch, 1)
            assert await receive(subscription, 3) == ["1", GAP, "again"]
        assert wire.statistics().gaps == 1


async def test_a_cancelled_receive_loses_no_message() -> None:
    got: list[str | Gap] = []

    async def publish(wire: Wire) -> None:
        for number in range(500):
            await wire.publish("c", str(number))

    async with (
        open_server() as server,
        open_redis(server.url) as wire,
        wire.subscribe("c") as subscription,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(publish, wire)
        while len(got) < 500:
            with trio.move_on_after(0.0002):
                got.append(await subscription.receive())
    assert got == [str(number) for number in range(500)]


async def test_an_engine_restart_is_a_gap_for_those_who_were_in() -> None:
    async with open_server() as server, open_redis(server.url) as wire:
        async with wire.subscribe("a") as a, wire.subscribe("b") as b:
            await server.restart()
            assert await receive(a, 1) == await receive(b, 1) == [GAP]
            assert await persist(wire.publish, "a", "x") == 1
            assert await receive(a, 1) == ["x"]
            async with wire.subscribe("a") as late:
                await persist(wire.publish, "a", "y")
                assert await receive(late, 1) == ["y"], "no gap for who was not in"
        assert wire.statistics().gaps == 2


async def test_a_subscription_waits_while_the_engine_is_away_and_is_made_for_sure() -> None:
    async with open_server() as server, open_redis(server.url) as wire:
        for _ in range(5):
            await server.kill9()
            entered = trio.Event()

            async def listen(entered: trio.Event) -> None:
                async with wire.subscribe("c") as subscription:
                    entered.set()
                    assert await receive(subscription, 1) == ["x"]

            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen, entered)
                await trio.sleep(0.05)
                assert not entered.is_set()
                await server.start()
                with trio.fail_after(30):
                    await entered.wait()
                assert await persist(wire.publish, "c", "x") == 1


async def test_a_channel_that_others_here_hear_already_is_waited_for_likewise() -> None:
    async with open_behind() as behind, behind.wire.subscribe("c") as first:
        behind.proxy.refuses = True
        behind.proxy.cut()
        await eventually(
            lambda: behind.proxy.open == 0 and behind.wire.statistics().standing is Standing.DOWN
        )
        await trio.sleep(0.2)
        with trio.move_on_after(0.3):
            async with behind.wire.subscribe("c"):
                pytest.fail("entered")
        behind.proxy.refuses = False
        async with behind.wire.subscribe("c") as second:
            await persist(behind.wire.publish, "c", "x")
            assert await receive(first, 2) == [GAP, "x"]
            assert await receive(second, 1) == ["x"]


async def test_channels_that_are_added_while_it_reconnects_are_all_heard() -> None:
    """The bug of a prototype, which only repetition showed."""
    async with open_behind() as behind:
        wire = behind.wire
        for turn in range(8):
            behind.proxy.cut()
            heard: set[str] = set()

            async def listen(name: str, heard: set[str] = heard) -> None:
                async with wire.subscribe(name) as subscription:
                    assert await persist(wire.publish, name, name) == 1
                    assert await receive(subscription, 1) in ([name], [GAP])
                    heard.add(name)

            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(listen, f"{turn}.{number}")
                    await trio.sleep(0.0005)
            assert len(heard) == 10


async def test_more_channels_than_one_breath_are_all_heard_again() -> None:
    async with open_behind(call_timeout=5) as behind:
        subscriptions: dict[str, WireSubscription] = {}
        over = trio.Event()

        async def listen(name: str) -> None:
            async with behind.wire.subscribe(name) as subscriptions[name]:
                await over.wait()

        async with trio.open_nursery() as nursery:
            for number in range(350):
                nursery.start_soon(listen, str(number))
            await eventually(lambda: len(subscriptions) == 350)
            behind.proxy.cut()
            for name, subscription in subscriptions.items():
                assert await receive(subscription, 1) == [GAP]
                assert await persist(behind.wire.publish, name, name) == 1
                assert await receive(subscription, 1) == [name]
            over.set()


async def test_a_channel_that_the_engine_refuses_says_so_and_the_others_go_on() -> None:
    async with open_server() as server, open_redis(server.url) as wire, wire.subscribe("good") as good:
        await server.command("ACL", "SETUSER", "default", "resetchannels", "&good")
        with pytest.raises(EngineRefused, match="permission"):
            async with wire.subscribe("bad"):
                pytest.fail("entered")
        assert await receive(good, 1) == [GAP]
        await wire.publish("good", "x")
        assert await receive(good, 1) == ["x"]
        assert await wire.run(COUNT, ["n"], [1]) == 1


async def test_who_leaves_before_it_is_subscribed_leaves_nothing() -> None:
    async with open_server() as server, open_redis(server.url) as wire:
        for _ in range(200):
            with trio.move_on_after(0):
                async with wire.subscribe("c"):
                    pytest.fail("entered")
        async with wire.subscribe("d") as subscription:
            with trio.fail_after(30):
                while await wire.publish("c", "x"):
                    await trio.sleep(0.005)
            await wire.publish("d", "x")
            assert await receive(subscription, 1) == ["x"]


async def test_who_still_receives_when_the_wire_is_closed_is_told() -> None:
    async with open_server() as server, trio.open_nursery() as nursery:
        told = trio.Event()

        async def listen() -> None:
            async with wire.subscribe("c") as subscription:
                entered.set()
                with pytest.raises(EngineDown, match="closed on this side"):
                    await subscription.receive()
                told.set()

        async with open_redis(server.url) as wire:
            entered = trio.Event()
            nursery.start_soon(listen)
            await entered.wait()
        with trio.fail_after(30):
            await told.wait()
