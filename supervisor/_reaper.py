"""Reaper: sees everybody in and out in time, whoever it is that starts or ends. The only one that condemns.

One task for all users: a deadline is a line in a heap, and mostly nothing comes of it.
"""

from __future__ import annotations

import heapq
import math

import attrs
import trio

from actors import ExitReason, State

from ._child import Child
from ._cleanup import reap
from ._events import ChoreFailed
from ._health import PAST
from ._report import Health
from ._stream import Events
from ._table import Table

# Lines of those who have begun or left long ago stay in the heap until there are so many of them.
_USELESS = 1000


@attrs.define(eq=False, repr=False)
class Reaper:
    """Watches those who start until they have begun, and those who end until they have left.

    A start whose grace is over is reaped, a stop cancelled, a cancellation forced where the spec
    allows it, each step with a cancel grace of its own, and then condemned.
    """

    _events: Events
    _watched: dict[Child, tuple[float, Table]] = attrs.field(
        init=False, factory=dict[Child, tuple[float, Table]]
    )
    """When to look at each."""
    _heap: list[tuple[float, int, Child]] = attrs.field(init=False, factory=list[tuple[float, int, Child]])
    """The same by time, and lines that are of no use any more."""
    _nap: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)
    _wakes_at: float = attrs.field(init=False, default=math.inf)
    """The deadline of `_nap`."""

    def watch(self, child: Child, table: Table, due: float | None = None) -> None:
        """From now on, or anew since something was done to it; `due` is when, if it is not as usual."""
        due = child.look_at if due is None else due
        self._watched[child] = (due, table)
        if len(self._heap) > 2 * len(self._watched) + _USELESS:
            self._heap = [(when, each.incarnation, each) for each, (when, _) in self._watched.items()]
            heapq.heapify(self._heap)
        else:
            heapq.heappush(self._heap, (due, child.incarnation, child))
        if due < self._wakes_at:
            self._wakes_at = self._nap.deadline = due

    def forget(self, child: Child) -> None:
        """It has begun, or left."""
        self._watched.pop(child, None)

    @property
    def watched(self) -> tuple[Child, ...]:
        """Whoever came first being first."""
        return tuple(self._watched)

    async def run(self) -> None:
        """For as long as anybody may have to be looked at."""
        while True:
            self._wakes_at = self._heap[0][0] if self._heap else math.inf
            with trio.CancelScope(deadline=self._wakes_at) as self._nap:
                await trio.sleep_forever()
            for child, table in self._take_late():
                self._look(child, table)

    def _take_late(self) -> list[tuple[Child, Table]]:
        # A clock that is read twice in one comparison would be a clock that nobody is ever late on.
        now, late = trio.current_time(), list[tuple[Child, Table]]()
        while self._heap and self._heap[0][0] <= now:
            due, _, child = heapq.heappop(self._heap)
            when, table = self._watched.get(child, (None, None))
            if table is not None and when == due:
                late.append((child, table))
        return late

    def _look(self, child: Child, table: Table) -> None:
        """It is late, unless something has happened since; or the loop was late itself."""
        if child not in self._watched:
            return
        try:
            self._act(child, table)
        except Exception as error:  # noqa: BLE001  # one child's trouble is nobody else's
            self._events.emit(ChoreFailed(self._events.stamp(), child.user, error))

    def _act(self, child: Child, table: Table) -> None:
        verdict = table.verdict(child)
        if child.state is State.STARTING:
            if verdict.health is Health.UNRESPONSIVE:
                reap(table, child, verdict)
            else:
                self.watch(child, table, None if verdict.until is None else verdict.until + PAST)
        elif child.state is State.STOPPING:
            child.cut_short(ExitReason.CANCELLED, "its stop grace is over")
        elif verdict.until is not None and trio.current_time() < verdict.until:
            self.watch(child, table, verdict.until)
        elif (step := child.next_force) is not None:
            table.force(child, step)
            self.watch(child, table)
        else:
            table.condemn(child)
