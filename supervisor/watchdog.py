"""The watchdog: a thread that notices when something blocks the event loop, and names it.

    with open_watchdog(limit=0.2, tell=print):
        await trio.sleep_forever()

A task that computes for seconds, or calls a blocking function, stops every other task. From
within the loop nobody can tell: whoever would measure it does not run. A thread can.

It looks at the loop four times in each limit; but where the system has an alarm for that (Linux), only
when the loop does not put it off, as one that is well does in time. A step is named, with file, line
and actor, between 1 and about 1.3 limits after its beginning. Many short steps that only together
are too long are told as what they are, without an actor.

C code that keeps the interpreter's lock stops the thread too. It is told when the lock comes back,
mostly as a turn whose step was seen but once, so without an actor; unless `process=True` puts a
process beside this one. That sees it from outside, and tells it on standard error, as it can call
nothing in here; and the thread tells it again, with the same line and actor, when it is let in. The
thread then looks at nothing but turns that get long: a loop that is well pays nothing at all.

What the process guarantees: what blocks for 1.3 limits is told, of time.sleep, of Python, and of C
code that keeps the lock, given that the machine lets it run. The place and the actor of such C code need
CPython on Linux, Trio's own clock, and an actor that a supervisor has spawned; they are proven
readable at the start, or not told. Where another thread keeps the lock, that is said, and nobody accused.
What is not: a line on standard error for what was over just then; or for a process that is
stopped, or whose threads get no processor.

Watched is real time, also under Trio's MockClock.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import reduce

import attrs
import trio

from ._alarm import Alarm
from ._blockage import (
    OVER,
    SAMPLES_PER_LIMIT,
    Blockage,
    Sample,
    Scope,
    Sight,
    blockage,
    is_over,
    look_on,
    pause,
    seen_outside,
    too_long,
)
from ._events import LoopBlocked
from ._lookout import Held
from ._loop_view import LoopView, view_of_this_loop
from ._outpost import Outpost, open_outpost
from ._stream import Events

Tell = Callable[[Blockage], object]

# The part of its time after which the alarm is put off: what is left is how late a loop may be that is well.
_PUT_OFF_AFTER = 2 / 3


@contextmanager
def open_watchdog(*, limit: float, tell: Tell, process: bool = False) -> Generator[None]:
    """Watch the event loop that runs this, for as long as the block lasts.

    What blocks it for `limit` seconds is told once, at once: `tell` is called in the watchdog's
    thread, while the loop is still blocked. What `tell` raises goes to `threading.excepthook`.
    Limits of less than 0.05 s mostly measure how threads share the interpreter. On Linux a task wakes the
    loop six times in each limit; `trio.testing.wait_all_tasks_blocked` needs a shorter cushion than that.

    With `process` a small process watches as well, for C code that lets no thread run: that is told
    on standard error at once, and to `tell` when it is over.

    Raises:
      ValueError: the limit is not more than 0, or endless.
      RuntimeError: no event loop runs this; or there can be no such process here.
      OSError: the system has no process left.
    """
    with _watched(limit, tell, after=None, process=process):
        yield


@contextmanager
def watching(events: Events, limit: float | None, *, process: bool = False) -> Generator[None]:
    """A LoopBlocked event for each blockage, as soon as the loop is back; None: nobody watches."""

    def emit(over: Blockage) -> None:
        events.emit(LoopBlocked(events.stamp(), over.duration, over.actor, over.where, over.stack))

    if limit is None:
        yield
    else:
        with _watched(limit, tell=None, after=emit, process=process):
            yield


@contextmanager
def _watched(limit: float, tell: Tell | None, after: Tell | None, *, process: bool) -> Generator[None]:
    if not 0 < limit < math.inf:
        raise ValueError(f"limit must be more than 0 seconds, and an end, not {limit!r}")
    with view_of_this_loop() as view, ExitStack() as until_over:
        outpost = None
        if process:
            outpost = until_over.enter_context(open_outpost(limit, limit / SAMPLES_PER_LIMIT, view))
        alarm = None if process else _alarm(limit / SAMPLES_PER_LIMIT, view)
        if alarm is not None:
            until_over.callback(alarm.close)
        dog = _Watchdog(limit, view, trio.lowlevel.current_trio_token(), tell, after, outpost, alarm)
        thread = threading.Thread(target=dog.watch, name="trouper watchdog", daemon=True)
        thread.start()
        try:
            with _put_off(alarm, _PUT_OFF_AFTER * limit / SAMPLES_PER_LIMIT):
                yield
        finally:
            if alarm is not None:
                alarm.end()
            dog.over.set()
            if outpost is not None:
                outpost.end()
            thread.join(limit)  # at once, unless `tell` hangs: then it ends with that
            dog.tell_after()


def _alarm(after: float, view: LoopView) -> Alarm | None:
    """None: there is none here, or the loop's clock does not count the seconds by which it is put off."""
    if view.ahead is None:
        return None
    try:
        return Alarm(after)
    except OSError:
        return None


@contextmanager
def _put_off(alarm: Alarm | None, period: float) -> Generator[None]:
    """By the loop, for as long as that gets on."""
    if alarm is None:
        yield
        return
    scope = trio.CancelScope()
    trio.lowlevel.spawn_system_task(_put_off_for_ever, alarm, period, scope, name="the watchdog is put off")
    try:
        yield
    finally:
        scope.cancel()


async def _put_off_for_ever(alarm: Alarm, period: float, scope: trio.CancelScope) -> None:
    with scope:
        while True:
            alarm.put_off()
            await trio.sleep(period)


@attrs.define(eq=False, repr=False)
class _Told:
    """A blockage that was told, and must be told again when it is over."""

    sight: Sight
    scope: Scope
    ended_at: float | None = None
    """When another step was seen; None: the loop has not come so far, or came back at once."""

    def duration(self, now: float) -> float:
        since = self.sight.step_since if self.scope is Scope.STEP else self.sight.turn_since
        return (now if self.ended_at is None else self.ended_at) - since


@attrs.define(eq=False, repr=False)
class _Watchdog:
    """Looks, and tells."""

    _limit: float
    _view: LoopView
    _loop: trio.lowlevel.TrioToken
    _tell: Tell | None
    """Called in the thread, at once."""
    _after: Tell | None
    """Called in the loop, when it is back."""
    _outpost: Outpost | None
    """Has a process that sees what no thread can see."""
    _alarm: Alarm | None
    """Goes off when the loop does not get on; None: one has to look now and then."""
    over: threading.Event = attrs.field(init=False, factory=threading.Event)
    _told: deque[_Told] = attrs.field(init=False, factory=deque[_Told])
    """Not yet told in the loop."""

    # In the thread

    def watch(self) -> None:
        if self._outpost is not None:
            self._look_when_asked(self._outpost)
        if self._alarm is None:
            self._look_now_and_then()
        else:
            self._look_when_alarmed(self._alarm)

    def _look_now_and_then(self) -> None:
        sight: Sight | None = None
        while not self.over.wait(pause(sight, self._limit, time.perf_counter())):
            sight = self._look(sight, ())

    def _look_when_alarmed(self, alarm: Alarm) -> None:
        """As often, but not while the loop gets on."""
        alarm.wait()
        while not self.over.is_set():
            before = alarm.put_off_times
            sight = self._look(None, ())
            while sight is not None and not self.over.wait(pause(sight, self._limit, time.perf_counter())):
                sight = self._look(sight, ())
                # It may have been put off within a long turn, which is followed to its end once it was told.
                if alarm.put_off_times != before and (sight is None or sight.told is None):
                    break
            self._view.forget()
            alarm.wait()

    def _look_when_asked(self, outpost: Outpost) -> None:
        """A loop that is well is not looked at: a thread that wants its turn costs it some."""
        sight: Sight | None = None
        while (held := outpost.answer()) is not None:
            sight = self._look(sight, held)
            if self.over.is_set():
                return
            if sight is not None and not outpost.is_asked(within=self._limit / 2):
                sight = None
                self._view.forget()
        if not self.over.is_set():
            status = outpost.reap()
            print(f"watchdog: its process has ended, status {status}; its thread watches on", file=sys.stderr)

    def _look(self, before: Sight | None, held: Sequence[Held]) -> Sight | None:
        sight = look_on(before, self._view.look(), self._limit)
        self._note_ends(sight)
        if held:
            return reduce(self._report_held, held, sight)
        found = too_long(before, sight, self._limit)
        if found is None:
            return sight
        self._report(*found)
        return attrs.evolve(found[0], told=found[1]) if found[0] is sight else sight

    def _report_held(self, sight: Sight | None, held: Held) -> Sight | None:
        """What was seen from outside while we could not run. What we see now is no news then."""
        if sight is not None and sight.told is Scope.STEP:
            return sight  # it had been told before it let nobody in
        sample = Sample(time.perf_counter(), OVER, OVER, actor=held.actor, stack=held.stack)
        self._report(seen_outside(sample, held.since, self._limit, sight), Scope.STEP)
        self._note_ends(sight)
        if sight is None:
            return None
        return attrs.evolve(sight, told=Scope.STEP if sight.sightings > 1 else Scope.TURN)

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
