"""A wire made of memory: connections without a network, and the edge that holds them."""

from __future__ import annotations

from collections import deque
from typing import Any

import attrs
import trio

from actors import ActorRef, Connection, ConnectionClosed, attach


@attrs.define(eq=False)
class MemoryTransport:
    """A wire without a network. Its peer answers pings unless it is `mute`."""

    mute: bool = False
    last_inbound: float = attrs.field(factory=trio.current_time)
    sent: list[str] = attrs.field(init=False, factory=list[str])
    pings: int = attrs.field(init=False, default=0)
    ended: tuple[int, str] | None = attrs.field(init=False, default=None)
    _inbound: deque[str] = attrs.field(init=False, factory=deque[str])
    _news: trio.Event = attrs.field(init=False, factory=trio.Event)

    def arrive(self, text: str) -> None:
        """The peer sends."""
        self._inbound.append(text)
        self.last_inbound = trio.current_time()
        self._news.set()

    async def send(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        self._raise_if_ended()
        self.sent.append(text)

    async def receive(self) -> str:
        await trio.lowlevel.checkpoint()
        while not self._inbound:
            self._raise_if_ended()
            self._news = trio.Event()
            await self._news.wait()
        return self._inbound.popleft()

    def ping_soon(self) -> None:
        self.pings += 1
        if not self.mute:
            self.last_inbound = trio.current_time()

    async def aclose(self, code: int, reason: str) -> None:
        await trio.lowlevel.checkpoint()
        self._end(code, reason)

    def abort(self) -> None:
        self._end(1006, "cut")

    def _end(self, code: int, reason: str) -> None:
        if self.ended is None:
            self.ended = (code, reason)
        self._news.set()

    def _raise_if_ended(self) -> None:
        if self.ended is not None:
            raise ConnectionClosed(*self.ended)


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
