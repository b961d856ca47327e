"""The stream under a WebSocket: stamps every inbound byte (a pong too), and can be cut off at once."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Protocol, runtime_checkable

import trio


@runtime_checkable
class Abortable(Protocol):
    """A stream, other than of a socket, that can be cut off without waiting."""

    def abort(self) -> None:
        """Reset the connection now. Whoever uses it, here or there, finds it closed or broken."""
        ...


class Wire(trio.abc.Stream):
    """A stream that knows when its last byte came in, and that can be cut off at once."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self._stream = stream
        self.last_inbound = trio.current_time()
        self.peer = _peer_of(stream)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        if data:
            self.last_inbound = trio.current_time()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def linger(self) -> None:
        """End our half and read away what still comes.

        Closing with unread data would reset the connection and so destroy our Close frame.
        """
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
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
        if isinstance(self._stream, trio.SocketStream) and self._stream.socket.fileno() != -1:
            linger = struct.pack("ii", 1, 0)
            self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._stream.socket.close()
        elif isinstance(self._stream, Abortable):
            self._stream.abort()


def _peer_of(stream: trio.abc.HalfCloseableStream) -> str:
    """The peer's address for people; it may be gone already."""
    if not isinstance(stream, trio.SocketStream):
        return "memory"
    try:
        host, port = stream.socket.getpeername()[:2]
    except OSError:
        return "gone"
    return f"{host}:{port}"
