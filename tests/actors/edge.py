"""The edge under test: a server on real sockets, peers that do what they like, and a bystander."""

from __future__ import annotations

import socket
import ssl
import struct
import tracemalloc
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache, partial
from typing import Any

import attrs
import trio
import trustme
from wsproto.events import CloseConnection, Ping, Pong, TextMessage

from actors import Connection
from actors.websocket import Handler, WebSocketSpec, serve_websocket
from supervisor import HandlerFailed, Subscription, open_supervisor

from .raw import RawClient
from .test_websocket import Watched

# Seconds of the wall clock, and only for a test that hangs.
PATIENCE = 20.0

# More bytes than anybody takes.
MANY = 10**9

# Seconds. What a bystander may have to wait on a machine that is busy with other things too.
UNDISTURBED = 2.0

TEXT, BYTES, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, rsv: int = 0) -> bytes:
    """One frame of a client, well-formed or not; the mask, if any, is of zeros."""
    first = fin << 7 | rsv << 4 | opcode
    size, mask = len(payload), masked << 7
    if size < 126:
        head = struct.pack("!BB", first, mask | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, mask | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask | 127, size)
    return head + bytes(4 * masked) + payload


def upgrade(path: str = "/ws", **headers: str) -> bytes:
    """The request of an opening handshake; `headers` go last."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'x' * 22}=="]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def reset(stream: trio.SocketStream) -> None:
    """Close with a reset instead of a goodbye."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def echo(connection: Connection) -> None:
    while True:
        connection.send_nowait(await connection.receive())


async def deaf(_: Connection) -> None:
    """Reads nothing of what is sent to it."""
    await trio.sleep_forever()


@contextmanager
def remembering_at_most(size: int) -> Generator[None]:
    """Whatever happens inside, Python never holds more than so many bytes on top."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size, f"{peak} bytes at the peak"


async def eventually(check: Callable[[], object], what: str) -> None:
    """Wait for a fact that can only be looked at."""
    with trio.move_on_after(PATIENCE):
        while not check():
            await trio.sleep(0.005)
        return
    raise AssertionError(f"not within {PATIENCE:g} s: {what}")


@cache
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls() -> ssl.SSLContext:
    """For a server on this machine."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate: Any = authority().issue_cert("127.0.0.1")
    certificate.configure_cert(context)
    return context


def over_tls(stream: trio.SocketStream) -> trio.SSLStream[trio.SocketStream]:
    """The client's end, before its handshake."""
    context = ssl.create_default_context()
    trusted: Any = authority()
    trusted.configure_trust(context)
    return trio.SSLStream(stream, context, server_hostname="127.0.0.1")


@attrs.define(eq=False)
class Peer(RawClient):
    """A client in the raw, which can listen bit by bit."""

    async def read_some(self, size: int | None = None) -> bool:
        """Read once, so many bytes at most; False: the server has hung up."""
        data = await self.stream.receive_some(size)
        if data:
            self._protocol.receive_data(bytes(data))
            self.seen.extend(self._protocol.events())
        return bool(data)

    @property
    def texts(self) -> list[str]:
        """The whole messages that came."""
        whole, begun = list[str](), ""
        for event in self.seen:
            if isinstance(event, TextMessage):
                begun += event.data
                if event.message_finished:
                    whole.append(begun)
                    begun = ""
        return whole

    async def hear_out(self) -> list[tuple[int, str]]:
        """Read until the server hangs up, or resets; the Close frames that came."""
        with suppress(trio.BrokenResourceError):
            while await self.read_some():
                pass
        return self.goodbyes

    async def answer_pings(self) -> None:
        """Be a good client, until the server hangs up."""
        while await self.read_some():
            await self.answer_new_pings()

    async def answer_new_pings(self) -> None:
        for event in self.seen:
            if isinstance(event, Ping):
                await self.send(Pong(event.payload))
        self.seen = [event for event in self.seen if not isinstance(event, Ping)]

    @property
    def goodbyes(self) -> list[tuple[int, str]]:
        return [(event.code, event.reason or "") for event in self.seen if isinstance(event, CloseConnection)]


@attrs.define(eq=False)
class Edge:
    """A served port: who has come, who is still here, what has failed."""

    port: int
    spec: WebSocketSpec
    connections: list[Connection]
    """In order of arrival; those that have ended too."""
    _counted: Watched
    _events: Subscription
    tls: bool = False
    _knocked: list[trio.SocketStream] = attrs.field(init=False, factory=list[trio.SocketStream])

    @property
    def serving(self) -> int:
        """How many streams the server still holds."""
        return self._counted.running

    async def knock(self, *, receive_buffer: int | None = None) -> trio.SocketStream:
        """A TCP connection on which nothing was said."""
        knocking = trio.socket.socket()
        if receive_buffer is not None:
            knocking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await knocking.connect(("127.0.0.1", self.port))
        return self.adopt(trio.SocketStream(knocking))

    def adopt(self, stream: trio.SocketStream) -> trio.SocketStream:
        """Have it closed with the others."""
        self._knocked.append(stream)
        return stream

    async def enter(self, *, receive_buffer: int | None = None) -> Peer:
        """A client that has shaken hands and does nothing by itself."""
        stream: Any = await self.knock(receive_buffer=receive_buffer)
        client = Peer(over_tls(stream) if self.tls else stream)
        await client.shake_hands()
        return client

    async def ended(self, connection: Connection) -> tuple[int, str]:
        """Wait until it closes; its code and reason."""
        await eventually(lambda: connection.closed, f"the end of {connection}")
        assert connection.closed is not None
        return connection.closed.code, connection.closed.reason

    async def failures(self) -> list[BaseException]:
        """All clients leave; what handlers raised, once nobody is served any more."""
        self.leave()
        await eventually(lambda: not self.serving, f"the end of all; {self.serving} are left")
        return [event.error for event in self._events.drain() if isinstance(event, HandlerFailed)]

    def leave(self) -> None:
        """All clients hang up."""
        while self._knocked:
            self._knocked.pop().socket.close()

    @asynccontextmanager
    async def bystander(self) -> AsyncGenerator[Bystander]:
        """Somebody who echoes all the time; the block ends when he has heard every echo, in time."""
        bystander = Bystander(await self.enter())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bystander.talk)
            yield bystander
            bystander.leaving = True
        assert bystander.slowest < UNDISTURBED, f"he waited {bystander.slowest:.3f} s"
        assert bystander.echoes > 1


@attrs.define(eq=False)
class Bystander:
    client: Peer
    leaving: bool = False
    echoes: int = 0
    slowest: float = 0.0

    async def talk(self) -> None:
        """Ask and listen; once more after it is `leaving`."""
        while not await self._one_echo():
            await trio.sleep(0.1)  # by far not too much for the usual limit

    async def _one_echo(self) -> bool:
        last, began = self.leaving, trio.current_time()
        text = f"echo {self.echoes}"
        await self.client.say(text)
        while text not in self.client.texts:
            assert await self.client.read_some(), f"he was closed: {self.client.goodbyes}"
        self.slowest = max(self.slowest, trio.current_time() - began)
        self.echoes += 1
        self.client.seen.clear()
        return last


@asynccontextmanager
async def open_edge(
    handler: Handler = echo, spec: WebSocketSpec | None = None, *, tls: bool = False
) -> AsyncGenerator[Edge]:
    """Serve `handler` on a port of its own until the end of the block."""
    spec = spec or WebSocketSpec()
    connections: list[Connection] = []

    async def noting(connection: Connection) -> None:
        connections.append(connection)
        await handler(connection)

    with trio.fail_after(PATIENCE):
        async with open_supervisor() as supervisor, trio.open_nursery() as nursery:
            counted = Watched(supervisor.handler_nursery)
            context = server_tls() if tls else None
            serve = partial(serve_websocket, spec=spec, ssl_context=context, handler_nursery=counted)
            listeners: list[trio.SocketListener] = await nursery.start(serve, noting, 0)
            with supervisor.events() as events:
                port = listeners[0].socket.getsockname()[1]
                edge = Edge(port, spec, connections, counted, events, tls)
                try:
                    yield edge
                finally:
                    edge.leave()
            nursery.cancel_scope.cancel()


async def flood(stream: trio.abc.SendStream, chunk: bytes, total: int) -> int:
    """Send the chunk again and again, until so many bytes are gone, or the server has had enough."""
    sent = 0
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while sent < total:
            await stream.send_all(chunk)
            sent += len(chunk)
    return sent
