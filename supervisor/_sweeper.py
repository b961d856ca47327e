"""The background: a beat that knows when the loop was late, and a sweep that finds the dead."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable

import attrs
import trio

from ._events import Stalled, SweeperFailed, SweeperStarted
from ._health import Lag
from ._spec import SupervisorSpec
from ._stream import Events

# The beat's period, and how late it may come before it counts as a stall, in seconds. Together
# well under every timeout that a stall could turn into a false verdict.
BEAT = 0.25
LATE = 0.25

# A crashed sweeper starts anew after these seconds, doubling up to the longest.
FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 60.0


@attrs.define(eq=False, repr=False)
class LagMeter:
    """Knows whether the event loop ran all the time, from a beat that should come regularly."""

    _events: Events
    _last_beat: float = attrs.field(init=False, factory=trio.current_time)
    _lag: Lag = attrs.field(init=False, factory=Lag)

    def read(self) -> Lag:
        """Right now. Also right when the loop has just come back and the beat has not yet run."""
        self._look(trio.current_time())
        return self._lag

    async def beat_for_ever(self) -> None:
        try:
            while True:
                await trio.sleep(BEAT)
                now = trio.current_time()
                self._look(now)
                self._last_beat = now
        finally:
            # A stall right before the end excuses what came late then; so it is told.
            self._look(trio.current_time())

    def _look(self, now: float) -> None:
        late = now - self._last_beat - BEAT
        if late > LATE:
            self._lag = Lag(resumed_at=now, duration=late)
            self._last_beat = now
            self._events.emit(Stalled(self._events.stamp(), late))


@attrs.define(eq=False, repr=False)
class Pace:
    """When to sweep; the period may change while the sweeper sleeps."""

    spec: SupervisorSpec
    _jitter: random.Random
    _nap: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)

    def change(self, spec: SupervisorSpec) -> None:
        """From now on, the sleep under way included."""
        self.spec = spec
        self._nap.cancel()

    async def sleep(self, last: float, sooner: float) -> None:
        """Until a period after `last`, or until `sooner`."""
        while True:
            spread = self.spec.sweep_period * self.spec.sweep_jitter
            usual = last + self.spec.sweep_period + self._jitter.uniform(-spread, spread)
            with trio.CancelScope() as self._nap:
                await trio.sleep_until(min(usual, sooner))
                return


async def sweep_for_ever(
    sweep: Callable[[], Awaitable[float]],
    pace: Pace,
    events: Events,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Sweep once a period, or when the last sweep said that it has to be sooner (infinity: it has not).

    A crash is told, and the sweeper starts anew with growing back-off.
    """
    backoff = FIRST_BACKOFF
    events.emit(SweeperStarted(events.stamp(), pace.spec.sweep_period))
    task_status.started()
    last, sooner = trio.current_time(), math.inf
    while True:
        await pace.sleep(last, sooner)
        last, sooner = trio.current_time(), math.inf
        try:
            sooner = await sweep()
            backoff = FIRST_BACKOFF
        except Exception as error:  # noqa: BLE001  # told as an event, and tried again
            events.emit(SweeperFailed(events.stamp(), error, backoff))
            await trio.sleep(backoff)
            last = trio.current_time()
            backoff = min(2 * backoff, LONGEST_BACKOFF)
            events.emit(SweeperStarted(events.stamp(), pace.spec.sweep_period))
