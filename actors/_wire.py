"""The stream under a WebSocket: stamps what comes in, owns the write side, and can be cut off at once."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, runtime_checkable

import attrs
import trio

from ._outbox import Outbox

if sys.platform != "win32":
    import fcntl
    import termios

# Whoever writes through `send_all` waits while more than that is queued, in bytes; as much as Trio
# lets wait in the kernel. It holds up a flood of pings, whose pongs nobody reads.
_SEND_ALL_QUEUES = 16 * 1024

# A stream that is no socket is given so much at once, in bytes: each has the time of a stall.
_STREAM_CHUNK = 16 * 1024

# The end of a stream is waited for so long after a last word, in seconds.
_LAST_WORD_WITHIN = 0.4

# Bytes that count for no message are forgotten at this rate, in bytes a second: a peer that only
# ever pings (10 bytes every 20 s) may do so for ever.
_FORGIVEN = 8.0

# The first byte of a Close frame.
_CLOSE = 0x88

# States of a TCP socket as Linux counts them: the peer is gone, and the peer has said its last.
_TCP_CLOSE, _TCP_CLOSE_WAIT = 7, 8


@runtime_checkable
class Abortable(Protocol):
    """A stream, other than of a socket, that can be cut off without waiting."""

    def abort(self) -> None:
        """Reset the connection now. Whoever uses it, here or there, finds it closed or broken."""
        ...


class WireFlooded(trio.BrokenResourceError):
    """The peer sends and sends, and no message comes of it."""


class Wire(trio.abc.Stream):
    """A stream that knows when its last byte came in, that never makes a writer wait for its peer,
    and that can be cut off at once. It owns the stream: nobody else may close it.

    `flood` is how many bytes may come in without a whole
    message; None: any number.
    """

    def __init__(self, stream: trio.abc.Stream, *, flood: int | None = None) -> None:
        self._stream = stream
        self._socket = _socket_of(stream)
        if os.name == "posix" and isinstance(stream, trio.SocketStream):
            self.outbox = Outbox(_SocketSink(stream.socket))
            self.outbox.descriptor = stream.socket.fileno()
        else:
            self.outbox = Outbox(_StreamSink(stream))
        self.last_inbound = trio.current_time()
        self.read_since: float | None = None
        """Since when somebody waits for the next byte; None: nobody does, and an answer may lie unread."""
        self.round_trip: float | None = None
        """From the last ping that was answered to the first byte after it, in seconds."""
        self.peer = _peer_of(self._socket)
        self.last_words: Callable[[], bytes] | None = None
        """Gives the Close frame that is still to be sent when the stream is closed, or nothing."""
        self.at_end: Callable[[], None] | None = None
        """Called when nothing more will come in."""
        self.flooded = False
        self._flood = flood
        self._pinged_at: float | None = None
        self._counted = 0.0
        self._said_close = False
        self._over = False
        """Nobody reads any more, but for the end."""
        self._heard_all = False
        """The peer's end, or a reset, was read."""
        self._lingered: trio.Event | None = None

    # Reading

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Raises WireFlooded besides what the stream below does."""
        data: bytes | bytearray = b""
        try:
            if self._over:
                raise trio.ClosedResourceError("this wire is being closed")
            self.read_since = trio.current_time()
            data = await self._stream.receive_some(max_bytes)
            self._heard_all = not data
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._heard_all = True
            raise
        finally:
            self.read_since = None
            if not data and self.at_end is not None:
                self.at_end()
        if data:
            self._note(len(data))
        return data

    def _note(self, count: int) -> None:
        now = trio.current_time()
        if self._pinged_at is not None:
            self.round_trip, self._pinged_at = now - self._pinged_at, None
        forgiven = (now - self.last_inbound) * _FORGIVEN
        self._counted = max(0.0, self._counted - forgiven) + count
        self.last_inbound = now
        if self._flood is not None and self._counted > self._flood:
            self.flooded = True
            raise WireFlooded(f"more than {self._flood} bytes, and no message")

    def message_taken(self) -> None:
        """A whole message has come out at the other end."""
        self._counted = 0.0

    # Writing

    def ping(self, frame: bytes) -> None:
        """Send something that a living peer answers."""
        if self._pinged_at is None:
            self._pinged_at = trio.current_time()
        self.outbox.push(frame)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Queue it; waits only while much is queued already, so returning says nothing of the peer.

        After a Close frame nothing is written.
        """
        if self._said_close:
            raise trio.ClosedResourceError("a Close frame was sent")
        frame = bytes(data)
        if frame[:1] == bytes([_CLOSE]):
            self._say_close(frame)
            await self.outbox.flush()
        else:
            self.outbox.push(frame)
            await self.outbox.wait_at_most(_SEND_ALL_QUEUES)
        if self.outbox.broken:
            raise trio.BrokenResourceError("the wire is lost")

    def _say_close(self, frame: bytes) -> None:
        """Nothing follows a Close, broadcasts and pings neither."""
        self._said_close = True
        self.outbox.push_last(frame)

    async def wait_send_all_might_not_block(self) -> None:
        await self.outbox.wait_at_most(_SEND_ALL_QUEUES)

    @property
    def taken(self) -> int:
        """Bytes that the peer's kernel has, ever, where ours tells; else those that ours has."""
        return self.outbox.written - _unacknowledged(self._socket)

    # Ending

    @property
    def has_left(self) -> bool | None:
        """Has the peer said its last, or is it gone, as the kernel knows even where nobody reads?

        True: reset, or given up. None: its end lies behind what it has sent. False: neither, as
        far as is known; only Linux tells of what was not read.
        """
        state = _tcp_state(self._socket)
        if state == _TCP_CLOSE:
            return True
        return None if self._over or self._heard_all or state == _TCP_CLOSE_WAIT else False

    async def aclose(self) -> None:
        """Say the last words, write what waits, and close; bounded."""
        self._over = True
        try:
            with trio.move_on_after(_LAST_WORD_WITHIN):
                await (self.linger() if self._say_last_words() else self.outbox.flush())
        finally:
            if self.at_end is not None:  # a bad request was answered; nobody reads on
                self.at_end()
            self.outbox.drop()
            # TLS says goodbye of its own: a peer that reads nothing would hold it up for ever.
            with trio.move_on_after(_LAST_WORD_WITHIN):
                await self._stream.aclose()  # noqa: ASYNC102  # cancelled, it is closed all the same

    def _say_last_words(self) -> bool:
        words = self.last_words() if self.last_words is not None and not self._said_close else b""
        if words:
            self._say_close(words)
        return bool(words)

    async def linger(self) -> None:
        """Say the last words, end our half, and read away what still comes.

        Closing with unread data would reset the connection and so destroy our Close frame.
        """
        self._say_last_words()
        if self._lingered is not None:  # another task does
            await self._lingered.wait()
            return
        self._over = True
        self._lingered = trio.Event()
        try:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._linger()
        finally:
            self._lingered.set()

    async def _linger(self) -> None:
        await self.outbox.flush()
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            await self._stream.send_eof()
        while await self._read_away():
            pass

    async def _read_away(self) -> bool:
        try:
            return bool(await self._stream.receive_some())
        except trio.BusyResourceError:  # trio-websocket's reader is in its last read
            await trio.sleep(0.01)
            return True

    def abort(self) -> None:
        """Reset: the peer is told at once if it is there, and the kernel keeps no orphan."""
        self.outbox.drop()
        if self._socket is not None and self._socket.fileno() != -1:
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._socket.close()
        elif isinstance(self._stream, Abortable):
            self._stream.abort()


@attrs.define(eq=False, repr=False)
class _SocketSink:
    """Writes straight to the socket, without Trio's checkpoint after every write. POSIX."""

    _socket: trio.socket.SocketType

    def write_now(self, data: bytes) -> int:
        descriptor = self._socket.fileno()
        if descriptor == -1:
            raise trio.ClosedResourceError("this socket was closed")
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error

    async def write_some(self, data: bytes) -> int:
        while not (count := self.write_now(data)):
            await trio.lowlevel.wait_writable(self._socket)
        return count


@attrs.define(eq=False, repr=False)
class _StreamSink:
    """Any other stream (TLS, memory, a socket on Windows) is written to by the flusher alone."""

    _stream: trio.abc.Stream
    _torn: bool = attrs.field(init=False, default=False)

    def write_now(self, data: bytes) -> int:  # noqa: ARG002  # as the protocol says
        return 0

    async def write_some(self, data: bytes) -> int:
        if self._torn:
            raise trio.BrokenResourceError("a frame was torn")
        chunk = data[:_STREAM_CHUNK]
        await trio.lowlevel.checkpoint_if_cancelled()
        self._torn = True  # unless it returns: cancelled, it may have sent a part
        await self._stream.send_all(chunk)
        self._torn = False
        return len(chunk)


def _socket_of(stream: trio.abc.Stream) -> trio.socket.SocketType | None:
    """The socket at the bottom, under TLS too."""
    if isinstance(stream, trio.SSLStream):
        return _socket_of(stream.transport_stream)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    return stream.socket if isinstance(stream, trio.SocketStream) else None


def _tcp_state(of: trio.socket.SocketType | None) -> int | None:
    if of is None or of.fileno() == -1 or not hasattr(socket, "TCP_INFO"):
        return None
    try:
        return of.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    except OSError:  # a socket, but not of TCP
        return None


def _unacknowledged(of: trio.socket.SocketType | None) -> int:
    """Bytes that our kernel holds for the peer; 0 also where it does not tell."""
    if sys.platform == "win32" or of is None or of.fileno() == -1:
        return 0
    try:
        count = fcntl.ioctl(of.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int.from_bytes(count, sys.byteorder)


def _peer_of(of: trio.socket.SocketType | None) -> str:
    """The peer's address for people; it may be gone already, or, on a Unix socket, have none."""
    if of is None:
        return "memory"
    try:
        name = of.getpeername()
    except OSError:
        return "gone"
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "local"
