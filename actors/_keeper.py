"""Keeper: pings the quiet and cuts off the silent; one task for all connections of a listener."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from typing import Protocol

import attrs
import trio

# Those due within so many seconds after a look are looked at together: with thousands of
# connections a look at each by itself would be a wake-up each.
_GRAIN = 0.05

# So many entries that are of the past may wait in the heap on top of as many as there are others.
_PAST_ENTRIES = 1024

# Looked at in one go; then everybody else gets a turn.
_BATCH = 512


class Kept(Protocol):
    """What a Keeper needs of a connection."""

    def keep_alive(self, *, late: float) -> float:
        """Do what is due. When to look again, in Trio's time; infinity: never.

        `late` is by how many seconds this look is late.
        """
        ...


@attrs.define(eq=False, repr=False)
class Keeper:
    """Looks at each connection when it is due, and at no other."""

    _watched: dict[int, Kept] = attrs.field(init=False, factory=dict[int, Kept])
    _due: dict[int, float] = attrs.field(init=False, factory=dict[int, float])
    _queue: list[tuple[float, int]] = attrs.field(init=False, factory=list[tuple[float, int]])
    """A heap; entries that are not those of `_due` are of the past."""
    _numbers: Iterator[int] = attrs.field(init=False, factory=itertools.count)
    _nap: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)
    _wakes_at: float = attrs.field(init=False, default=-math.inf)
    """When it wakes by itself; it is awake at minus infinity."""
    _ended: bool = attrs.field(init=False, default=False)

    def watch(self, connection: Kept) -> int:
        """Keep an eye on it from now on; gives a number for `look_again` and `forget`."""
        number = next(self._numbers)
        self._watched[number] = connection
        self.look_again(number)
        return number

    def look_again(self, number: int) -> None:
        """Look at it right now, and then when it says so."""
        if number in self._watched:
            again = self._watched[number].keep_alive(late=0.0)
            if number in self._watched:  # it may have closed by that
                self._schedule(number, again)

    def forget(self, number: int) -> None:
        self._watched.pop(number, None)
        self._due.pop(number, None)

    def end(self) -> None:
        """`run` returns."""
        self._ended = True
        self._nap.cancel()

    async def run(self) -> None:
        """Look at all that are due, until `end`. Cancelled, it may be run again, elsewhere."""
        while not self._ended:
            await self._look_around()
            await self._sleep_until(self._queue[0][0] if self._queue else math.inf)

    async def _look_around(self) -> None:
        looks = 0
        while self._queue and self._queue[0][0] <= trio.current_time():
            due, number = heapq.heappop(self._queue)
            if self._due.get(number) == due:
                again = self._watched[number].keep_alive(late=trio.current_time() - due)
                if number in self._watched:
                    self._schedule(number, again)
            looks += 1
            if looks % _BATCH == 0:
                await trio.lowlevel.checkpoint()

    def _schedule(self, number: int, due: float) -> None:
        self._due[number] = due
        if due != math.inf:
            heapq.heappush(self._queue, (due, number))
        if len(self._queue) > 2 * len(self._due) + _PAST_ENTRIES:
            self._queue = [(due, number) for number, due in self._due.items() if due != math.inf]
            heapq.heapify(self._queue)
        if due < self._wakes_at:
            self._nap.cancel()

    async def _sleep_until(self, due: float) -> None:
        self._wakes_at = max(due, trio.current_time() + _GRAIN)
        try:
            with self._nap:
                await trio.sleep_until(self._wakes_at)
        finally:
            self._nap, self._wakes_at = trio.CancelScope(), -math.inf
