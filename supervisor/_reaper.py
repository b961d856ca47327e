"""Reaper: sees everybody out whose end has begun, whoever began it. The only one that condemns."""

from __future__ import annotations

import attrs
import trio

from ._child import Child
from ._table import Table


@attrs.define(eq=False)
class Reaper:
    """Of one user: when a stop grace is over it cancels, when a cancel grace is over it condemns."""

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
                    await trio.sleep_until(min(self._next_look(child) for child in self._leaving))
                for child in list(self._leaving):
                    self._look(child)
        finally:
            self._running = False

    def _next_look(self, child: Child) -> float:
        if not child.cancelled:
            return child.stop_by
        until = self._table.verdict(child).until
        return trio.current_time() if until is None else until

    def _look(self, child: Child) -> None:
        if trio.current_time() < self._next_look(child):
            return
        if child.cancelled:
            self._table.condemn(child)
        else:
            child.cancel("its stop grace is over")
