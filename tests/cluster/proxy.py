"""A TCP proxy between a client and a server that cuts, swallows, delays, and changes what passes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio

SIZE = 65536


@attrs.define(eq=False)
class Proxy:
    """What it does from now on, to all of its connections, is said by its fields and methods."""

    port: int
    _server: int
    delay: float = 0.0
    """Seconds that each piece waits, in each direction."""
    refuses: bool = False
    """New connections are closed at once."""
    changes: dict[bytes, bytes] = attrs.field(init=False, factory=dict[bytes, bytes])
    """What is replaced in answers."""
    connections: int = attrs.field(init=False, default=0)
    """So many were made so far."""
    _marks: list[bytes] = attrs.field(init=False, factory=list[bytes])
    _swallows: bool = attrs.field(init=False, default=False)
    _passing: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot)
    _open: set[trio.CancelScope] = attrs.field(init=False, factory=set[trio.CancelScope])
    cuts: int = attrs.field(init=False, default=0)
    """So many answers were cut off, see `cut_answer_to`."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """So many connections are there now."""
        return len(self._open)

    def cut(self) -> None:
        """End all connections."""
        for scope in self._open:
            scope.cancel()

    def swallow(self) -> None:
        """Nothing passes from now on, and nobody is told: half-open connections, a black hole."""
        self._swallows = True

    def let_pass(self) -> None:
        self._swallows = False
        self._passing.unpark_all()

    def cut_answer_to(self, mark: bytes) -> None:
        """The next command with these bytes reaches the server, and its connection ends before the answer."""
        self._marks.append(mark)

    async def handle(self, client: trio.SocketStream) -> None:
        if self.refuses:
            await trio.aclose_forcefully(client)
            return
        self.connections += 1
        try:
            server = await trio.open_tcp_stream("127.0.0.1", self._server)
        except OSError:
            await trio.aclose_forcefully(client)
            return
        await self._carry(client, server)

    async def _carry(self, client: trio.SocketStream, server: trio.SocketStream) -> None:
        wire = _Marked()
        with trio.CancelScope() as scope:
            self._open.add(scope)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, client, server, partial(self._asked, wire), scope)
                    nursery.start_soon(self._pump, server, client, partial(self._answered, wire), scope)
            finally:
                self._open.discard(scope)
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                    await trio.aclose_forcefully(client)
                    await trio.aclose_forcefully(server)

    async def _pump(
        self,
        source: trio.SocketStream,
        sink: trio.SocketStream,
        change: Callable[[bytes], bytes | None],
        scope: trio.CancelScope,
    ) -> None:
        try:
            while data := await source.receive_some(SIZE):
                await trio.sleep(self.delay)
                while self._swallows:
                    await self._passing.park()
                changed = change(data)
                if changed is None:
                    break
                await sink.send_all(changed)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()

    def _asked(self, wire: _Marked, data: bytes) -> bytes:
        for mark in [mark for mark in self._marks if mark in data]:
            self._marks.remove(mark)
            wire.is_marked = True
        return data

    def _answered(self, wire: _Marked, data: bytes) -> bytes | None:
        if wire.is_marked:
            self.cuts += 1
            return None
        for old, new in self.changes.items():
            data = data.replace(old, new)
        return data


@attrs.define(eq=False)
class _Marked:
    """Is the next answer on this connection one that does not come?"""

    is_marked: bool = False


@asynccontextmanager
async def open_proxy(server: int) -> AsyncGenerator[Proxy]:
    """Before the server at a port of this machine."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    proxy = Proxy(int(listeners[0].socket.getsockname()[1]), server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, proxy.handle, listeners)
        yield proxy
        nursery.cancel_scope.cancel()
