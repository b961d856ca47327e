"""Reaper: sees everybody out whose end has begun, whoever began it. The only one that condemns."""

from __future__ import annotations

import attrs
import trio

from ._child import Child
from ._table import Table


@attrs.define(eq=False)
class Reaper:
    """Of one user: when a stop grace is over it cancels, when a cancel grace is over it condemns.

    Where the spec allows force, it comes in between, each step with a cancel grace of its own.
    """

    _table: Table
    _leaving: dict[Child, None] = attrs.field(init=False, factory=dict[Child, None])
    _running: bool = attrs.field(init=False, default=False)
    _nap: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)

    def see_out(self, child: Child) -> bool:
        """From now on, watch that the child leaves in time. True: somebody must `run` the reaper."""
        self._leaving[child] = None
        self._nap.cancel()
        must_run, self._running = not self._running, True
        return must_run

    def has_left(self, child: Child) -> None:
        if self._leaving.pop(child, self) is None and not self._leaving:
            self._nap.cancel()

    async def run(self) -> None:
        """Until everybody has left."""
        try:
            while self._leaving:
                self._nap = trio.CancelScope()
                with self._nap:
                    now = trio.current_time()
                    await trio.sleep_until(min(self._next_look(child, now) for child in self._leaving))
                for child in list(self._leaving):
                    self._look(child, trio.current_time())
        finally:
            self._running = False

    def _next_look(self, child: Child, now: float) -> float:
        if not child.cancelled:
            return child.stop_by
        until = self._table.verdict(child).until
        return now if until is None else until

    def _look(self, child: Child, now: float) -> None:
        # A clock that is read twice in one comparison would be a clock that nobody is ever late on.
        if now < self._next_look(child, now):
            return
        if not child.cancelled:
            child.cancel("its stop grace is over")
        elif (step := child.next_force) is not None:
            self._table.force(child, step)
        else:
            self._table.condemn(child)
