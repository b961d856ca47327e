"""A simulated network: links over memory that delay, fall silent, stall or are cut, in virtual time.

    network = Network(latency=0.02)
    nursery.start_soon(trio.serve_listeners, serve, [network.listener()])
    stream = await network.connect()
    stream.link.silence()  # the peer is gone, and nobody was told

It behaves as TCP does: what is sent arrives in order or not at all, a full pipe holds up the
sender, and who dies behind a dead link is not missed. No task runs for it: times of arrival are
computed, so the same program sees the same network every time.
"""

from __future__ import annotations

import math
import operator
from types import TracebackType

import attrs
import trio

from ._pipe import Bell, Pipe

# Sent and not yet read, in each direction, in bytes: about what two kernels hold of a connection.
DEFAULT_CAPACITY = 64 * 1024

# Connections that wait to be accepted; then those who connect wait.
BACKLOG = 128


@attrs.frozen(eq=False)
class Link:
    """The two directions of one connection, and what can go wrong with both at once.

    Each fault is also a method of each direction. A client that reads nothing any more is
    `link.down.stall()`; one whose words no longer get out, `link.up.silence()`.
    """

    up: Pipe
    """From who connected to who accepted."""
    down: Pipe

    def silence(self) -> None:
        """Half-open: nothing arrives any more, no end and no reset either, until `resume`."""
        self.up.silence()
        self.down.silence()

    def resume(self) -> None:
        """Mend it: what was sent meanwhile arrives now, as TCP sends it again."""
        self.up.resume()
        self.down.resume()

    def delay(self, seconds: float) -> None:
        """From now on each direction takes so long."""
        self.up.delay(seconds)
        self.down.delay(seconds)

    def cut(self) -> None:
        """Reset both ends at once. What is under way is lost; whoever uses it gets BrokenResourceError."""
        self.up.cut()
        self.down.cut()


@attrs.define(eq=False)
class _OneAtATime:
    """Raises BusyResourceError on a second task in the same half of a stream, as Trio's streams do."""

    _what: str
    _busy: bool = attrs.field(init=False, default=False)

    def __enter__(self) -> None:
        if self._busy:
            raise trio.BusyResourceError(f"another task {self._what} this stream")
        self._busy = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._busy = False


class NetworkStream(trio.abc.HalfCloseableStream):
    """One end of a link: a stream as over TCP. `link` is where the faults are applied."""

    def __init__(self, link: Link, *, outbound: Pipe, inbound: Pipe) -> None:
        self.link = link
        self._outbound = outbound
        self._inbound = inbound
        self._sending = _OneAtATime("sends on")
        self._receiving = _OneAtATime("receives from")
        self._finished = False
        self._closed = False

    @property
    def closed(self) -> bool:
        """Was it closed, or aborted, at this end?"""
        return self._closed

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Returns when all is under way; that says nothing about the peer. Cancelled, a part may be."""
        with self._sending:
            self._check_open()
            await trio.lowlevel.checkpoint()
            rest = bytes(data)
            while True:
                await self._wait_room()
                sent = self._outbound.put(rest)
                if self._outbound.reader_gone and sent:
                    self._inbound.reset(after=self._outbound.arrival)
                rest = rest[sent:]
                if not rest:
                    return

    async def wait_send_all_might_not_block(self) -> None:
        with self._sending:
            self._check_open()
            await trio.lowlevel.checkpoint()
            await self._wait_room()

    async def _wait_room(self) -> None:
        self._check_open()
        while not self._outbound.room:
            await self._outbound.bell.wait(until=self._inbound.reset_due)
            self._check_open()

    def _check_open(self) -> None:
        if self._closed or self._finished:
            raise trio.ClosedResourceError("this end is closed")
        if self._inbound.is_reset:
            raise trio.BrokenResourceError("the connection was reset")

    async def send_eof(self) -> None:
        with self._sending:
            if not self._finished:
                self._check_open()
            await trio.lowlevel.checkpoint()
            self._finished = True
            self._outbound.finish()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        most = math.inf if max_bytes is None else operator.index(max_bytes)
        if most < 1:
            raise ValueError(f"max_bytes must be 1 or more, not {max_bytes!r}")
        with self._receiving:
            await trio.lowlevel.checkpoint()
            while True:
                if self._closed:
                    raise trio.ClosedResourceError("this end is closed")
                data = self._inbound.take(most)
                if data is not None:
                    return data
                await self._inbound.bell.wait(until=self._inbound.due)

    async def aclose(self) -> None:
        """Close both directions. As with TCP, unread data make a reset of it, now or when they come."""
        if not self._closed:
            self._outbound.finish()
            self._leave()
            if self._inbound.waiting:
                self._outbound.reset(after=self._inbound.due)
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        """Close at once by a reset: the peer gets BrokenResourceError when it arrives."""
        if not self._closed:
            self._outbound.reset()
            self._leave()

    def _leave(self) -> None:
        self._closed = True
        self._inbound.abandon()


class NetworkListener(trio.abc.Listener[NetworkStream]):
    """Where a server accepts; made by `Network.listener`."""

    def __init__(self) -> None:
        self._arriving, self._arrived = trio.open_memory_channel[NetworkStream](BACKLOG)
        self.closed = False

    async def arrive(self, stream: NetworkStream) -> None:
        """Wait for a place in the backlog. Raises BrokenResourceError: the listener was closed."""
        await self._arriving.send(stream)

    async def accept(self) -> NetworkStream:
        return await self._arrived.receive()

    async def aclose(self) -> None:
        """Whoever was not accepted is reset."""
        while self._arrived.statistics().current_buffer_used:
            self._arrived.receive_nowait().abort()
        self.closed = True
        self._arrived.close()
        await trio.lowlevel.checkpoint()


class Network:
    """Links between those who `connect` and those who accept, with one latency and capacity unless told.

    `latency` is seconds one way, `capacity` bytes in each direction.
    """

    def __init__(self, *, latency: float = 0.0, capacity: int = DEFAULT_CAPACITY) -> None:
        self._latency = latency
        self._capacity = capacity
        self._listeners: list[NetworkListener] = []
        self._streams: list[tuple[NetworkStream, NetworkStream]] = []

    @property
    def links(self) -> tuple[Link, ...]:
        """Those that an end still uses, the oldest first."""
        return tuple(near.link for near, far in self._streams if not (near.closed and far.closed))

    def listener(self) -> NetworkListener:
        """A listener for `trio.serve_listeners` and its like; of several, the latest open one is used."""
        listener = NetworkListener()
        self._listeners = [*(other for other in self._listeners if not other.closed), listener]
        return listener

    async def connect(self, *, latency: float | None = None, capacity: int | None = None) -> NetworkStream:
        """A new link, after a round trip; gives the client's end. Cancellation: there is none.

        Raises:
          ConnectionRefusedError: nobody listens.
        """
        seconds = self._latency if latency is None else latency
        bell = Bell()
        up, down = (Pipe(capacity or self._capacity, seconds, bell) for _ in range(2))
        link = Link(up, down)
        near = NetworkStream(link, outbound=up, inbound=down)
        far = NetworkStream(link, outbound=down, inbound=up)
        await trio.sleep(2 * seconds)
        try:
            await self._latest().arrive(far)
        except trio.BrokenResourceError:
            raise ConnectionRefusedError("the listener was closed") from None
        self._streams = [pair for pair in self._streams if not (pair[0].closed and pair[1].closed)]
        self._streams.append((near, far))
        return near

    def _latest(self) -> NetworkListener:
        for listener in reversed(self._listeners):
            if not listener.closed:
                return listener
        raise ConnectionRefusedError("nobody listens on this network")
