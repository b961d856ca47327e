"""Connections over WebSockets: the only file that knows trio-websocket.

    async def handler(connection: Connection) -> None:
        async with trio.open_nursery(): ...

    await serve_websocket(handler, 8765, handler_nursery=supervisor.handler_nursery)

trio-websocket takes any `trio.abc.Stream`: ours is a Wire.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

import attrs
import trio
import trio_websocket
import wsproto.utilities

from ._connection import Connection
from ._errors import ConnectionClosed
from ._silence import ConnectionSpec
from ._wire import Wire


@attrs.frozen
class WebSocketSpec:
    """What one listener allows (seconds, bytes)."""

    path: str = "/ws"
    message_bytes: int = 64 * 1024
    """A larger message closes the connection with 1009. Text is counted in characters."""
    handshake: float = 10.0
    """From accept to the end of the opening handshake; a silent client holds nothing longer."""
    connection: ConnectionSpec = attrs.field(factory=ConnectionSpec)


class HandlerNursery(Protocol):
    """Where handlers run: a nursery, or what a supervisor offers, which survives their crashes."""

    def start_soon(
        self,
        async_fn: Callable[..., Awaitable[object]],
        /,
        *args: object,
        name: object = None,
    ) -> None: ...


Handler = Callable[[Connection], Awaitable[None]]

# Messages that wait between trio-websocket's reader and ours; a full queue stops the reader, and
# so, through TCP, the peer.
_INBOUND_QUEUE = 4

# The kernel gives up on a peer that acknowledges nothing for so long, in milliseconds.
_TCP_USER_TIMEOUT = 10_000


async def serve_websocket(  # noqa: ASYNC128  # `serve_listeners` calls `started`
    handler: Handler,
    port: int,
    *,
    host: str = "127.0.0.1",
    spec: WebSocketSpec | None = None,
    handler_nursery: HandlerNursery,
    task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept WebSocket connections on a TCP port and run `handler` for each, until cancelled.

    Cancellation: stops accepting; connections live on in `handler_nursery`.
    Start protocol: gives the listeners, so that port 0 can be looked up.
    """
    listeners = await trio.open_tcp_listeners(port, host=host)
    for listener in listeners:
        _tune(listener.socket)
    await serve_listeners(
        handler, listeners, spec=spec, handler_nursery=handler_nursery, task_status=task_status
    )


L = TypeVar("L", bound=trio.abc.Listener[Any])


async def serve_listeners(  # noqa: ASYNC128  # Trio's calls `started`
    handler: Handler,
    listeners: Sequence[L],
    *,
    spec: WebSocketSpec | None = None,
    handler_nursery: HandlerNursery,
    task_status: trio.TaskStatus[list[L]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """As `serve_websocket`, on listeners of one's own: of any half-closeable streams.

    A stream that has a method `abort()`, a reset without waiting, is cut off by it.
    """
    serve_one = partial(serve_stream, handler=handler, spec=spec or WebSocketSpec())
    await trio.serve_listeners(
        serve_one,
        list(listeners),
        handler_nursery=handler_nursery,  # type: ignore[arg-type]  # documented: any `start_soon`
        task_status=task_status,
    )


async def serve_stream(
    stream: trio.abc.HalfCloseableStream, *, handler: Handler, spec: WebSocketSpec
) -> None:
    """Serve one client on a connected stream, from the handshake to the end.

    What a client can do to the wire ends quietly here; what the handler raises leaves.
    """
    wire = Wire(stream)
    crash: list[Exception] = []
    try:
        async with trio.open_nursery() as nursery:
            await _handshake_and_run(wire, nursery, _noting(handler, crash), spec)
            nursery.cancel_scope.cancel()
    except* _CLIENT_FAULTS:
        pass
    finally:
        await trio.aclose_forcefully(wire)
    if crash:
        raise crash[0]


_CLIENT_FAULTS = (
    trio_websocket.HandshakeError,
    trio_websocket.ConnectionClosed,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    wsproto.utilities.ProtocolError,
)
"""What a peer causes by garbage, a reset, or a bad moment; trio-websocket lets each of them escape."""


def _noting(handler: Handler, crash: list[Exception]) -> Handler:
    """The handler, with its error kept apart from those of the wire."""

    async def noted(connection: Connection) -> None:
        try:
            await handler(connection)
        except Exception as error:
            _, other = ExceptionGroup("", [error]).split(ConnectionClosed)
            if other is None:  # the normal end, perhaps out of a nursery
                raise
            crash.append(error)
            connection.close(1011, "internal error")

    return noted


async def _handshake_and_run(
    wire: Wire, nursery: trio.Nursery, handler: Handler, spec: WebSocketSpec
) -> None:
    websocket = None
    with trio.move_on_after(spec.handshake):
        websocket = await _handshake(wire, nursery, spec)
    if websocket is None:
        return
    connection = Connection(wire.peer, _Transport(websocket, wire, nursery), spec.connection)
    await connection.run(handler)


async def _handshake(
    wire: Wire, nursery: trio.Nursery, spec: WebSocketSpec
) -> trio_websocket.WebSocketConnection | None:
    request = await trio_websocket.wrap_server_stream(
        nursery, wire, max_message_size=spec.message_bytes, message_queue_size=_INBOUND_QUEUE
    )
    if request.path.partition("?")[0] != spec.path:
        await request.reject(404, body=b"no WebSocket here\n")
        return None
    return await request.accept()


def _tune(listening: trio.socket.SocketType) -> None:
    """Accepted sockets inherit this: the kernel, too, gives up on peers that are gone."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT)


# Pings that wait for their pong on one connection: a peer that answers none costs no more.
_PINGS_OUT = 2


@attrs.define(eq=False)
class _Transport:
    """The Transport of a Connection, on one WebSocket."""

    _websocket: trio_websocket.WebSocketConnection
    _wire: Wire
    _nursery: trio.Nursery
    _pings_out: int = attrs.field(init=False, default=0)

    @property
    def last_inbound(self) -> float:
        return self._wire.last_inbound

    async def send(self, text: str) -> None:
        try:
            await self._websocket.send_message(text)
        except trio_websocket.ConnectionClosed as closed:
            raise _translated(closed) from None

    async def receive(self) -> str:
        try:
            message = await self._websocket.get_message()
        except trio_websocket.ConnectionClosed as closed:
            raise _translated(closed) from None
        if isinstance(message, bytes):
            raise ConnectionClosed(1003, "only text is spoken here")
        return message

    def ping_soon(self) -> None:
        # A ping() whose pong never comes never returns; it ends with the connection.
        if self._pings_out < _PINGS_OUT:
            self._pings_out += 1
            self._nursery.start_soon(self._ping)

    async def _ping(self) -> None:
        with suppress(trio_websocket.ConnectionClosed):
            await self._websocket.ping()
            self._pings_out -= 1

    async def aclose(self, code: int, reason: str) -> None:
        await self._websocket.aclose(code, reason)  # wsproto cuts the reason to what a frame holds
        await self._wire.linger()

    def abort(self) -> None:
        self._wire.abort()


def _translated(closed: trio_websocket.ConnectionClosed) -> ConnectionClosed:
    if closed.reason is None:
        return ConnectionClosed(1006, "the wire was cut")
    return ConnectionClosed(closed.reason.code, closed.reason.reason or "")
