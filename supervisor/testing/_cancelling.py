"""CancelAt: has a caller cancelled at his k-th checkpoint, or a little later."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import attrs
import trio


@attrs.define(eq=False)
class CancelAt(trio.abc.Instrument):
    """Cancels a scope when the task inside it has come to its k-th checkpoint, or a little later."""

    scope: trio.CancelScope
    task: trio.lowlevel.Task
    checkpoint: int
    later: int
    """So many steps of any tasks."""

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.checkpoint:
            self.checkpoint -= task is self.task
        else:
            self.later -= 1
        if self.checkpoint == 0 and self.later <= 0:
            self.scope.cancel()


@contextmanager
def instrumented(instrument: trio.abc.Instrument) -> Generator[None]:
    """While inside, Trio tells the instrument of each step."""
    trio.lowlevel.add_instrument(instrument)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(instrument)
