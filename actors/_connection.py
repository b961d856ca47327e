"""Connection: one client's wire. Proof of life, a bounded outbox, an orderly end; no WebSocket library."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs
import trio

from ._errors import ConnectionClosed
from ._silence import ConnectionSpec, Dead, Ping, Wait, next_step

CLOSE_GOING_AWAY = 1001
CLOSE_ERROR = 1011
CLOSE_SLOW = 4008
"""Close code for a peer that does not read: from the range for private use."""
CLOSE_DEAD = 1006
"""What a connection without a Close frame counts as, by RFC 6455; it is never sent."""

# A message is charged this much on top of its text, so that empty ones are bounded too, in bytes.
_MESSAGE_OVERHEAD = 64

# A pinger that wakes this many seconds late was itself held up: nobody is convicted by that wait.
_LATE = 0.5

# A handler that does not read for so long has paused, and the answer to a ping may lie unread, in seconds.
# A shorter gap between two `receive` is none: who polls would never find out that the peer is gone.
_PAUSE = 0.5


class Transport(Protocol):
    """What a Connection needs of a wire."""

    @property
    def last_inbound(self) -> float:
        """When a byte last came in: the only proof of life."""
        ...

    async def send(self, text: str) -> None:
        """Raises ConnectionClosed. Cancelled half way, the wire must not be used again."""
        ...

    async def receive(self) -> str:
        """Raises ConnectionClosed."""
        ...

    def ping_soon(self) -> None:
        """Send something that a living peer answers, without waiting."""
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
    queued_bytes: int
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
    _outbox: deque[tuple[str, int]] = attrs.field(init=False, factory=deque[tuple[str, int]])
    _queued_bytes: int = attrs.field(init=False, default=0)
    _pings: tuple[float, ...] = attrs.field(init=False, default=())
    _reading_since: float = attrs.field(init=False, default=-math.inf)
    """Since when the handler reads without a pause; silence counts from then."""
    _paused_at: float = attrs.field(init=False, default=-math.inf)
    """When the last `receive` ended; infinity during one."""
    _closing: ConnectionClosed | None = attrs.field(init=False, default=None)
    _drained: trio.Event = attrs.field(init=False, factory=trio.Event)
    _writer: trio.Event = attrs.field(init=False, factory=trio.Event)
    _written: trio.Event = attrs.field(init=False, factory=trio.Event)
    """Set when the writer has ended and the wire is free for the goodbye."""
    _open: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)
    """Around the handler; cancelled when the connection begins to close."""
    _pinger: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)
    _at_close: dict[object, Callable[[str], None]] = attrs.field(
        init=False, factory=dict[object, Callable[[str], None]]
    )
    _at_message: dict[object, Callable[[float], None]] = attrs.field(
        init=False, factory=dict[object, Callable[[float], None]]
    )

    @property
    def closed(self) -> ConnectionClosed | None:
        """Why it takes nothing any more; None while it is open."""
        return self._closing

    def statistics(self) -> ConnectionStatistics:
        return ConnectionStatistics(
            last_inbound=self._transport.last_inbound,
            queued_bytes=self._queued_bytes,
            unanswered_pings=len(self._pings),
        )

    def __repr__(self) -> str:
        state = "open" if self._closing is None else f"closed {self._closing.code}"
        return f"<Connection {self.peer} {state}, {self._queued_bytes} bytes queued>"

    # Talking

    def send_nowait(self, text: str) -> None:
        """Queue a message; it leaves in order. A peer with too much unsent is cut off.

        Raises:
          ConnectionClosed: it is closed, or was just cut off for being slow.
        """
        if self._closing is not None:
            raise ConnectionClosed(self._closing.code, self._closing.reason)
        size = _MESSAGE_OVERHEAD + (len(text) if text.isascii() else len(text.encode()))
        if self._queued_bytes + size > self.spec.outbox_bytes:
            self.abort(CLOSE_SLOW, f"too slow: {self._queued_bytes} bytes wait unread")
            raise ConnectionClosed(CLOSE_SLOW, "too slow")
        self._outbox.append((text, size))
        self._queued_bytes += size
        self._writer.set()

    async def wait_sendable(self) -> None:
        """Wait until little is unsent, or it closes: for long replies to a slow reader."""
        await trio.lowlevel.checkpoint()
        while self._closing is None and self._queued_bytes > self.spec.outbox_bytes // 2:
            await self._drained.wait()

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
        if not self._reads:
            self._reading_since = trio.current_time()
        self._paused_at = math.inf
        try:
            message = await self._transport.receive()
        except ConnectionClosed as closed:
            self._end(closed)
            raise
        finally:
            self._paused_at = trio.current_time()
        for function in self._at_message.values():
            function(trio.current_time())
        return message

    @property
    def _reads(self) -> bool:
        return trio.current_time() - self._paused_at < _PAUSE

    def check(self) -> None:
        """Ask a peer that is not heard right now for a sign of life, without waiting for `quiet`."""
        if self._pings or self._closing is not None or not self._reads:
            return
        if trio.current_time() - self._transport.last_inbound >= self.spec.ping_timeout:
            try:
                self._ping()
            except Exception as error:  # noqa: BLE001  # whoever checks is not to suffer for it
                self.close(CLOSE_ERROR, f"its transport failed: {error!r}")
            self._pinger.cancel()

    # Ending

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued, say goodbye, and end; within `close_grace`. Returns at once."""
        self._end(ConnectionClosed(code, reason))

    def abort(self, code: int = CLOSE_DEAD, reason: str = "") -> None:
        """Cut the wire now. Returns at once."""
        try:
            self._end(ConnectionClosed(code, reason))
        finally:
            self._drop_outbox()
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
        self._writer.set()
        self._drained.set()
        failures: list[Exception] = []
        while self._at_close:
            _, function = self._at_close.popitem()
            try:
                function(str(closed))
            except Exception as error:  # noqa: BLE001  # raised below, when all were told
                failures.append(error)
        if failures:
            raise failures[0]

    def _drop_outbox(self) -> None:
        self._outbox.clear()
        self._queued_bytes = 0

    # Running

    async def run(self, handler: Callable[[Connection], Awaitable[None]]) -> None:
        """Serve the connection: its handler, its writer, its pinger. Returns when all is over.

        The handler is cancelled when the connection is over, and the connection closed when the
        handler returns. A ConnectionClosed that leaves the handler is a normal end.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write_until_closed)
            nursery.start_soon(self._keep_alive)
            try:
                await self._handle(handler)
                self.close()
            except Exception:
                self.close(CLOSE_ERROR, "internal error")
                raise
            finally:
                self.close(CLOSE_GOING_AWAY, "going away")
                await self._say_goodbye()  # noqa: ASYNC102  # it bounds itself
                nursery.cancel_scope.cancel()

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
        with trio.move_on_after(self.spec.close_grace, shield=True):
            try:
                await self._written.wait()
                while self._outbox:
                    await self._transport.send(self._outbox.popleft()[0])
                await self._transport.aclose(self._closing.code, self._closing.reason)
            except ConnectionClosed:
                self._drop_outbox()
        self._transport.abort()

    async def _write_until_closed(self) -> None:
        """The only writer until the connection begins to close."""
        try:
            while self._closing is None:
                while self._outbox and self._closing is None:
                    await self._write_one()
                if self._closing is None:
                    self._writer = trio.Event()
                    await self._writer.wait()
        finally:
            self._written.set()

    async def _write_one(self) -> None:
        text, size = self._outbox.popleft()
        with trio.move_on_after(self.spec.stall) as stalled:
            try:
                await self._transport.send(text)
            except ConnectionClosed as closed:
                self._end(closed)
            except trio.Cancelled:
                self._transport.abort()  # a torn frame: whatever followed would be taken for its rest
                raise
            finally:
                self._queued_bytes -= size
                self._drained.set()
                self._drained = trio.Event()
        if stalled.cancelled_caught:
            self.abort(CLOSE_SLOW, f"too slow: nothing was read for {self.spec.stall:g} s")

    async def _keep_alive(self) -> None:
        """Ping a quiet peer, and cut it off when it stays silent. Silence counts only while we read."""
        while self._closing is None:
            step = self._step()
            match step:
                case Ping():
                    self._ping()
                case Dead(silent_for):
                    self.abort(CLOSE_DEAD, f"silent for {silent_for:.0f} s, two pings unanswered")
                case Wait(until):
                    await self._wait_until(until)

    def _step(self) -> Wait | Ping | Dead:
        now = trio.current_time()
        if not self._reads:
            self._pings = ()
            return Wait(now + self.spec.quiet)
        heard = max(self._transport.last_inbound, self._reading_since)
        if self._pings and self._transport.last_inbound >= self._pings[0]:
            self._pings = ()
        return next_step(last_inbound=heard, pings=self._pings, spec=self.spec, now=now)

    def _ping(self) -> None:
        self._pings = (*self._pings, trio.current_time())
        self._transport.ping_soon()

    async def _wait_until(self, until: float) -> None:
        """Sleep; when woken late, restart the clock of the ping that was being waited for."""
        with self._pinger:
            await trio.sleep_until(until)
        self._pinger = trio.CancelScope()
        now = trio.current_time()
        if now - until > _LATE and self._pings:
            self._pings = (*self._pings[:-1], now)
