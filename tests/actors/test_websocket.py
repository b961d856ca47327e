"""Over real sockets: what clients do, well or badly, ends in the right code and harms nobody else."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import attrs
import pytest
import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
)
from wsproto.events import CloseConnection

from actors import Connection
from actors.websocket import Handler, HandlerNursery, WebSocketSpec, serve_websocket
from supervisor import HandlerFailed, Subscription, open_supervisor

from .raw import RawClient

# Of the wall clock, and only for a test that hangs; nothing here takes a tenth of it.
PATIENCE = 10


@attrs.define(eq=False)
class Watched:
    """A handler nursery that knows how many of its tasks still run."""

    inner: HandlerNursery
    running: int = 0

    def start_soon(
        self, async_fn: Callable[..., Awaitable[object]], /, *args: object, name: object = None
    ) -> None:
        async def watched() -> None:
            try:
                await async_fn(*args)
            finally:
                self.running -= 1

        self.running += 1
        self.inner.start_soon(watched, name=name)


@attrs.frozen
class Server:
    port: int
    handlers: Watched
    events: Subscription

    async def failures(self) -> list[BaseException]:
        """What handlers raised, once all of them have ended."""
        while self.handlers.running:
            await trio.sleep(0.001)
        return [event.error for event in self.events.drain() if isinstance(event, HandlerFailed)]

    @asynccontextmanager
    async def client(self, path: str = "/ws") -> AsyncGenerator[WebSocketConnection]:
        """A good client. (`open_websocket` forgets its socket when the server hangs up first.)"""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        async with stream, trio.open_nursery() as nursery:
            client = await wrap_client_stream(nursery, stream, "127.0.0.1", path)
            yield client
            await client.aclose()

    async def echoes(self) -> bool:
        async with self.client() as client:
            await client.send_message("still there?")
            return await client.get_message() == "still there?"


@asynccontextmanager
async def serving(handler: Handler, spec: WebSocketSpec | None = None) -> AsyncGenerator[Server]:
    with trio.fail_after(PATIENCE):
        async with open_supervisor() as supervisor, trio.open_nursery() as nursery:
            handlers = Watched(supervisor.handler_nursery)
            serve = partial(serve_websocket, spec=spec, handler_nursery=handlers)
            listeners: list[trio.SocketListener] = await nursery.start(serve, handler, 0)
            with supervisor.events() as events:
                yield Server(listeners[0].socket.getsockname()[1], handlers, events)
            nursery.cancel_scope.cancel()


async def echo(connection: Connection) -> None:
    while True:
        connection.send_nowait(await connection.receive())


async def closing(client: WebSocketConnection) -> tuple[int, str | None]:
    """Read until the server closes: its code and reason."""
    with pytest.raises(ConnectionClosed) as caught:
        await client.get_message()
    assert caught.value.reason is not None
    return caught.value.reason.code, caught.value.reason.reason


async def test_what_is_said_comes_back_in_order() -> None:
    texts = ["a", "", "ü" * 1000, "d"]
    async with serving(echo) as server:
        async with server.client("/ws?token=1") as client:
            for text in texts:
                await client.send_message(text)
            assert [await client.get_message() for _ in texts] == texts
        assert await server.failures() == []


async def test_another_path_is_not_found() -> None:
    async with serving(echo) as server:
        with pytest.RaisesGroup(ConnectionRejected) as caught:
            async with server.client("/elsewhere"):
                pass
        [rejected] = caught.value.exceptions
        assert isinstance(rejected, ConnectionRejected)
        assert (rejected.status_code, rejected.body) == (404, b"no WebSocket here, but at /ws\n")
        assert await server.failures() == []
        assert await server.echoes()


async def test_a_message_that_is_too_big_ends_with_1009() -> None:
    async with serving(echo, WebSocketSpec(message_bytes=1000)) as server:
        async with server.client() as client:
            await client.send_message("x" * 1000)
            assert await client.get_message() == "x" * 1000
            await client.send_message("x" * 1001)
            assert (await closing(client))[0] == 1009
        assert await server.failures() == []
        assert await server.echoes()


async def test_a_client_still_busy_sending_too_much_hears_why() -> None:
    """Closing the socket with unread data would reset it, and the Close frame would be lost."""
    async with serving(echo, WebSocketSpec(message_bytes=1000)) as server:
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        async with stream:
            client = RawClient(stream)
            await client.shake_hands()
            await client.say("x" * 200_000)
            await client.say("x" * 200_000)
            await client.read_until(CloseConnection)
            assert client.close_codes == [1009]
        assert await server.failures() == []


async def test_bytes_end_with_1003() -> None:
    async with serving(echo) as server:
        async with server.client() as client:
            await client.send_message(b"not text")
            assert await closing(client) == (1003, "only text is spoken here")
        assert await server.failures() == []


async def test_a_crash_is_told_the_client_and_ends_only_its_connection() -> None:
    error = ValueError("no")

    async def fragile(connection: Connection) -> None:
        if await connection.receive() == "crash":
            raise error
        await echo(connection)

    async with serving(fragile) as server:
        async with server.client() as bystander:
            await bystander.send_message("hello")
            async with server.client() as client:
                await client.send_message("crash")
                assert await closing(client) == (1011, "internal error")
            await bystander.send_message("still there?")
            assert await bystander.get_message() == "still there?"
        assert await server.failures() == [error]


async def test_a_reason_that_is_too_long_is_cut_at_a_character() -> None:
    async def talkative(connection: Connection) -> None:
        connection.close(4000, "ü" * 100)
        await trio.sleep_forever()

    async with serving(talkative) as server:
        async with server.client() as client:
            assert await closing(client) == (4000, "ü" * 61)
        assert await server.failures() == []


@pytest.mark.parametrize("tasks", [1, 2])
async def test_a_handler_with_tasks_of_its_own_ends_quietly_with_its_client(tasks: int) -> None:
    ended = trio.Event()

    async def crowd(connection: Connection) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(echo, connection)
                if tasks == 2:
                    nursery.start_soon(trio.sleep_forever)
        finally:
            ended.set()

    async with serving(crowd) as server:
        async with server.client():
            pass
        await ended.wait()
        assert await server.failures() == []


def reset(stream: trio.SocketStream) -> None:
    """Close with a reset instead of a goodbye."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


@pytest.mark.parametrize("greeted", [False, True], ids=["at once", "after the handshake"])
async def test_garbage_and_a_reset_harm_nobody(greeted: bool) -> None:
    # trio-websocket does not tell a client that is gone before its request from a slow one.
    async with serving(echo, WebSocketSpec(handshake=1)) as server:
        async with server.client() as bystander:
            for _ in range(25):
                stream = await trio.open_tcp_stream("127.0.0.1", server.port)
                if greeted:
                    await RawClient(stream).shake_hands()
                await stream.send_all(b"\xff" * 100)
                reset(stream)
            await bystander.send_message("still there?")
            assert await bystander.get_message() == "still there?"
        assert await server.echoes()
        assert await server.failures() == []


async def test_a_reset_of_an_open_connection_ends_its_handler() -> None:
    ended: list[Connection] = []
    over = trio.Event()

    async def listen(connection: Connection) -> None:
        try:
            await connection.receive()
        finally:
            ended.append(connection)
            over.set()

    async with serving(listen) as server:
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await RawClient(stream).shake_hands()
        reset(stream)
        await over.wait()
        assert ended[0].closed is not None
        assert ended[0].closed.code == 1006
        assert await server.failures() == []


async def test_a_client_that_is_cut_off_is_told_by_a_reset() -> None:
    async def cut(connection: Connection) -> None:
        await connection.receive()
        connection.abort()
        await trio.sleep_forever()

    async with serving(cut) as server:
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        client = RawClient(stream)
        await client.shake_hands()
        await client.say("cut me off")
        with pytest.raises(trio.BrokenResourceError):
            await client.read_to_the_end()
        await stream.aclose()
        assert await server.failures() == []
