"""One direction of a simulated link: bytes on their way, in order, and what can go wrong with them."""

from __future__ import annotations

import math
from collections import deque

import attrs
import trio


@attrs.define(eq=False)
class Bell:
    """Wakes all who wait at one link: each looks for itself what has changed."""

    _news: trio.Event = attrs.field(init=False, factory=trio.Event)

    def ring(self) -> None:
        self._news.set()
        self._news = trio.Event()

    async def wait(self, *, until: float) -> None:
        """For the next ring, or until then. Cancellation: nothing happens."""
        if until == math.inf:  # the usual case, and a scope less
            await self._news.wait()
            return
        with trio.move_on_at(until):
            await self._news.wait()


@attrs.define(eq=False)
class Pipe:
    """A bounded pipe with a latency. Whoever reads or sends looks, and then waits for the bell.

    Times are Trio's, in seconds; infinity: never, as far as is known.
    """

    capacity: int
    latency: float
    bell: Bell
    """Of the whole link: what happens in one direction may end a wait in the other."""
    reader_gone: bool = attrs.field(init=False, default=False)
    """What arrives now is answered with a reset."""
    _segments: deque[tuple[float, bytes]] = attrs.field(init=False, factory=deque[tuple[float, bytes]])
    """Sent and not yet read, each with its time of arrival."""
    _held: int = attrs.field(init=False, default=0)
    _sent: float = attrs.field(init=False, default=-math.inf)
    """When the last thing sent arrives: nothing overtakes it."""
    _finished: float = attrs.field(init=False, default=math.inf)
    """When its end arrives."""
    _reset: float = attrs.field(init=False, default=math.inf)
    """When a reset arrives."""
    _silent_since: float = attrs.field(init=False, default=math.inf)
    _stalled: bool = attrs.field(init=False, default=False)

    # Faults

    def silence(self) -> None:
        """Nothing arrives any more; what is sent is kept, as TCP keeps what is not acknowledged."""
        self._silent_since = min(self._silent_since, trio.current_time())

    def stall(self) -> None:
        """Its reader reads nothing more, and so holds up the sender; a reset still arrives."""
        self._stalled = True

    def resume(self) -> None:
        """Neither silent nor stalled any more."""
        self._segments = deque((self._arrives_after_all(when), data) for when, data in self._segments)
        self._finished = self._arrives_after_all(self._finished)
        self._reset = self._arrives_after_all(self._reset)
        self._sent = self._arrives_after_all(self._sent)
        self._silent_since = math.inf
        self._stalled = False
        self.bell.ring()

    def delay(self, seconds: float) -> None:
        """What is sent from now on takes so long."""
        self.latency = seconds

    def cut(self) -> None:
        """What is under way is lost, and the reader is reset at once; also if it is silent."""
        self._silent_since = math.inf
        self._drop()
        self._reset = trio.current_time()
        self.bell.ring()

    # The sender's side

    @property
    def room(self) -> int:
        """Bytes that it still takes."""
        return self.capacity - self._held

    @property
    def arrival(self) -> float:
        """When the last thing that was sent arrives."""
        return self._sent

    def put(self, data: bytes) -> int:
        """Send as much of it as there is room for, and say how much that was."""
        part = data[: self.room]
        if part:
            self._held += len(part)
            self._segments.append((self._arrival(), part))
            self.bell.ring()
        return len(part)

    def finish(self) -> None:
        """Send the end: nothing follows."""
        if self._finished == math.inf:
            self._finished = self._arrival()
            self.bell.ring()

    def reset(self, *, after: float = -math.inf) -> None:
        """Send a reset, now or at a later time."""
        self._reset = min(self._reset, self._arrival(after=after))
        self.bell.ring()

    def _arrival(self, *, after: float = -math.inf) -> float:
        """When what is sent now arrives: in order, and not at all while it is silent."""
        sent = max(trio.current_time(), after)
        self._sent = max(self._sent, sent + self.latency)
        if self._silent_since < math.inf:
            self._sent = max(self._sent, math.nextafter(self._silent_since, math.inf))
        return self._sent

    # The reader's side

    @property
    def is_reset(self) -> bool:
        return self._has_come(self._reset)

    @property
    def waiting(self) -> bool:
        """Is there anything that nobody has read?"""
        return bool(self._held)

    @property
    def reset_due(self) -> float:
        """When a reset will arrive."""
        return math.inf if self._silent_since < math.inf else self._reset

    @property
    def due(self) -> float:
        """When the next thing will arrive that `take` gives."""
        if self._silent_since < math.inf:
            return math.inf
        if self._stalled:
            return self._reset
        first = self._segments[0][0] if self._segments else self._finished
        return min(first, self._reset)

    def take(self, most: float) -> bytes | None:
        """What has arrived; empty at the end; None: nothing so far.

        Raises:
          trio.BrokenResourceError: it was reset, and what came before has been read.
        """
        if not self._stalled and self._segments and self._has_come(self._segments[0][0]):
            return self._take_first(most)
        if self.is_reset:
            raise trio.BrokenResourceError("the connection was reset")
        if not self._stalled and not self._segments and self._has_come(self._finished):
            return b""
        return None

    def _take_first(self, most: float) -> bytes:
        arrived, data = self._segments.popleft()
        if len(data) > most:
            cut = int(most)
            data, rest = data[:cut], data[cut:]
            self._segments.appendleft((arrived, rest))
        self._held -= len(data)
        self.bell.ring()
        return data

    def abandon(self) -> None:
        """Nobody will read any more."""
        self.reader_gone = True
        self.bell.ring()

    def _drop(self) -> None:
        self._segments.clear()
        self._held = 0

    def _arrives_after_all(self, arrives: float) -> float:
        """When, now that the silence is over, something arrives that may have been held up by it."""
        if arrives <= self._silent_since or arrives == math.inf:
            return arrives
        return max(arrives, trio.current_time() + self.latency)

    def _has_come(self, arrives: float) -> bool:
        return arrives <= min(trio.current_time(), self._silent_since)
