"""To connect over a simulated network, and who serves it: Trio, trio-websocket, our own WebSockets."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
import trio_websocket
from trio.testing import MockClock

from actors import Connection
from actors._silence import PAST
from actors.websocket import WebSocketSpec, serve_listeners
from supervisor.testing import Network, NetworkListener
from supervisor.testing.websocket import open_websocket

pytestmark = pytest.mark.usefixtures("bounded")


# Connecting


async def test_without_a_listener_one_is_refused(autojump_clock: MockClock) -> None:
    network = Network()
    with pytest.raises(ConnectionRefusedError):
        await network.connect()
    listener = network.listener()
    waiting = await network.connect()
    await listener.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await waiting.receive_some()
    with pytest.raises(ConnectionRefusedError):
        await network.connect()
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()
    again = network.listener()
    await (await network.connect()).send_all(b"a new server")
    assert await (await again.accept()).receive_some() == b"a new server"


async def test_the_latest_open_listener_is_used(autojump_clock: MockClock) -> None:
    network = Network()
    old, new = network.listener(), network.listener()
    await (await network.connect()).send_all(b"to the new one")
    assert await (await new.accept()).receive_some() == b"to the new one"
    await new.aclose()
    await (await network.connect()).send_all(b"to the old one")
    assert await (await old.accept()).receive_some() == b"to the old one"


async def test_the_backlog_is_bounded(autojump_clock: MockClock) -> None:
    network = Network()
    listener = network.listener()
    count = 0

    async def connect() -> None:
        nonlocal count
        await network.connect()
        count += 1

    async with trio.open_nursery() as nursery:
        for _ in range(130):
            nursery.start_soon(connect)
        await trio.sleep(10)
        assert count == 128
        for _ in range(130):
            await listener.accept()
    assert count == 130


async def test_the_links_of_a_network_are_those_that_somebody_uses(autojump_clock: MockClock) -> None:
    network = Network()
    listener = network.listener()
    first, second = await network.connect(), await network.connect()
    assert list(network.links) == [first.link, second.link]
    await first.aclose()
    assert list(network.links) == [first.link, second.link], "its other end may not know so far"
    await (await listener.accept()).aclose()
    assert list(network.links) == [second.link]


# Serving


async def echo(stream: trio.abc.HalfCloseableStream) -> None:
    async with stream:
        async for data in stream:
            await stream.send_all(data)


async def test_trio_serves_it(autojump_clock: MockClock) -> None:
    network = Network(latency=0.5)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, echo, [network.listener()])
        clients = [await network.connect() for _ in range(10)]
        for number, client in enumerate(clients):
            await client.send_all(b"%d" % number)
        assert [await client.receive_some() for client in clients] == [b"%d" % n for n in range(10)]
        nursery.cancel_scope.cancel()
    assert trio.current_time() == 10 + 1


async def answer(connection: Connection) -> None:
    while True:
        connection.send_nowait(f"{await connection.receive()}!")


async def serve(nursery: trio.Nursery, listener: NetworkListener, **spec: Any) -> None:
    serving = partial(
        serve_listeners, answer, [listener], spec=WebSocketSpec(**spec), handler_nursery=nursery
    )
    assert await nursery.start(serving) == [listener]


async def test_our_websockets_are_served_on_it(autojump_clock: MockClock) -> None:
    network = Network(latency=0.125)
    async with trio.open_nursery() as nursery:
        await serve(nursery, network.listener())
        async with open_websocket(await network.connect()) as websocket:
            await websocket.send_message("hello")
            assert await websocket.get_message() == "hello!"
            await trio.sleep(3600)
            assert websocket.closed is None, "it answers pings"
        assert network.links == ()
        nursery.cancel_scope.cancel()


async def test_trio_websockets_own_server_is_served_on_it(autojump_clock: MockClock) -> None:
    async def greet(request: trio_websocket.WebSocketRequest) -> None:
        websocket = await request.accept()
        await websocket.send_message("welcome")
        await websocket.aclose()

    network = Network()
    anything: Any = [network.listener()]
    async with trio.open_nursery() as nursery:
        await nursery.start(trio_websocket.WebSocketServer(greet, anything).run)
        async with open_websocket(await network.connect()) as websocket:
            assert await websocket.get_message() == "welcome"
        nursery.cancel_scope.cancel()


async def test_a_client_found_dead_is_cut_off_and_learns_of_it(autojump_clock: MockClock) -> None:
    network = Network()
    async with trio.open_nursery() as nursery:
        await serve(nursery, network.listener())
        stream = await network.connect()
        async with open_websocket(stream) as websocket:
            stream.link.up.silence()
            with pytest.raises(trio_websocket.ConnectionClosed):
                await websocket.get_message()
            assert trio.current_time() == pytest.approx(26 + PAST)
        nursery.cancel_scope.cancel()


async def test_a_refused_handshake_is_an_error_of_the_client(autojump_clock: MockClock) -> None:
    network = Network()
    async with trio.open_nursery() as nursery:
        await serve(nursery, network.listener(), path="/ws")
        stream = await network.connect()
        with pytest.raises(ExceptionGroup) as refused:
            async with open_websocket(stream, "/elsewhere"):
                await trio.sleep_forever()
        assert refused.group_contains(trio_websocket.ConnectionRejected)
        assert stream.closed
        nursery.cancel_scope.cancel()


async def test_what_the_block_of_a_client_raises_leaves_as_it_is(autojump_clock: MockClock) -> None:
    network = Network()
    error = KeyError("mine")
    async with trio.open_nursery() as nursery:
        await serve(nursery, network.listener())
        with pytest.raises(KeyError) as raised:
            async with open_websocket(await network.connect()):
                raise error
        assert raised.value is error
        assert network.links == ()
        nursery.cancel_scope.cancel()


async def test_a_goodbye_into_silence_is_short(autojump_clock: MockClock) -> None:
    network = Network()
    async with trio.open_nursery() as nursery:
        await serve(nursery, network.listener())
        stream = await network.connect()
        async with open_websocket(stream):
            stream.link.silence()
        assert trio.current_time() == 1
        assert stream.closed
        nursery.cancel_scope.cancel()
