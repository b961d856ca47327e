"""A cheap client's view of a WebSocket: count the messages, hand out the rest. Pure.

Every message that a room sends is JSON that begins with its type, so that one byte tells it.
"""

from __future__ import annotations

import attrs

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

PREFIX = b'{"type":"'

_AT_KIND = len(PREFIX)
_MESSAGE = ord("m")
"""Of all that the chat says, only a `message` begins with it."""

_WHOLE_TEXT = 0x80 | TEXT


def client_frame(opcode: int, payload: bytes) -> bytes:
    """A whole frame under a mask of zeros, which is a mask as any, and costs nothing to apply."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


@attrs.define(eq=False)
class Reader:
    """What comes in on one connection after the handshake."""

    others: list[tuple[int, bytes]] = attrs.field(factory=list[tuple[int, bytes]])
    """Every frame that is no message, with its opcode; for whoever reads to take away."""
    _owed: int = attrs.field(init=False, default=0)
    """Bytes still to come of a message that has begun."""
    _rest: bytes = attrs.field(init=False, default=b"")
    """The beginning of a frame of which too little is known."""

    def feed(self, data: bytes | bytearray, size: int) -> int:
        """How many messages are whole with the first `size` bytes of this buffer."""
        if self._owed > size:
            self._owed -= size
            return 0
        messages, at = (1, self._owed) if self._owed else (0, 0)
        self._owed = 0
        if self._rest:
            data = self._rest + data[:size]
            size, self._rest = len(data), b""
        while size - at >= 2:
            body, end = _extent(data, at, size)
            if data[at] == _WHOLE_TEXT and body + _AT_KIND < size and data[body + _AT_KIND] == _MESSAGE:
                if end > size:
                    self._owed = end - size
                    return messages
                messages += 1
            elif end > size:
                break
            else:
                self.others.append((data[at] & 15, bytes(data[body:end])))
            at = end
        self._rest = bytes(data[at:size])
        return messages


def _extent(data: bytes | bytearray, at: int, size: int) -> tuple[int, int]:
    """Where the payload of the frame at `at` begins and ends; past `size` while its head is not whole."""
    length = data[at + 1]
    if length < 126:
        return at + 2, at + 2 + length
    if size - at < 4:
        return size, size + 1
    if length == 126:
        return at + 4, at + 4 + (data[at + 2] << 8 | data[at + 3])
    return at + 10, at + 10 + int.from_bytes(data[at + 2 : at + 10], "big")


def kind_of(payload: bytes) -> str:
    """The first letter of the type of what the chat says."""
    return chr(payload[_AT_KIND])
