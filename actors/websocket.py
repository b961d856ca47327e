"""Connections over WebSockets: the only file that knows trio-websocket.

    async def handler(connection: Connection) -> None:
        async with trio.open_nursery(): ...

    await serve_websocket(handler, 8765, handler_nursery=supervisor.handler_nursery)

trio-websocket takes any `trio.abc.Stream`: ours is a Wire.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any, Protocol, TypeVar

if find_spec("trio_websocket") is None:
    raise ImportError(
        "actors.websocket needs trio-websocket: install trouper[websocket]", name="trio_websocket"
    )

import attrs
import trio
import trio_websocket
import wsproto.events
import wsproto.utilities
from wsproto.frame_protocol import FrameProtocol

from ._connection import Connection
from ._edge import ABNORMAL, CLOSE_TOO_BIG, EdgeSpec, not_text, noting, welcome
from ._edge import Handler as Handler  # noqa: PLC0414  # public here, too
from ._errors import ConnectionClosed
from ._keeper import Keeper
from ._outbox import Outbox
from ._wire import Wire


@attrs.frozen
class WebSocketSpec(EdgeSpec):
    """What one listener allows (seconds, bytes)."""

    path: str = "/ws"
    handshakes: int = 512
    """So many at once; of more, the oldest is cut off. Real clients are through in a moment, and those
    that only want to hold places hold them longest."""
    send_buffer: int = 128 * 1024
    """What the kernel holds of a peer that does not read; by itself it would take megabytes."""

    @property
    def flood_bytes(self) -> int:
        """What may come in without a whole message, in bytes: empty fragments are no message, ever.

        Three whole messages, of characters of four bytes, can be on their way to a handler that
        is busy; and some control frames.
        """
        return 3 * 4 * self.message_bytes + 16 * 1024


class HandlerNursery(Protocol):
    """Where handlers run: a nursery, or what a supervisor offers, which survives their crashes."""

    def start_soon(
        self,
        async_fn: Callable[..., Awaitable[object]],
        /,
        *args: object,
        name: object = None,
    ) -> None: ...


# Connections that the kernel has accepted and we have not; it has a limit of its own.
_BACKLOG = 0xFFFF

# Messages that wait between trio-websocket's reader and ours; a full queue stops the reader, and
# so, through TCP, the peer.
_INBOUND_QUEUE = 1

# The kernel gives up on a peer that acknowledges nothing for so long, in milliseconds, and begins
# to ask a quiet one for a sign of life after so many seconds.
_TCP_USER_TIMEOUT = 10_000
_TCP_KEEPIDLE = 15


async def serve_websocket(  # noqa: PLR0913  # what a server needs, by name
    handler: Handler,
    port: int,
    *,
    host: str = "127.0.0.1",
    spec: WebSocketSpec | None = None,
    ssl_context: ssl.SSLContext | None = None,
    handler_nursery: HandlerNursery,
    reuse_port: bool = False,
    task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept WebSocket connections on a TCP port and run `handler` for each, until cancelled.

    With `ssl_context` they are of TLS. With `reuse_port` other processes that say so may listen on the same
    port, and the kernel deals out who connects. Cancellation: stops accepting; connections live on in
    `handler_nursery`. Start protocol: gives the listeners, so that port 0 can be looked up.
    """
    spec = spec or WebSocketSpec()
    listeners = _sharing(port, host) if reuse_port else await trio.open_tcp_listeners(port, host=host)
    for listener in listeners:
        _tune(listener.socket, spec)
    accepting: Sequence[trio.abc.Listener[Any]] = listeners
    if ssl_context is not None:
        accepting = [trio.SSLListener(listener, ssl_context) for listener in listeners]
    async with trio.open_nursery() as nursery:
        serve = partial(serve_listeners, handler, accepting, spec=spec, handler_nursery=handler_nursery)
        await nursery.start(serve)
        task_status.started(listeners)


def _sharing(port: int, host: str) -> list[trio.SocketListener]:
    """Trio has no way to ask for it; the backlog is the one that it would choose."""
    listening = socket.create_server((host, port), reuse_port=True, backlog=_BACKLOG)
    return [trio.SocketListener(trio.socket.from_stdlib_socket(listening))]


L = TypeVar("L", bound=trio.abc.Listener[Any])


async def serve_listeners(  # noqa: ASYNC128  # Trio's calls `started`
    handler: Handler,
    listeners: Sequence[L],
    *,
    spec: WebSocketSpec | None = None,
    handler_nursery: HandlerNursery,
    task_status: trio.TaskStatus[list[L]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """As `serve_websocket`, on listeners of one's own.

    A stream that has a method `abort()`, a reset without waiting, is cut off by it.
    """
    keeper = Keeper()
    door = _Door(spec or WebSocketSpec(), keeper)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run)
            await trio.serve_listeners(
                partial(door.serve, handler),
                list(listeners),
                handler_nursery=handler_nursery,  # type: ignore[arg-type]  # documented: any `start_soon`
                task_status=task_status,
            )
    finally:  # the keeper has stopped there: no two may run at once
        if door.close():  # those that live on are kept an eye on
            handler_nursery.start_soon(keeper.run, name="keeper of the last connections")


async def serve_stream(stream: trio.abc.Stream, *, handler: Handler, spec: WebSocketSpec) -> None:
    """Serve one client on a connected stream, from the handshake to the end.

    What a client can do to the wire ends quietly here; what the handler raises leaves.
    """
    await _Door(spec).serve(handler, stream)


@attrs.define(eq=False, repr=False)
class _Door:
    """What the connections of one listener share."""

    spec: WebSocketSpec
    keeper: Keeper | None = None
    """Without, each connection runs its own."""
    _entering: dict[trio.CancelScope, None] = attrs.field(init=False, factory=dict[trio.CancelScope, None])
    """The opening handshakes under way, the oldest first."""
    _serving: int = attrs.field(init=False, default=0)
    _closed: bool = attrs.field(init=False, default=False)

    async def serve(self, handler: Handler, stream: trio.abc.Stream) -> None:
        """Serve one client, see `serve_stream`."""
        self._serving += 1
        try:
            await self._serve(handler, stream)
        finally:
            self._serving -= 1
            if self._closed and not self._serving and self.keeper is not None:
                self.keeper.end()

    def close(self) -> bool:
        """Nobody new comes. Is anybody still here?"""
        self._closed = True
        return self._serving > 0

    async def _serve(self, handler: Handler, stream: trio.abc.Stream) -> None:
        wire = Wire(stream, flood=self.spec.flood_bytes)
        crash: list[Exception] = []
        try:
            async with trio.open_nursery() as nursery:
                wire.outbox.serve(nursery)
                await _handshake_and_run(wire, nursery, noting(handler, crash), self)
                nursery.cancel_scope.cancel()
        except* _CLIENT_FAULTS:
            pass
        finally:
            await trio.aclose_forcefully(wire)
        if crash:
            raise crash[0]

    @contextmanager
    def entering(self, wire: Wire) -> Generator[None]:
        """Bounds an opening handshake: in time, by its wire's end, and by the number of others."""
        if len(self._entering) >= self.spec.handshakes:
            oldest = next(iter(self._entering))
            del self._entering[oldest]  # the next to come is not to cancel the same one again
            oldest.cancel()
        with trio.move_on_after(self.spec.handshake) as scope:
            self._entering[scope] = None
            wire.at_end = scope.cancel
            try:
                yield
            finally:
                wire.at_end = None
                self._entering.pop(scope, None)


_CLIENT_FAULTS = (
    trio_websocket.HandshakeError,
    trio_websocket.ConnectionClosed,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    wsproto.utilities.ProtocolError,
    UnicodeError,  # of headers that are not ASCII
)
"""What a peer causes by garbage, a reset, or a bad moment; trio-websocket lets each of them escape."""


async def _handshake_and_run(wire: Wire, nursery: trio.Nursery, handler: Handler, door: _Door) -> None:
    websocket = None
    with door.entering(wire):
        websocket = await _handshake(wire, nursery, door.spec)
    if websocket is None:
        return
    wire.last_words = partial(_last_words, websocket, wire)
    connection = Connection(wire.peer, _Transport(websocket, wire), door.spec.connection)
    await connection.run(handler, keeper=door.keeper)


async def _handshake(
    wire: Wire, nursery: trio.Nursery, spec: WebSocketSpec
) -> trio_websocket.WebSocketConnection | None:
    request = await trio_websocket.wrap_server_stream(
        nursery, wire, max_message_size=spec.message_bytes, message_queue_size=_INBOUND_QUEUE
    )
    if request.path.partition("?")[0] != spec.path:
        await request.reject(404, body=f"no WebSocket here, but at {spec.path}\n".encode())
    elif not welcome(request.headers, _host_of(request), spec.origins):
        await request.reject(403, body=b"not from this origin\n")
    else:
        return await request.accept()
    await wire.outbox.flush()
    return None


def _host_of(request: trio_websocket.WebSocketRequest) -> bytes:
    """Its Host header, as a browser would name it in an Origin; wsproto takes it out of the others."""
    event: wsproto.events.Request = request._event  # type: ignore[attr-defined,unused-ignore]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return event.host.encode("idna").lower()


def _last_words(websocket: trio_websocket.WebSocketConnection, wire: Wire) -> bytes:
    """The Close frame for a peer that broke the protocol: trio-websocket sends none."""
    closed = websocket.closed
    if wire.flooded:
        return _close_frame(CLOSE_TOO_BIG, _FLOODED)
    if closed is None or closed.code == ABNORMAL:
        return b""
    return _close_frame(closed.code, closed.reason or "")


_FLOODED = "too many bytes, and no message"


def _close_frame(code: int, reason: str) -> bytes:
    return bytes(FrameProtocol(client=False, extensions=[]).close(code, reason))


def _text_frame(text: str) -> bytes:
    """The same for every peer: a server masks nothing, and trio-websocket negotiates no extension."""
    return bytes(FrameProtocol(client=False, extensions=[]).send_data(text, fin=True))


_PING_FRAME = bytes(FrameProtocol(client=False, extensions=[]).ping())


def _tune(listening: trio.socket.SocketType, spec: WebSocketSpec) -> None:
    """Accepted sockets inherit this: the kernel, too, gives up on peers that are gone."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, spec.send_buffer)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT)
    if hasattr(socket, "TCP_KEEPIDLE"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _TCP_KEEPIDLE)


@attrs.define(eq=False, repr=False)
class _Transport:
    """The Transport of a Connection, on one WebSocket."""

    _websocket: trio_websocket.WebSocketConnection
    _wire: Wire

    @property
    def outbox(self) -> Outbox:
        return self._wire.outbox

    @property
    def framing(self) -> Callable[[str], bytes]:
        return _text_frame

    @property
    def last_inbound(self) -> float:
        return self._wire.last_inbound

    @property
    def round_trip(self) -> float | None:
        return self._wire.round_trip

    @property
    def read_since(self) -> float | None:
        return self._wire.read_since

    @property
    def taken(self) -> int:
        return self._wire.taken

    @property
    def has_left(self) -> bool | None:
        return self._wire.has_left

    async def receive(self) -> str:
        try:
            message = await self._websocket.get_message()
        except trio_websocket.ConnectionClosed as closed:
            if self._wire.flooded:
                raise ConnectionClosed(CLOSE_TOO_BIG, _FLOODED) from None
            raise _translated(closed) from None
        self._wire.message_taken()
        if isinstance(message, bytes):
            raise not_text()
        return message

    def ping_soon(self) -> None:
        self._wire.ping(_PING_FRAME)

    async def aclose(self, code: int, reason: str) -> None:
        await self._websocket.aclose(code, reason)  # wsproto cuts the reason to what a frame holds
        await self._wire.linger()

    def abort(self) -> None:
        self._wire.abort()


def _translated(closed: trio_websocket.ConnectionClosed) -> ConnectionClosed:
    if closed.reason is None:
        return ConnectionClosed(ABNORMAL, "the wire was cut")
    return ConnectionClosed(closed.reason.code, closed.reason.reason or "")
