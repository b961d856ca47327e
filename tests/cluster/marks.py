"""Marks: what each manager of a node does, in shared memory, where neither engine nor kill -9 can lose it.

One file for each node, written by that node alone, so that nothing needs a lock: a header of counts, then one
record for each manager. All stamps are nanoseconds of CLOCK_MONOTONIC, which is one clock for all processes
of a machine. What the records mean, and how they are judged, stands in `checker`.
"""

from __future__ import annotations

import enum
import mmap
import time
from pathlib import Path

import attrs

WORD = 8
HEADER = 16
RECORD = 8
# Of a node that admits 1,000 managers a second, for two minutes.
MOST = 120_000


class Count(enum.IntEnum):
    """What is counted in the header, by its place there."""

    READY = 0
    MANAGERS = 1
    ADMITTED = 2
    FOUND = 3
    REFUSED = 4
    ELSEWHERE = 5
    UNAVAILABLE = 6
    FAILED = 7
    LEASES_LOST = 8
    WEDGED = 9


class Field(enum.IntEnum):
    """A record's words."""

    FIRST = 0
    """Its first step, when its on_start began. 0: there is no such record."""
    RAN = 1
    """The last time that its code ran at all, in a step that it asked no leave for."""
    ACTED = 2
    """Its last step that was allowed by `check`."""
    USER = 3
    KEY = 4
    STEPS = 5
    LATE = 6
    """The longest that a step took from its stamp until it was written."""
    ENDED = 7
    """When it was to act no more, and knew it; 0: it does not know."""


@attrs.frozen(eq=False)
class Mark:
    """One manager's record."""

    _words: memoryview[int]
    _at: int

    def _set(self, field: Field, value: int) -> None:
        self._words[self._at + field] = value

    def begin(self, user: int, key: int, now: int) -> None:
        """Its first step."""
        for field, value in ((Field.USER, user), (Field.KEY, key), (Field.RAN, now), (Field.ACTED, now)):
            self._set(field, value)
        self._set(Field.FIRST, now)  # from here on the record counts

    def ran(self, now: int) -> None:
        """It was about to take a step."""
        self._set(Field.RAN, now)

    def act(self, now: int) -> None:
        """It takes a step that was decided at `now`, in leave."""
        self._set(Field.ACTED, now)
        self._words[self._at + Field.STEPS] += 1
        late = time.monotonic_ns() - now
        if late > self._words[self._at + Field.LATE]:
            self._set(Field.LATE, late)

    def end(self) -> None:
        self._set(Field.ENDED, time.monotonic_ns())


@attrs.frozen(eq=False)
class Marks:
    """One node's file, as the node writes it."""

    _words: memoryview[int]

    @classmethod
    def create(cls, path: Path) -> Marks:
        size = WORD * (HEADER + RECORD * MOST)
        with path.open("xb+") as file:
            file.truncate(size)  # sparse: only what is written takes memory
            return cls(memoryview(mmap.mmap(file.fileno(), size)).cast("Q"))

    def count(self, what: Count) -> None:
        self._words[what] += 1

    def new(self) -> Mark:
        number = self._words[Count.MANAGERS]
        assert number < MOST, "more managers than this file has records"
        self._words[Count.MANAGERS] = number + 1
        return Mark(self._words, HEADER + RECORD * number)


def read_header(path: Path) -> memoryview[int]:
    """The counts of a node as they are now; zeros if it has not made its file yet, or only begun to."""
    if not path.exists():
        return memoryview(bytes(WORD * HEADER)).cast("Q")
    with path.open("rb") as file:
        return memoryview(file.read(WORD * HEADER).ljust(WORD * HEADER, b"\0")).cast("Q")


def read_records(path: Path) -> list[memoryview[int]]:
    """All of a node's records as they are now."""
    many = read_header(path)[Count.MANAGERS]
    if not many:
        return []
    with path.open("rb") as file:
        words = memoryview(file.read(WORD * (HEADER + RECORD * many))).cast("Q")
    return [words[HEADER + RECORD * number :][:RECORD] for number in range(many)]
