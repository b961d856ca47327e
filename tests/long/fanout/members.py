"""Many raw sockets, one epoll: the members of a room, who count what they hear and answer pings."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress

import attrs

from .dialects import Dialect
from .frames import CLOSE, PING, PONG, Reader, client_frame, kind_of

# Handshakes under way at a time: enough to keep a server busy, within everybody's backlog.
_AT_ONCE = 64

# How long until all are in, or all is quiet, in seconds. Only ever reached by a server that is broken.
PATIENCE = 180.0

# Nothing came for so long: what the arrivals set off is over, in seconds.
_QUIET = 0.3

# More addresses of our own than that many members each: the ports of one would run out.
_PER_ADDRESS = 10_000

_BUFFER = 256 * 1024

_HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@attrs.define(eq=False)
class Member:
    """One connection."""

    number: int
    socket: socket.socket
    reader: Reader = attrs.field(factory=Reader)
    head: bytes | None = b""
    """The server's answer to the handshake so far; None once it is read."""
    ready: bool = False
    """It is in the room."""
    heard: int = 0
    """Messages."""
    end: str = ""
    """How it ended, as the member saw it."""


@attrs.define(eq=False)
class Members:
    """All members of one room. Every method is to be called by the one thread."""

    port: int
    dialect: Dialect
    on_heard: Callable[[Member, int], object] = lambda _, __: None
    """Called when a member has heard so many messages more, before they are added to `heard`."""
    all: list[Member] = attrs.field(init=False, factory=list[Member])
    acks: int = attrs.field(init=False, default=0)
    pings: int = attrs.field(init=False, default=0)
    errors: list[str] = attrs.field(init=False, factory=list[str])
    """What the room complained about."""
    _by_fd: dict[int, Member] = attrs.field(init=False, factory=dict[int, Member])
    _epoll: select.epoll = attrs.field(init=False, factory=select.epoll)
    _buffer: bytearray = attrs.field(init=False, factory=lambda: bytearray(_BUFFER))

    # Coming and going

    def gather(self, count: int) -> None:
        """Connect so many, have them join, and wait until nothing more comes in."""
        deadline = time.monotonic() + PATIENCE
        while len(self.all) < count:
            came = [self._connect(len(self.all)) for _ in range(min(_AT_ONCE, count - len(self.all)))]
            while not all(member.ready for member in came):
                self._check(deadline)
                self.turn(0.1)
        self.settle()

    def settle(self) -> None:
        """Wait until nothing has come in for a while, but for pings: of thousands there is always one."""
        deadline = time.monotonic() + PATIENCE
        rest = time.monotonic() + _QUIET
        while (wait := rest - time.monotonic()) > 0:
            pings = self.pings
            if self.turn(wait) > self.pings - pings:
                rest = time.monotonic() + _QUIET
            self._check(deadline)

    def _check(self, deadline: float) -> None:
        if self.ended or self.errors or time.monotonic() > deadline:
            raise RuntimeError(f"the members do not all get in, or to rest: {self}")

    @property
    def ended(self) -> list[str]:
        """How those ended who are not there any more."""
        return [member.end for member in self.all if member.end]

    def __str__(self) -> str:
        ready = sum(member.ready for member in self.all)
        return f"{ready} of {len(self.all)} are in; ended: {self.ended[:3]}; errors: {self.errors[:3]}"

    def _connect(self, number: int) -> Member:
        stream = socket.socket()
        if number >= _PER_ADDRESS:
            stream.bind((f"127.0.0.{1 + number // _PER_ADDRESS}", 0))
        stream.settimeout(PATIENCE)
        stream.connect(("127.0.0.1", self.port))
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.sendall(_HANDSHAKE.format(port=self.port).encode())
        stream.setblocking(False)
        member = Member(number, stream)
        self.all.append(member)
        self._by_fd[stream.fileno()] = member
        self._epoll.register(stream, select.EPOLLIN)
        return member

    def close(self) -> None:
        """Reset all connections: no port is left waiting."""
        self._epoll.close()
        for member in self.all:
            if member.socket.fileno() != -1:
                member.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                member.socket.close()

    def pause(self, member: Member) -> None:
        """It reads nothing more."""
        self._epoll.unregister(member.socket)

    def resume(self, member: Member) -> None:
        self._epoll.register(member.socket, select.EPOLLIN)

    # Reading

    def turn(self, timeout: float) -> int:
        """Wait for something to come in, and read it; from how many it came."""
        events = self._epoll.poll(timeout)
        for fd, _ in events:
            self._read(self._by_fd[fd])
        return len(events)

    def _read(self, member: Member) -> None:
        try:
            size = member.socket.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(member, type(error).__name__)
            return
        if not size:
            self._lose(member, "end of stream")
        elif member.head is None:
            self._hear(member, self._buffer, size)
        else:
            self._shake(member, member.head + self._buffer[:size])

    def _hear(self, member: Member, data: bytes | bytearray, size: int) -> None:
        messages = member.reader.feed(data, size)
        if messages:
            self.on_heard(member, messages)
            member.heard += messages
        if member.reader.others:
            self._hear_others(member)

    def _shake(self, member: Member, head: bytes) -> None:
        answer, ended, data = head.partition(b"\r\n\r\n")
        if not ended:
            member.head = head
        elif b" 101 " not in answer.partition(b"\r\n")[0]:
            self._lose(member, answer.partition(b"\r\n")[0].decode())
        else:
            member.head, member.ready = None, not self.dialect.answers
            member.socket.sendall(self.dialect.greeting(member.number))
            self._hear(member, data, len(data))

    def _hear_others(self, member: Member) -> None:
        for opcode, payload in member.reader.others:
            if opcode == PING:
                self.pings += 1
                with suppress(OSError):  # its end is in what is still to be read
                    member.socket.send(client_frame(PONG, payload))
            elif opcode == CLOSE:
                member.end = f"{int.from_bytes(payload[:2], 'big')} {payload[2:].decode()}"
            elif opcode != PONG:
                self._hear_kind(member, kind_of(payload), payload)
        member.reader.others.clear()

    def _hear_kind(self, member: Member, kind: str, payload: bytes) -> None:
        """Of the chat: welcome and presence say nothing here."""
        match kind:
            case "a":
                self.acks += 1
            case "j":
                member.ready = True
            case "e":
                self.errors.append(payload.decode())
            case _:
                pass

    def _lose(self, member: Member, how: str) -> None:
        member.end = member.end or how
        self._epoll.unregister(member.socket)
        del self._by_fd[member.socket.fileno()]
        member.socket.close()
