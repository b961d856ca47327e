"""The watchdog: a thread that notices when something blocks the event loop, and names it.

    with open_watchdog(limit=0.2, tell=print):
        await trio.sleep_forever()

A task that computes for seconds, or calls a blocking function, stops every other task. From
within the loop nobody can tell: whoever would measure it does not run. A thread can.

It looks at the loop four times in each limit, and costs the loop nothing else. A step is named,
with file, line and actor, between 1 and about 1.3 limits after its beginning. Many short steps
that only together are too long are told as what they are, without an actor.

Not noticed in time: C code that keeps the interpreter's lock stops the thread too; it is told when
the lock comes back, mostly as a turn whose step was seen but once, so without an actor.
Watched is real time, also under Trio's MockClock.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import attrs
import trio

from ._blockage import Blockage, Scope, Sight, blockage, is_over, look_on, pause, too_long
from ._events import LoopBlocked
from ._loop_view import LoopView, view_of_this_loop
from ._stream import Events

Tell = Callable[[Blockage], object]


@contextmanager
def open_watchdog(*, limit: float, tell: Tell) -> Generator[None]:
    """Watch the event loop that runs this, for as long as the block lasts.

    What blocks it for `limit` seconds is told once, at once: `tell` is called in the watchdog's
    thread, while the loop is still blocked. What `tell` raises goes to `threading.excepthook`.
    Limits of less than 0.05 s mostly measure how threads share the interpreter.

    Raises:
      ValueError: the limit is not more than 0.
      RuntimeError: no event loop runs this.
    """
    with _watched(limit, tell, after=None):
        yield


@contextmanager
def watching(events: Events, limit: float | None) -> Generator[None]:
    """A LoopBlocked event for each blockage, as soon as the loop is back; None: nobody watches."""

    def emit(over: Blockage) -> None:
        events.emit(LoopBlocked(events.stamp(), over.duration, over.actor, over.where, over.stack))

    if limit is None:
        yield
    else:
        with _watched(limit, tell=None, after=emit):
            yield


@contextmanager
def _watched(limit: float, tell: Tell | None, after: Tell | None) -> Generator[None]:
    if not limit > 0:
        raise ValueError(f"limit must be more than 0 seconds, not {limit!r}")
    with view_of_this_loop() as view:
        dog = _Watchdog(limit, view, trio.lowlevel.current_trio_token(), tell, after)
        thread = threading.Thread(target=dog.watch, name="trouper watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            dog.over.set()
            thread.join(limit)  # at once, unless `tell` hangs: then it ends with that
            dog.tell_after()


@attrs.define(eq=False)
class _Told:
    """A blockage that was told, and must be told again when it is over."""

    sight: Sight
    scope: Scope
    ended_at: float | None = None
    """When another step was seen; None: the loop has not come so far, or came back at once."""

    def duration(self, now: float) -> float:
        since = self.sight.step_since if self.scope is Scope.STEP else self.sight.turn_since
        return (now if self.ended_at is None else self.ended_at) - since


@attrs.define(eq=False)
class _Watchdog:
    """Looks, and tells."""

    _limit: float
    _view: LoopView
    _loop: trio.lowlevel.TrioToken
    _tell: Tell | None
    """Called in the thread, at once."""
    _after: Tell | None
    """Called in the loop, when it is back."""
    over: threading.Event = attrs.field(init=False, factory=threading.Event)
    _told: deque[_Told] = attrs.field(init=False, factory=deque[_Told])
    """Not yet told in the loop."""

    # In the thread

    def watch(self) -> None:
        sight: Sight | None = None
        while not self.over.wait(pause(sight, self._limit, time.perf_counter())):
            before, sight = sight, look_on(sight, self._view.look(), self._limit)
            self._note_ends(sight)
            found = too_long(before, sight, self._limit)
            if found is not None:
                self._report(*found)
                if found[0] is sight:
                    sight = attrs.evolve(found[0], told=found[1])

    def _note_ends(self, sight: Sight | None) -> None:
        """The loop may be far from telling; how long it was is known now."""
        for told in tuple(self._told):
            if told.ended_at is None and is_over(told.sight, told.scope, sight):
                told.ended_at = time.perf_counter()

    def _report(self, sight: Sight, scope: Scope) -> None:
        if self._after is not None:
            self._told.append(_Told(sight, scope))
            with suppress(trio.RunFinishedError):
                self._loop.run_sync_soon(self.tell_after, idempotent=True)
        if self._tell is not None:
            try:
                self._tell(blockage(sight, scope))
            except Exception:  # noqa: BLE001  # told as any thread's is; we watch on
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

    # In the loop

    def tell_after(self) -> None:
        """Tell of what was told at once, now that the loop is past it."""
        while self._told:
            told = self._told.popleft()
            if self._after is not None:
                over = blockage(told.sight, told.scope)
                self._after(attrs.evolve(over, duration=told.duration(time.perf_counter())))
