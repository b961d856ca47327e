"""A wire made of memory: connections without a network, and the edge that holds them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
import trio

from actors import ActorRef, Connection, ConnectionClosed, Outbox, attach

# After each message on this wire; no text has it.
_END = "\0"


def framed(text: str) -> bytes:
    """A message as it goes over a wire of memory."""
    return f"{text}{_END}".encode()


@attrs.define(eq=False)
class MemoryTransport:
    """A wire without a network. Its peer answers pings unless it is `mute`, and reads unless it `stall`s."""

    mute: bool = False
    last_inbound: float = attrs.field(factory=trio.current_time)
    read_since: float | None = attrs.field(init=False, default=-math.inf)
    """Nobody holds up what comes in here."""
    round_trip: float | None = attrs.field(init=False, default=None)
    has_left: bool | None = attrs.field(init=False, default=False)
    """What a kernel would say of the peer where nobody reads; see Transport."""
    outbox: Outbox = attrs.field(init=False)
    pings: int = attrs.field(init=False, default=0)
    ended: tuple[int, str] | None = attrs.field(init=False, default=None)
    _written: bytearray = attrs.field(init=False, factory=bytearray)
    _reads: trio.Event | None = attrs.field(init=False, default=None)
    _inbound: deque[str] = attrs.field(init=False, factory=deque[str])
    _news: trio.Event = attrs.field(init=False, factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self.outbox = Outbox(self)

    @property
    def sent(self) -> list[str]:
        """The whole messages that have reached the peer."""
        return bytes(self._written).decode().split(_END)[:-1]

    @property
    def framing(self) -> Callable[[str], bytes]:
        return framed

    @property
    def taken(self) -> int:
        return self.outbox.written

    def arrive(self, text: str) -> None:
        """The peer sends."""
        self._inbound.append(text)
        self.last_inbound = trio.current_time()
        self._news.set()

    def stall(self) -> None:
        """The peer reads nothing until `resume`."""
        self._reads = trio.Event()

    def resume(self) -> None:
        """The peer reads on."""
        if self._reads is not None:
            self._reads.set()
            self._reads = None

    # As the Outbox needs it

    def write_now(self, data: bytes) -> int:
        self._raise_if_cut()
        if self._reads is not None:
            return 0
        self._written += data
        return len(data)

    async def write_some(self, data: bytes) -> int:
        await trio.lowlevel.checkpoint()
        while self._reads is not None:
            await self._reads.wait()
        return self.write_now(data)

    # As the Connection needs it

    async def receive(self) -> str:
        await trio.lowlevel.checkpoint()
        while not self._inbound:
            if self.ended is not None:
                raise ConnectionClosed(*self.ended)
            self._news = trio.Event()
            await self._news.wait()
        return self._inbound.popleft()

    def ping_soon(self) -> None:
        self.pings += 1
        if not self.mute:
            self.last_inbound = trio.current_time()
            self.round_trip = 0.0

    async def aclose(self, code: int, reason: str) -> None:
        await trio.lowlevel.checkpoint()
        self._end(code, reason)

    def abort(self) -> None:
        self._end(1006, "cut")

    def _end(self, code: int, reason: str) -> None:
        if self.ended is None:
            self.ended = (code, reason)
        self.resume()
        self._news.set()

    def _raise_if_cut(self) -> None:
        if self.ended is not None:
            raise trio.BrokenResourceError("cut")


def connection(*, mute: bool = False, peer: str = "memory") -> Connection:
    """A connection over memory. It pings, and notices a mute peer, while somebody runs it: see `hold`."""
    return Connection(peer, MemoryTransport(mute=mute))


async def hold(ref: ActorRef[Any], wire: Connection) -> None:
    """Be the edge: run a connection that is attached to the manager behind `ref`, until it has closed.

    What the peer sends is read, and counts as traffic; nothing is made of it.
    Raises what `attach` raises, before anything was attached.
    """

    async def read(wire: Connection) -> None:
        with attach(ref, wire):
            while True:
                await wire.receive()

    await wire.run(read)
