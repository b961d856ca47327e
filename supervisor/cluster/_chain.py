"""Chain: where a follower stands in a log, and what a page or a message means to it. Pure.

Each entry names the one before it. So whoever has the entry before has missed nothing, and whoever has
another one has missed something, or is told of another log than the one he knows.
"""

from __future__ import annotations

from collections import deque

import attrs

from ._engine import Entry, Page

# Positions that are remembered. More than a subscription holds back and a page brings together, so that
# whatever is heard twice is known; and as far as a follower finds back by itself when a log is rewritten.
REMEMBERED = 2048


@attrs.frozen
class Truncated:
    """Entries between `after` and `first` are not kept any more: what follows begins with `first`."""

    after: int
    first: int


@attrs.frozen
class Rewritten:
    """What came after `back_to` was lost by the engine; what follows comes after `back_to`.

    0 is the beginning: the log is another one, as far as can be seen.
    """

    back_to: int


@attrs.define(eq=False)
class Chain:
    """What a follower has been given so far: all up to `position`, as far as it was kept."""

    position: int
    in_step: bool = attrs.field(init=False, default=False)
    """Nothing is missing between `position` and what is published next."""
    _known: deque[int] = attrs.field(init=False, factory=deque[int])
    """Where it has been, ascending; the last one is `position`, if there is any."""
    _known_set: set[int] = attrs.field(init=False, factory=set[int])
    _went_back: bool = attrs.field(init=False, default=False)

    def heard(self, entry: Entry) -> Entry | None:
        """An entry was published: give it if it is the next one; if it should not be, look into the log."""
        if self.in_step and entry.before == self.position < entry.position:
            self._advance(entry)
            return entry
        if entry.position not in self._known_set:
            self.in_step = False
        return None

    def read(self, page: Page) -> tuple[Entry | Truncated | Rewritten, ...]:
        """A page after `position` was read: give what is to be told.

        It may be nothing: then either it is in step, or it went back, and the page after the new `position`
        is to be read.
        """
        before = page.entries[0].before if page.entries else page.last
        if before < self.position:
            self._go_back(before)
            return ()
        told: list[Entry | Truncated | Rewritten] = []
        if self._went_back:
            told.append(Rewritten(self.position))
            self._went_back = False
        if before > self.position:
            told.append(Truncated(self.position, page.entries[0].position if page.entries else page.last))
        for entry in page.entries:
            self._advance(entry)
        told += page.entries
        if not page.entries:
            self.position = before
        self.in_step = self.position >= page.last
        return tuple(told)

    def _go_back(self, before: int) -> None:
        """To the last place where it has been that may still be in the log."""
        while self._known and self._known[-1] > before:
            self._known_set.discard(self._known.pop())
        self.position = self._known[-1] if self._known else 0
        self._went_back = True
        self.in_step = False

    def _advance(self, entry: Entry) -> None:
        self.position = entry.position
        self._known.append(entry.position)
        self._known_set.add(entry.position)
        if len(self._known) > REMEMBERED:
            self._known_set.discard(self._known.popleft())
