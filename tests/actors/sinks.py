"""A sink of paper: its peer takes as many bytes as the test allows, and it counts how it is written to."""

from __future__ import annotations

import math

import attrs
import trio


@attrs.define(eq=False)
class PaperSink:
    room: float = math.inf
    """Bytes that it still takes."""
    broken: Exception | None = None
    """Raised by every write from now on."""
    writes: list[int] = attrs.field(init=False, factory=list[int])
    """The size of each write that did not wait, in order."""
    waits: int = attrs.field(init=False, default=0)
    """How often somebody was ready to wait."""
    _taken: bytearray = attrs.field(init=False, factory=bytearray)
    _waiting: bool = attrs.field(init=False, default=False)
    _news: trio.Event = attrs.field(init=False, factory=trio.Event)

    @property
    def taken(self) -> bytes:
        """What has reached the peer."""
        return bytes(self._taken)

    def allow(self, count: float = math.inf) -> None:
        """The peer reads so many bytes more."""
        self.room += count
        self._news.set()

    def fail(self, error: Exception) -> None:
        self.broken = error
        self._news.set()

    def write_now(self, data: bytes) -> int:
        self.writes.append(len(data))
        return self._write(data)

    async def write_some(self, data: bytes) -> int:
        assert not self._waiting, "two writers at once"
        self._waiting = True
        self.waits += 1
        try:
            await trio.lowlevel.checkpoint()
            while not self.room and self.broken is None:
                self._news = trio.Event()
                await self._news.wait()
            return self._write(data)
        finally:
            self._waiting = False

    def _write(self, data: bytes) -> int:
        if self.broken is not None:
            raise self.broken
        count = int(min(len(data), self.room))
        self.room -= count
        self._taken += data[:count]
        return count
