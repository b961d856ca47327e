"""Connection: one client's wire. Proof of life, limits, an orderly end; no WebSocket library."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

import attrs
import trio

from ._errors import ConnectionClosed
from ._keeper import Keeper
from ._life import Life, Signs
from ._outbox import FRAME_OVERHEAD, Outbox
from ._rate import TokenBucket
from ._silence import ConnectionSpec, Dead, Ping, Wait

CLOSE_GOING_AWAY = 1001
CLOSE_POLICY = 1008
CLOSE_ERROR = 1011
CLOSE_SLOW = 4008
"""Close code for a peer that does not read: from the range for private use."""
CLOSE_DEAD = 1006
"""What a connection without a Close frame counts as, by RFC 6455; it is never sent."""


Framing: TypeAlias = Callable[[str], bytes]
"""Makes a frame of a text. The same function for all wires that take the same bytes."""


class Frame:
    """A text that goes to many connections: framed once, for all whose wires take the same bytes.

    Raises:
      UnicodeEncodeError: no wire takes it (half a surrogate pair, say); nobody has heard anything.
    """

    __slots__ = ("_bytes", "_framing", "text")

    def __init__(self, text: str) -> None:
        text.encode()  # its speaker is to hear of it, and not all who listen
        self.text = text
        self._framing: Framing | None = None
        self._bytes = b""

    @property
    def usual(self) -> tuple[bytes, Framing | None]:
        """As it was last framed, and by what; None: it was not."""
        return self._bytes, self._framing

    def by(self, framing: Framing) -> bytes:
        """As it goes over wires with this framing."""
        if framing is not self._framing:
            self._framing, self._bytes = framing, framing(self.text)
        return self._bytes

    def __repr__(self) -> str:
        return f"<Frame of {len(self.text)} characters>"


class Transport(Signs, Protocol):
    """What a Connection needs of a wire, besides signs of life."""

    @property
    def outbox(self) -> Outbox:
        """Where frames go."""
        ...

    @property
    def framing(self) -> Framing: ...

    @property
    def round_trip(self) -> float | None:
        """Of the last ping that was answered, in seconds."""
        ...

    async def receive(self) -> str:
        """Raises ConnectionClosed."""
        ...

    async def aclose(self, code: int, reason: str) -> None:
        """The closing handshake; the caller bounds it."""
        ...

    def abort(self) -> None:
        """Cut the wire now, without a goodbye."""
        ...


@attrs.frozen
class ConnectionStatistics:
    """A snapshot of one connection."""

    last_inbound: float
    """When a byte last came in, in Trio's time."""
    round_trip: float | None
    """Of the last ping that was answered, in seconds; None: none was needed yet."""
    queued_bytes: int
    """Not yet taken by the wire, with some bytes on top for each message."""
    unanswered_pings: int


def _first(group: BaseExceptionGroup[ConnectionClosed]) -> ConnectionClosed:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, ConnectionClosed)
    return error


@attrs.define(eq=False, repr=False)
class Connection:
    """One client's wire, as an actor and the edge see it.

    Sending is synchronous and never blocks: a peer that does not keep up is cut off, so that it
    can hold up nobody. What we send proves nothing about the peer; only what comes in does.
    """

    peer: str
    _transport: Transport
    spec: ConnectionSpec = attrs.field(factory=ConnectionSpec)
    _outbox: Outbox = attrs.field(init=False)
    _framing: Framing = attrs.field(init=False)
    _bucket: TokenBucket = attrs.field(init=False)
    _life: Life = attrs.field(init=False)
    _closing: ConnectionClosed | None = attrs.field(init=False, default=None)
    _open: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)
    """Around the handler; cancelled when the connection begins to close."""
    _keeper: tuple[Keeper, int] | None = attrs.field(init=False, default=None)
    _nursery: trio.Nursery | None = attrs.field(init=False, default=None)
    _at_close: dict[object, Callable[[str], None]] = attrs.field(
        init=False, factory=dict[object, Callable[[str], None]]
    )
    _at_message: dict[object, Callable[[float], None]] = attrs.field(
        init=False, factory=dict[object, Callable[[float], None]]
    )

    def __attrs_post_init__(self) -> None:
        self._outbox, self._framing = self._transport.outbox, self._transport.framing
        self._outbox.lost, self._outbox.stall = self._lost, self.spec.stall
        self._outbox.budget, self._outbox.framing = self.spec.outbox_bytes, self._framing
        self._bucket = TokenBucket(self.spec.rate, self.spec.burst)
        self._life = Life(self._transport, self.spec)

    @property
    def closed(self) -> ConnectionClosed | None:
        """Why it takes nothing any more; None while it is open."""
        return self._closing

    def statistics(self) -> ConnectionStatistics:
        return ConnectionStatistics(
            last_inbound=self._transport.last_inbound,
            round_trip=self._transport.round_trip,
            queued_bytes=self._outbox.queued,
            unanswered_pings=self._life.unanswered,
        )

    def __repr__(self) -> str:
        state = "open" if self._closing is None else f"closed {self._closing.code}"
        return f"<Connection {self.peer} {state}, {self._outbox.queued} bytes queued>"

    # Talking

    def send_nowait(self, message: str | Frame) -> None:
        """Queue a message; it leaves in order, with this turn of the event loop. A peer with too much
        unsent is cut off.

        Raises:
          ConnectionClosed: it is closed, or was just cut off for being slow.
        """
        if self._closing is not None:
            raise ConnectionClosed(self._closing.code, self._closing.reason)
        frame = message.by(self._framing) if isinstance(message, Frame) else self._framing(message)
        size = len(frame) + FRAME_OVERHEAD
        if self._outbox.queued + size > self.spec.outbox_bytes and self.keeps_up:
            self._outbox.write()  # so much in one turn: it had no chance to read it yet
        if self._outbox.queued + size > self.spec.outbox_bytes:
            self.abort(CLOSE_SLOW, f"too slow: {self._outbox.queued} bytes wait unread")
            raise ConnectionClosed(CLOSE_SLOW, "too slow")
        self._outbox.push(frame)

    @property
    def outbox(self) -> Outbox:
        """What is on its way to the peer; for what frames by itself, as a Group does."""
        return self._outbox

    @property
    def keeps_up(self) -> bool:
        """Does it have nothing left unsent from before this turn of the event loop?"""
        return not self._outbox.held_up

    async def wait_sendable(self) -> None:
        """Wait until little is unsent, or it closes: for long replies to a slow reader."""
        await trio.lowlevel.checkpoint()
        if self._closing is None:
            await self._outbox.wait_at_most(self.spec.outbox_bytes // 2)

    async def send(self, text: str) -> None:
        """As `send_nowait`, after `wait_sendable`. Cancellation: the message was not sent."""
        await self.wait_sendable()
        self.send_nowait(text)

    async def receive(self) -> str:
        """The next message. Cancellation: no message is lost.

        Raises:
          ConnectionClosed: with the peer's code and reason, or ours.
        """
        if self._closing is not None:
            raise ConnectionClosed(self._closing.code, self._closing.reason)
        try:
            message = await self._transport.receive()
        except ConnectionClosed as closed:
            self._end(closed)
            raise
        self._count(trio.current_time())
        return message

    def _count(self, now: float) -> None:
        """One more message has come in; too many close the connection."""
        if not self._bucket.take(now):
            self.close(CLOSE_POLICY, f"more than {self.spec.rate:g} messages a second")
            raise ConnectionClosed(CLOSE_POLICY, "too many messages")
        for function in tuple(self._at_message.values()):
            function(now)

    def check(self) -> None:
        """Ask a peer that is not heard right now for a sign of life, without waiting for `quiet`."""
        if self._closing is not None:
            return
        try:
            self._life.ask(trio.current_time())
        except Exception as error:  # noqa: BLE001  # whoever checks is not to suffer for it
            self.close(CLOSE_ERROR, f"its transport failed: {error!r}")
        if self._keeper is not None:
            keeper, number = self._keeper
            keeper.look_again(number)

    # Ending

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued, say goodbye, and end; within `close_grace`. Returns at once."""
        self._end(ConnectionClosed(code, reason))

    def abort(self, code: int = CLOSE_DEAD, reason: str = "") -> None:
        """Cut the wire now. Returns at once."""
        try:
            self._end(ConnectionClosed(code, reason))
        finally:
            self._outbox.drop()
            self._transport.abort()

    def call_at_close(self, key: object, function: Callable[[str], None]) -> None:
        """Have `function(why)` called once, as soon as the connection begins to close."""
        self._at_close[key] = function

    def forget_at_close(self, key: object) -> None:
        self._at_close.pop(key, None)

    def call_at_message(self, key: object, function: Callable[[float], None]) -> None:
        """Have `function(now)` called for every message that comes in, until the close."""
        self._at_message[key] = function

    def forget_at_message(self, key: object) -> None:
        self._at_message.pop(key, None)

    def _end(self, closed: ConnectionClosed) -> None:
        if self._closing is not None:
            return
        self._closing = closed
        self._open.cancel()
        self._outbox.ending()
        if self._keeper is not None:
            keeper, number = self._keeper
            keeper.forget(number)
        failures: list[Exception] = []
        while self._at_close:
            _, function = self._at_close.popitem()
            try:
                function(str(closed))
            except Exception as error:  # noqa: BLE001  # raised below, when all were told
                failures.append(error)
        if failures:
            raise failures[0]

    def _lost(self, why: str, /, *, slow: bool) -> None:
        if slow:
            self.abort(CLOSE_SLOW, f"too slow: {why}")
        else:
            self.abort(CLOSE_DEAD, why)

    # Running

    async def run(
        self, handler: Callable[[Connection], Awaitable[None]], *, keeper: Keeper | None = None
    ) -> None:
        """Serve the connection, with its handler. Returns when all is over.

        The handler is cancelled when the connection is over, and the connection closed when the
        handler returns. A ConnectionClosed that leaves the handler is a normal end. `keeper` sees
        to it that a quiet peer is pinged; without one the connection runs its own.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._outbox.serve(nursery)
            if keeper is None:
                keeper = Keeper()
                nursery.start_soon(keeper.run)
            try:
                self._keep_by(keeper)
                await self._handle(handler)
                self.close()
            except Exception:
                self.close(CLOSE_ERROR, "internal error")
                raise
            finally:
                try:
                    self.close(CLOSE_GOING_AWAY, "going away")
                finally:
                    await self._say_goodbye()  # noqa: ASYNC102  # it bounds itself
                    nursery.cancel_scope.cancel()

    def _keep_by(self, keeper: Keeper) -> None:
        number = keeper.watch(self)
        self._keeper = keeper, number
        if self._closing is not None:  # also by the first look, when the peer had left before it
            keeper.forget(number)

    async def _handle(self, handler: Callable[[Connection], Awaitable[None]]) -> None:
        """Run the handler while the connection is open. Also in a group, ConnectionClosed is no error."""
        try:
            with self._open:
                await handler(self)
        except* ConnectionClosed as group:
            self._end(_first(group))

    async def _say_goodbye(self) -> None:
        """Flush and close, bounded, also while everything around is being cancelled."""
        assert self._closing is not None
        try:
            with trio.move_on_after(self.spec.close_grace, shield=True):
                await self._outbox.flush()
                await self._transport.aclose(self._closing.code, self._closing.reason)
        except ConnectionClosed:
            self._outbox.drop()
        finally:
            self._transport.abort()

    def keep_alive(self, *, late: float) -> float:
        """Ping a quiet peer, and cut it off when it stays silent; when to look again.

        Silence counts only while we read. A look that is late itself convicts nobody.
        """
        try:
            return self._keep_alive(late)
        except Exception as error:  # noqa: BLE001  # one connection's trouble is nobody else's
            self._crash(error)
            return math.inf

    def _crash(self, error: Exception) -> None:
        async def fail() -> None:  # noqa: ASYNC124  # as a nursery wants it
            raise error

        assert self._nursery is not None
        self._nursery.start_soon(fail)

    def _keep_alive(self, late: float) -> float:
        while self._closing is None:
            now = trio.current_time()
            match self._life.step(now, late=late):
                case Ping():
                    self._life.ping(now)
                case Dead(silent_for):
                    self.abort(CLOSE_DEAD, f"silent for {silent_for:.0f} s, two pings unanswered")
                case Wait(until):
                    return until
        return math.inf
