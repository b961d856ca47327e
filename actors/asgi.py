"""Connections over ASGI's WebSockets: in any framework, behind a server that runs on Trio, as Hypercorn does.

    @app.websocket("/ws/{user}")                                    # FastAPI, and alike Starlette
    async def session(websocket: WebSocket, user: str) -> None:
        async def handler(connection: Connection) -> None: ...

        await serve_asgi(handler, websocket.scope, websocket.receive, websocket.send)

    application = partial(serve_asgi, handler)                      # or an application by itself

It accepts the WebSocket; nobody else may, before. What `actors.websocket` promises holds here too (order,
limits, close codes and reasons, back-pressure, the end), but for what ASGI does not give:

- *No pings of the protocol.* A quiet client is asked by a text, and has to answer; see Heartbeat.
- *No reset.* What is cut off is sent nothing more; the server ends it when we return, which we do at once
  (Hypercorn with 1011, or a reset). But Hypercorn shields its writes: a client that reads nothing is off its
  manager at once, and yet holds our task until the kernel gives up. So give Hypercorn a listening socket
  (`fd://`) with TCP_USER_TIMEOUT.
- *No send buffer, no wire.* What server and kernel hold of a client that does not read is theirs to bound;
  so is a message that comes in bit by bit. The server has read it whole before we may find it too big:
  lower its limit (Hypercorn's `websocket_max_message_size` is 16 MiB).
- *No look at the kernel.* Who leaves while his handler receives nothing, and so much waits for it that the
  server reads no more (with Hypercorn 10 messages, and 2 of ours), is found only when it receives again.
- *No number of handshakes*, nor the time of their headers: both are the server's.
- With Hypercorn every client that leaves has left with 1006, whatever it said.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

import attrs
import trio

from ._connection import CLOSE_POLICY, Connection
from ._edge import ABNORMAL, CLOSE_TOO_BIG, EdgeSpec, Handler, not_text, noting, welcome
from ._errors import ConnectionClosed
from ._outbox import Outbox
from ._rate import TokenBucket
from ._sender import Send, Sender, close_parcel, text_parcel

Scope: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]


def _is_pong(text: str) -> bool:
    return len(text) < len(_PONG) * 2 and "".join(text.split()) == _PONG


_PING, _PONG = '{"type":"ping"}', '{"type":"pong"}'


@attrs.frozen(kw_only=True)
class Heartbeat:
    """How a quiet client is asked for a sign of life. Every message is one; a page needs but a line more:

    if (event.data === '{"type":"ping"}') { socket.send('{"type":"pong"}'); return; }
    """

    ping: str = _PING
    """The text that is sent, and that no handler sends."""
    is_pong: Callable[[str], bool] = _is_pong
    """Is this text an answer? Then the handler does not receive it. As it stands: `{"type":"pong"}`, with
    blanks or without. It is asked of every message, and may not raise."""


@attrs.frozen(kw_only=True)
class AsgiSpec(EdgeSpec):
    """What is allowed (seconds, bytes). `handshake` is from our being called to the end of accepting."""

    heartbeat: Heartbeat = attrs.field(factory=Heartbeat)


async def serve_asgi(
    handler: Handler, scope: Scope, receive: Receive, send: Send, *, spec: AsgiSpec | None = None
) -> None:
    """Serve one client, from the handshake to the end.

    What a client can do ends quietly here; what the handler raises leaves, after a Close with 1011.
    Where a session is refused, the handler closes with what SpawnRefused says: `close_code`, `close_reason`.
    Cancellation: the client is told 1001, within `close_grace`.

    Raises:
      ValueError: the scope is of neither a WebSocket nor a request; that one is answered with 404.
    """
    spec = spec or AsgiSpec()
    if scope["type"] == "http":
        await _answer_404(send)
    elif scope["type"] != "websocket":
        raise ValueError(f"a WebSocket is served here, not {scope['type']!r}")
    elif await _shake_hands(scope, receive, send, spec):
        await _run(handler, _Transport(_Reader(receive, spec), Sender(send), spec), _peer(scope))


async def _answer_404(send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"no WebSocket was asked for\n"})


async def _shake_hands(scope: Scope, receive: Receive, send: Send, spec: AsgiSpec) -> bool:
    """Was it accepted? What is closed before is answered with 403, by the server."""
    headers = [(bytes(name), bytes(value)) for name, value in scope["headers"]]  # names in lower case
    host = dict(headers).get(b"host", b"").lower()
    welcomed = welcome(headers, host, spec.origins)
    with suppress(OSError), trio.move_on_after(spec.handshake):
        if (await receive())["type"] == "websocket.connect":
            await send({"type": "websocket.accept" if welcomed else "websocket.close"})
            return welcomed
    return False


def _peer(scope: Scope) -> str:
    """Its address for people; a server need not tell it."""
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else "unknown"


async def _run(handler: Handler, transport: _Transport, peer: str) -> None:
    connection = Connection(peer, transport, transport.spec.connection)
    crash: list[Exception] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.sender.run)
        nursery.start_soon(transport.run_reader)
        try:
            await connection.run(noting(handler, crash))
        finally:
            transport.abort()
            nursery.cancel_scope.cancel()
    if crash:
        raise crash[0]


@attrs.define(eq=False, repr=False)
class _Reader:
    """What comes in: messages to the handler, and signs of life."""

    _receive: Receive
    _spec: AsgiSpec
    last_inbound: float = attrs.field(init=False, factory=trio.current_time)
    read_since: float | None = attrs.field(init=False, default=None)
    round_trip: float | None = attrs.field(init=False, default=None)
    left: ConnectionClosed | None = attrs.field(init=False, default=None)
    """How the client has left."""
    over: trio.Event = attrs.field(init=False, factory=trio.Event)
    """Nobody reads any more."""
    _fault: ConnectionClosed | None = attrs.field(init=False, default=None)
    """The client's, for which it is closed."""
    _asked_at: float | None = attrs.field(init=False, default=None)
    _unanswered: int = attrs.field(init=False, default=0)
    """Pings, also those that a message was answer enough to."""
    _unasked: TokenBucket = attrs.field(init=False)
    """Answers to nothing are no messages, and yet not for free."""
    _texts: tuple[trio.MemorySendChannel[str], trio.MemoryReceiveChannel[str]] = attrs.field(
        init=False, factory=lambda: trio.open_memory_channel[str](1)
    )

    def __attrs_post_init__(self) -> None:
        self._unasked = TokenBucket(self._spec.connection.rate, self._spec.connection.burst)

    async def run(self) -> None:
        """Until the client has left. What comes after its fault, or after `dismiss`, is read away."""
        try:
            with self._texts[0]:
                await self._read_texts()
            while self.left is None:
                await self._next()
        finally:
            self.over.set()

    async def _read_texts(self) -> None:
        try:
            while (message := await self._next()) is not None:
                text = self._text_of(message)
                if not self._spec.heartbeat.is_pong(text):
                    await self._texts[0].send(text)
                elif self._unanswered:
                    self._unanswered -= 1
                elif not self._unasked.take(trio.current_time()):
                    raise ConnectionClosed(CLOSE_POLICY, "too many answers that nobody asked for")
        except ConnectionClosed as fault:
            self._fault = fault
        except trio.BrokenResourceError:
            pass  # dismissed

    async def _next(self) -> Mapping[str, Any] | None:
        """None: the client has left."""
        self.read_since = trio.current_time()
        try:
            message: Mapping[str, Any] = await self._receive()
        finally:
            self.read_since = None
        if message["type"] == "websocket.disconnect":
            self.left = ConnectionClosed(message.get("code", 1005), message.get("reason") or "")
            return None
        self.last_inbound = trio.current_time()
        if self._asked_at is not None:
            self.round_trip, self._asked_at = self.last_inbound - self._asked_at, None
        return message

    def _text_of(self, message: Mapping[str, Any]) -> str:
        text: str | None = message.get("text")
        if text is None:
            raise not_text()
        if len(text) > self._spec.message_bytes:
            raise ConnectionClosed(CLOSE_TOO_BIG, f"more than {self._spec.message_bytes} characters")
        return text

    def asked(self) -> None:
        """The client was pinged."""
        self._unanswered += 1
        if self._asked_at is None:
            self._asked_at = trio.current_time()

    async def text(self) -> str:
        """Raises ConnectionClosed, when all was received that came before."""
        try:
            return await self._texts[1].receive()
        except trio.EndOfChannel:
            closed = self._fault or self.left or ConnectionClosed(ABNORMAL, "the wire was cut")
            raise ConnectionClosed(closed.code, closed.reason) from None

    def dismiss(self) -> None:
        """Nobody wants a text any more."""
        self._texts[1].close()


@attrs.define(eq=False, repr=False)
class _Transport:
    """The Transport of a Connection, on one ASGI WebSocket."""

    _reader: _Reader
    sender: Sender
    spec: AsgiSpec
    outbox: Outbox = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.outbox = Outbox(self.sender)

    async def run_reader(self) -> None:
        try:
            await self._reader.run()
        finally:
            self.sender.muted = self._reader.left is not None

    @property
    def framing(self) -> Callable[[str], bytes]:
        return text_parcel

    @property
    def last_inbound(self) -> float:
        return self._reader.last_inbound

    @property
    def round_trip(self) -> float | None:
        return self._reader.round_trip

    @property
    def read_since(self) -> float | None:
        return self._reader.read_since

    @property
    def taken(self) -> int:
        return self.outbox.written

    @property
    def has_left(self) -> bool | None:
        return False if self._reader.left is None else None

    async def receive(self) -> str:
        return await self._reader.text()

    def ping_soon(self) -> None:
        self._reader.asked()
        self.outbox.push(text_parcel(self.spec.heartbeat.ping))

    async def aclose(self, code: int, reason: str) -> None:
        """Say goodbye, and wait for the client's, as long as there is somebody who reads."""
        self._reader.dismiss()
        self.outbox.push_last(close_parcel(code, reason))
        await self.outbox.flush()
        if self.outbox.broken:
            raise ConnectionClosed(ABNORMAL, "the wire was cut")
        await self._reader.over.wait()

    def abort(self) -> None:
        self.sender.abort()
