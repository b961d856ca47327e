"""A room full of members, one of whom speaks: what was said, and when whom it reached."""

from __future__ import annotations

import time

import attrs

from .dialects import Dialect
from .members import Member, Members

# How many members' latencies are noted, spread evenly over the room.
SAMPLED = 50


@attrs.define(eq=False)
class Crowd:
    """The members of one room on one server; the first one speaks. All times are perf_counter's."""

    members: Members
    size: int
    said: int = attrs.field(init=False, default=0)
    done: int = attrs.field(init=False, default=0)
    """Messages that have reached every member who reads."""
    delivered: int = attrs.field(init=False, default=0)
    latencies: list[float] = attrs.field(init=False, factory=list[float])
    _due: list[float] = attrs.field(init=False, factory=list[float])
    """By message: when it was to be said."""
    _left: list[int] = attrs.field(init=False, factory=list[int])
    """By message: how many are still to hear it."""
    _silent: set[int] = attrs.field(init=False, factory=set[int])
    """Members who do not count: those who do not read."""
    _unsent: bytes = attrs.field(init=False, default=b"")

    @classmethod
    def gather(cls, port: int, dialect: Dialect, size: int) -> Crowd:
        """All of them are in the room, and it is quiet."""
        crowd = cls(Members(port, dialect), size)
        crowd.members.on_heard = crowd.hear
        try:
            crowd.members.gather(size)
        except BaseException:
            crowd.close()
            raise
        return crowd

    def close(self) -> None:
        self.members.close()

    # Talking

    def say(self, count: int, size: int, *, due: float | None = None) -> None:
        """Say so many messages at once; they were due then, or are now."""
        when = time.perf_counter() if due is None else due
        frames = [self.members.dialect.message(self.said + number, size) for number in range(count)]
        self._due += [when] * count
        self._left += [self.size - len(self._silent)] * count
        self.said += count
        self._unsent += b"".join(frames)
        self._flush()

    def _flush(self) -> None:
        try:
            sent = self.members.all[0].socket.send(self._unsent)
        except BlockingIOError:
            return
        self._unsent = self._unsent[sent:]

    def turn(self, timeout: float) -> None:
        """Hear what comes within that time, if anything does."""
        if self._unsent:
            self._flush()
            timeout = min(timeout, 0.005)
        self.members.turn(timeout)

    def hear(self, member: Member, more: int) -> None:
        """That member has heard the next so many messages."""
        if member.number in self._silent:
            return
        self.delivered += more
        for number in range(member.heard, member.heard + more):
            self._left[number] -= 1
            if not self._left[number]:
                self.done += 1
        if not member.number % (self.size // SAMPLED or 1):
            now = time.perf_counter()
            self.latencies += [now - due for due in self._due[member.heard : member.heard + more]]

    # Waiting

    @property
    def settled(self) -> int:
        """Messages that reached all, and of which the speaker knows that they are stored."""
        return min(self.done, self.members.acks) if self.members.dialect.answers else self.done

    def drain(self, *, within: float) -> bool:
        """Wait until all that was said has settled; False: it did not within that time."""
        deadline = time.perf_counter() + within
        while self.settled < self.said and time.perf_counter() < deadline:
            self.turn(0.05)
        return self.settled == self.said

    def overdue(self, now: float) -> list[float]:
        """The ages of all that the sampled members have not heard yet."""
        sampled = self.members.all[:: self.size // SAMPLED or 1]
        readers = [member for member in sampled if member.number not in self._silent]
        return [now - due for member in readers for due in self._due[member.heard :]]

    # Not reading

    def silence(self, member: Member) -> None:
        """It reads nothing from now on, and counts no more."""
        self._silent.add(member.number)
        self.members.pause(member)
