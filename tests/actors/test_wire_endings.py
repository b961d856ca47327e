"""How a wire ends: nothing follows a Close, an end is noticed where nobody reads, and closing is bounded."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from hypothesis import given
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from actors import Connection, ConnectionSpec
from actors._wire import Wire
from actors.websocket import Handler, WebSocketSpec, serve_listeners
from supervisor.testing import Network, NetworkStream

from . import virtual
from .raw import RawClient
from .test_connection import code

CLOSE_1000 = b"\x88\x02\x03\xe8"
CLOSE_4000 = b"\x88\x08\x0f\xa0enough"


@asynccontextmanager
async def visiting(handler: Handler, spec: WebSocketSpec | None = None) -> AsyncGenerator[NetworkStream]:
    """A client's stream after the handshake; at the end all is cancelled."""
    network = Network()
    with trio.fail_after(virtual.FOREVER):
        async with trio.open_nursery() as nursery:
            serve = partial(
                serve_listeners, handler, [network.listener()], spec=spec, handler_nursery=nursery
            )
            await nursery.start(serve)
            stream = await network.connect()
            await RawClient(stream).shake_hands()
            yield stream
            nursery.cancel_scope.cancel()


async def read_all(stream: trio.abc.Stream) -> bytes:
    data = b""
    while more := await stream.receive_some():
        data += bytes(more)
    return data


async def say_goodbye(stream: trio.abc.Stream) -> None:
    await stream.send_all(b"\x88\x82\0\0\0\0\x03\xe8")


@given(virtual.seeds)
@virtual.unhurried
def test_nothing_follows_a_close_whoever_says_it_first(seed: int) -> None:
    async def chatter(connection: Connection) -> None:
        """Says and says, and hears nothing of the peer's Close."""
        while True:
            connection.send_nowait("news")
            await trio.lowlevel.checkpoint()

    async def visit() -> bytes:
        async with visiting(chatter) as stream:
            await say_goodbye(stream)
            with trio.move_on_after(5):
                return await read_all(stream)
        return b"it did not end"

    assert virtual.run(visit, seed=seed).endswith(CLOSE_1000)


@pytest.mark.parametrize("how", ["close", "end", "abort"])
async def test_one_that_leaves_a_handler_that_never_reads_is_missed(
    how: str, autojump_clock: MockClock
) -> None:
    connections: list[Connection] = []

    async def never_read(connection: Connection) -> None:
        connections.append(connection)
        await trio.sleep_forever()

    async with visiting(never_read) as stream:
        if how == "abort":
            stream.abort()
        else:
            await (say_goodbye if how == "close" else NetworkStream.send_eof)(stream)
        await trio.sleep(100)
        assert [code(connection) for connection in connections] == [1006]


async def test_a_handler_that_is_busy_may_finish_though_the_peer_has_left(autojump_clock: MockClock) -> None:
    heard: list[str] = []

    async def be_slow(connection: Connection) -> None:
        while True:
            text = await connection.receive()
            await trio.sleep(2)
            heard.append(text)

    async with visiting(be_slow) as stream:
        client = RawClient(stream)
        for text in "ab":
            await client.stream.send_all(b"\x81\x81\0\0\0\0" + text.encode())
        await say_goodbye(stream)
        await trio.sleep(100)
    assert heard == ["a", "b"]


async def test_one_that_is_slow_to_read_gets_all_before_the_close(autojump_clock: MockClock) -> None:
    async def say_much(connection: Connection) -> None:
        await trio.sleep(1)
        for number in range(50):
            connection.send_nowait(f"{number:05}" + "x" * 4000)
        connection.close(4000, "enough")

    spec = WebSocketSpec(connection=ConnectionSpec(close_grace=60))
    async with visiting(say_much, spec) as stream:
        await trio.sleep(5)
        data = b""
        while CLOSE_4000 not in data:
            data += bytes(await stream.receive_some(1000))
            await trio.sleep(0.01)
        assert [int(part[:5]) for part in data.split(b"\x81\x7e\x0f\xa5")[1:]] == list(range(50))
        assert data.endswith(CLOSE_4000)


class StuckGoodbye(trio.abc.Stream):
    """Closing it takes a goodbye, as over TLS, and its peer reads nothing."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.sleep_forever()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.sleep_forever()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            await trio.aclose_forcefully(self._stream)


@pytest.mark.parametrize("unsent", [b"", b"never read"])
async def test_closing_is_bounded_also_where_the_stream_says_goodbye(
    unsent: bytes, autojump_clock: MockClock
) -> None:
    near, far = memory_stream_pair()
    wire = Wire(StuckGoodbye(near))
    async with trio.open_nursery() as nursery:
        wire.outbox.serve(nursery)
        wire.outbox.push(unsent)
        with trio.fail_after(1):
            await wire.aclose()
        assert await far.receive_some() == b""
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("end", ["aclose", "abort"])
async def test_what_is_said_after_the_end_reaches_nobody_else(end: str) -> None:
    """Not even whoever has the socket's number now."""
    near, far = socket.socketpair()
    wire = Wire(trio.SocketStream(trio.socket.from_stdlib_socket(near)))
    number = wire.outbox.descriptor
    async with trio.open_nursery() as nursery:
        wire.outbox.serve(nursery)
        wire.outbox.push(b"before")
        if end == "abort":
            await wire.outbox.flush()
            wire.abort()
        else:
            await wire.aclose()
        assert far.recv(100) == b"before"
        others = [socket.socketpair() for _ in range(10)]
        try:
            assert number in {each.fileno() for pair in others for each in pair}, "it is another's now"
            wire.outbox.push(b"after")
            assert not wire.outbox.offer(b"after")
            await wait_all_tasks_blocked()
            for each in (each for pair in others for each in pair):
                each.setblocking(False)
                with pytest.raises(BlockingIOError):
                    each.recv(100)
        finally:
            for each in (far, *(each for pair in others for each in pair)):
                each.close()
