"""The quickest clock that tells Trio's time, up to a constant: it is read once for every message."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

import trio

# A clock of this name is `time.perf_counter` and an offset; others (MockClock) are read as they are.
_REAL_CLOCK = "SystemClock"


def quickest_clock() -> tuple[Callable[[], float], float]:
    """A function that reads it, and by how many seconds Trio's clock is ahead of it."""
    return _behind(trio.lowlevel.current_clock())


@lru_cache(maxsize=8)
def _behind(clock: trio.abc.Clock) -> tuple[Callable[[], float], float]:
    if type(clock).__name__ != _REAL_CLOCK:
        return clock.current_time, 0.0
    return time.perf_counter, clock.current_time() - time.perf_counter()
