"""Outbox: what one wire has still to write; in order, joined once a tick, held up only by its own peer."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs
import trio

from ._tick import Tick, current_tick

# Each frame that waits is charged so much on top of its bytes, so that small ones are bounded too.
FRAME_OVERHEAD = 64

# The most that is written at once, in bytes: a wire that takes its time shows progress this often.
_CHUNK = 64 * 1024


class Sink(Protocol):
    """Where the bytes of one wire go."""

    def write_now(self, data: bytes) -> int:
        """Write what the wire takes without waiting, perhaps nothing; how many bytes that was.

        It may raise; `write_some` then says what is the matter.
        """
        ...

    async def write_some(self, data: bytes) -> int:
        """Wait until the wire takes something, and write it; how many bytes that was.

        Raises trio.BrokenResourceError, trio.ClosedResourceError.
        """
        ...


class Lost(Protocol):
    """Hears that a peer takes nothing any more. It may raise."""

    def __call__(self, why: str, /, *, slow: bool) -> None:
        """`slow`: it took nothing for too long; else its wire is broken."""
        ...


class Spawner(Protocol):
    """A nursery, as far as it is needed here."""

    def start_soon(self, async_fn: Callable[[], Awaitable[object]], /) -> None: ...


@attrs.define(eq=False, repr=False)
class Outbox:
    """Frames on their way to one peer.

    `push` never blocks: at the end of the tick all that was pushed is joined and written without
    waiting. Only when the peer does not keep up a task runs, the flusher, until nothing waits any
    more. A wire that takes nothing for `stall` seconds is told lost.
    """

    _sink: Sink
    descriptor: int = attrs.field(init=False, default=-1)
    """A socket's, written to without asking the sink; -1: none. Whoever closes it says so here, before.

    A room has thousands of writes, and each object more that one of them touches costs as much as
    all the Python that does it.
    """
    framing: Callable[[str], bytes] | None = attrs.field(init=False, default=None)
    """How texts become the frames that it takes."""
    budget: int = attrs.field(init=False, default=256 * 1024)
    """How many bytes may be queued, with FRAME_OVERHEAD for each frame, where somebody asks."""
    stall: float = attrs.field(init=False, default=10.0)
    """Seconds."""
    written: int = attrs.field(init=False, default=0)
    """Bytes that the wire has taken, ever."""
    queued: int = attrs.field(init=False, default=0)
    """Bytes that wait, with FRAME_OVERHEAD for each frame."""
    lost: Lost | None = attrs.field(init=False, default=None)
    """Told once, with the reason in words, when the peer takes nothing any more."""
    broken: bool = attrs.field(init=False, default=False)
    """Nothing more is written: it was dropped, or the wire is lost."""
    _first: bytes = attrs.field(init=False, default=b"")
    """The first frame that waits: as a rule the only one, and then no list is touched."""
    _more: list[bytes] = attrs.field(init=False, factory=list[bytes])
    _rest: bytes = attrs.field(init=False, default=b"")
    """What the wire has taken only the beginning of."""
    _scheduled: bool = attrs.field(init=False, default=False)
    _flushing: bool = attrs.field(init=False, default=False)
    _spawner: Spawner | None = attrs.field(init=False, default=None)
    _ending: bool = attrs.field(init=False, default=False)
    _complete: bool = attrs.field(init=False, default=False)
    """The last frame is among those that wait, or was written."""
    _news: trio.Event | None = attrs.field(init=False, default=None)
    _tick: Tick = attrs.field(init=False, factory=current_tick)

    def serve(self, nursery: Spawner) -> None:
        """Run the flusher there from now on. Until then a peer that is slow is waited for."""
        self._spawner = nursery
        if self.queued:
            self._schedule()

    def push(self, frame: bytes) -> None:
        """Have a whole frame written, after all others. Dropped when the wire is lost, or after the last."""
        if self.broken or self._complete or not frame:
            return
        if self._first:
            self._more.append(frame)
        else:
            self._first = frame
        self.queued += len(frame) + FRAME_OVERHEAD
        if not self._scheduled and not self._flushing:
            self._schedule()

    def offer(self, frame: bytes) -> bool:
        """As `push`, if it has room and is not ending; did it take it?"""
        if self.queued + len(frame) + FRAME_OVERHEAD > self.budget or self._ending or self.broken:
            return False
        self.push(frame)
        return True

    def push_last(self, frame: bytes) -> None:
        """As `push`; from now on nothing follows it."""
        self.push(frame)
        self._complete = True

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._tick.add(self)

    @property
    def pushed(self) -> int:
        """Bytes that were pushed to be written, ever."""
        return self.written + len(self._rest) + len(self._first) + sum(map(len, self._more))

    @property
    def held_up(self) -> bool:
        """Does anything wait for the peer, and not only for the end of this tick?"""
        return self._flushing

    async def wait_at_most(self, size: int) -> None:
        """Wait until at most so many bytes wait, nothing is written any more, or it is `ending`."""
        await trio.lowlevel.checkpoint()
        while self.queued > size and not self.broken and not self._ending:
            await self._something()

    def ending(self) -> None:
        """From now on nobody waits for a place; what waits is written all the same."""
        self._ending = True
        self._tell()

    def drop(self) -> None:
        """Write nothing more. Whoever calls it cuts the wire: a frame may have been torn."""
        self.broken = True
        self.descriptor = -1
        self._first = self._rest = b""
        self._more.clear()
        self.queued = 0
        self._tell()

    async def flush(self) -> None:
        """Write all that waits; in this task, where no other does. Cancellation: the flusher goes on."""
        await trio.lowlevel.checkpoint()
        while self.queued and not self.broken:
            if self._flushing:
                await self._something()
            else:
                self._flushing = True
                try:
                    await self._flush()
                finally:
                    if self.queued:  # cancelled; nobody else has an eye on what came meanwhile
                        self._schedule()

    # Writing

    def write(self) -> None:
        """Write what the wire takes now; the tick calls it. What goes wrong is the flusher's to find out."""
        self._scheduled = False
        while self.queued and not self._flushing:
            data = self._take()
            try:
                if self.descriptor >= 0:
                    count = os.write(self.descriptor, data)
                else:
                    count = self._sink.write_now(data)
            except Exception:  # noqa: BLE001  # the flusher gets the same, in a task that may raise it
                count = 0
            if count == self.queued and self._news is None:  # as a rule
                self._rest = b""
                self.queued = 0
                self.written += count
                return
            self._written(count)
            if count < len(data):
                self._start_flushing()
                return

    def _start_flushing(self) -> None:
        if self._spawner is None:
            return
        try:
            self._spawner.start_soon(self._flush)
        except RuntimeError:  # its nursery is over, and so is the connection
            self.drop()
        else:
            self._flushing = True

    async def _flush(self) -> None:
        try:
            while self.queued and await self._flush_one():
                pass
        finally:
            self._flushing = False
            self._tell()

    async def _flush_one(self) -> bool:
        """Write once more, waiting for the peer; False: it is lost."""
        data = self._take()
        try:
            with trio.move_on_after(self.stall):
                self._written(await self._sink.write_some(data))
                return True
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._lose(f"the wire is broken: {error}", slow=False)
        else:
            self._lose(f"nothing was read for {self.stall:g} s", slow=True)
        return False

    def _lose(self, why: str, *, slow: bool) -> None:
        if not self.broken:
            self.drop()
            if self.lost is not None:
                self.lost(why, slow=slow)

    def _take(self) -> bytes:
        """What to write next: the rest of what was begun, or all that waits, joined."""
        if not self._rest:
            self._rest, self._first = self._first, b""
            if self._more:
                self._rest = b"".join((self._rest, *self._more))
                self._more.clear()
            self.queued = len(self._rest)
        return self._rest if len(self._rest) <= _CHUNK else self._rest[:_CHUNK]

    def _written(self, count: int) -> None:
        if count and not self.broken:
            self._rest = self._rest[count:]
            self.queued -= count
            self.written += count
            self._tell()

    async def _something(self) -> None:
        """Until fewer bytes wait, or nobody writes any more."""
        if self._news is None:
            self._news = trio.Event()
        await self._news.wait()

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None
