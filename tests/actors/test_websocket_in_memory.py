"""Over memory streams and in virtual time: the deadlines of one served WebSocket, to the second."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio_websocket
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked
from wsproto.events import Ping, Pong

from actors import Connection, ConnectionSpec
from actors._silence import PAST
from actors.websocket import Handler, WebSocketSpec, serve_stream

from . import virtual
from .raw import RawClient
from .test_connection import listen


@asynccontextmanager
async def served(handler: Handler, spec: WebSocketSpec | None = None) -> AsyncGenerator[trio.abc.Stream]:
    """The client's end of a stream whose other end is served; the block waits for the server."""
    client, server = memory_stream_pair()

    async def serve() -> None:
        await serve_stream(server, handler=handler, spec=spec or WebSocketSpec())

    with trio.fail_after(virtual.FOREVER):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield client


async def test_a_client_that_says_nothing_is_dropped_at_the_deadline(autojump_clock: MockClock) -> None:
    async with served(listen, WebSocketSpec(handshake=7)) as stream:
        assert await stream.receive_some() == b""
    assert trio.current_time() == 7


async def drip(stream: trio.abc.Stream) -> None:
    for byte in b"GET /ws HTTP/1.1\r\nHost: " + b"x" * 100:
        await stream.send_all(bytes([byte]))
        await trio.sleep(0.9)


async def test_a_client_that_drips_is_dropped_at_the_same_deadline(autojump_clock: MockClock) -> None:
    async with served(listen, WebSocketSpec(handshake=7)) as stream, trio.open_nursery() as nursery:
        nursery.start_soon(drip, stream)
        assert await stream.receive_some() == b""
        nursery.cancel_scope.cancel()
    assert trio.current_time() == 7


async def test_the_deadline_of_the_handshake_ends_with_the_handshake(autojump_clock: MockClock) -> None:
    async with served(listen, WebSocketSpec(handshake=7)) as stream:
        client = RawClient(stream)
        await client.shake_hands()
        await trio.sleep(8)
        await client.send(Ping(b"there?"))
        assert isinstance(await client.read_until(Pong), Pong)
        await stream.aclose()


async def test_a_peer_that_answers_no_ping_is_dropped(autojump_clock: MockClock) -> None:
    async with served(listen) as stream:
        client = RawClient(stream)
        await client.shake_hands()
        await client.read_to_the_end()
        assert [type(event) for event in client.seen].count(Ping) == 2
    grace = ConnectionSpec().close_grace  # a memory stream can't be cut
    assert 26 <= trio.current_time() <= 26 + PAST + grace


async def test_a_peer_that_answers_pings_stays(autojump_clock: MockClock) -> None:
    connections: list[Connection] = []

    async def note_and_listen(connection: Connection) -> None:
        connections.append(connection)
        await listen(connection)

    async with served(note_and_listen) as stream, trio.open_nursery() as nursery:
        anything: Any = stream
        client = await trio_websocket.wrap_client_stream(nursery, anything, "memory", "/ws")
        await trio.sleep(1010)
        [connection] = connections
        assert connection.closed is None
        assert connection.statistics().last_inbound >= 980
        await client.aclose()


async def test_a_handler_that_reads_nothing_for_long_convicts_nobody(autojump_clock: MockClock) -> None:
    async def work(connection: Connection) -> None:
        await trio.sleep(1000)

    async with served(work) as stream:
        client = RawClient(stream)
        await client.shake_hands()
        for text in "more than the queue takes":
            await client.say(text)
        await client.read_to_the_end()
        assert client.close_codes == [1000]
    assert 1000 <= trio.current_time() <= 1001


async def test_one_whose_pongs_lie_behind_what_we_have_not_worked_off_stays(
    autojump_clock: MockClock,
) -> None:
    heard: list[str] = []

    async def be_slow(connection: Connection) -> None:
        while True:
            heard.append(await connection.receive())
            await trio.sleep(0.3)

    async with served(be_slow) as stream, trio.open_nursery() as nursery:
        anything: Any = stream
        client = await trio_websocket.wrap_client_stream(nursery, anything, "memory", "/ws")
        texts = [f"{number}" for number in range(100)]
        for text in texts:
            await client.send_message(text)
        await trio.sleep(100)
        assert client.closed is None
        assert heard == texts
        await client.aclose()


async def test_a_ping_amid_our_close_ends_quietly(autojump_clock: MockClock) -> None:
    async def leave(connection: Connection) -> None:
        await connection.receive()

    async with served(leave) as stream:
        client = RawClient(stream)
        await client.shake_hands()
        await client.say("go")
        await wait_all_tasks_blocked()  # its Close is under way, unanswered
        await client.send(Ping(b"there?"))
        await client.read_to_the_end()
        assert client.close_codes == [1000]
    assert trio.current_time() <= ConnectionSpec().close_grace


async def test_our_ping_amid_their_close_ends_quietly(autojump_clock: MockClock) -> None:
    async def check_at_the_end(connection: Connection) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, connection)
            await trio.sleep(5)
            connection.check()
            connection.close()
            await trio.sleep_forever()

    async with served(check_at_the_end) as stream:
        client = RawClient(stream)
        await client.shake_hands()
        await client.read_to_the_end()
        assert client.close_codes == [1000]


async def test_a_close_that_is_not_answered_takes_only_the_close_grace(autojump_clock: MockClock) -> None:
    async def leave(connection: Connection) -> None:
        connection.close(4000, "enough")
        await trio.sleep_forever()

    spec = WebSocketSpec(connection=ConnectionSpec(close_grace=3))
    async with served(leave, spec) as stream:
        client = RawClient(stream)
        await client.shake_hands()
        await client.read_to_the_end()
        assert client.close_codes == [4000]
    assert trio.current_time() == 3


async def test_what_a_handler_raises_leaves_as_it_is(autojump_clock: MockClock) -> None:
    error = trio.BrokenResourceError("another wire than the client's")

    async def crash(_: Connection) -> None:
        raise error

    client, server = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(RawClient(client).shake_hands)
        with pytest.raises(trio.BrokenResourceError) as caught:
            await serve_stream(server, handler=crash, spec=WebSocketSpec())
    assert caught.value is error


async def test_a_cancelled_server_says_going_away(autojump_clock: MockClock) -> None:
    client, server = memory_stream_pair()
    raw = RawClient(client)

    async def serve() -> None:
        with trio.move_on_after(5):
            await serve_stream(server, handler=listen, spec=WebSocketSpec())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await raw.shake_hands()
        await raw.read_to_the_end()
    assert raw.close_codes == [1001]
    assert trio.current_time() <= 6
