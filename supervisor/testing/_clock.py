"""Virtual time: one run, one fresh clock, one drawn schedule; a test that waits for ever fails at once."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import trio
import trio.testing

T = TypeVar("T")

# More virtual time than any script lasts, in seconds: what still waits then waits for ever.
LONG = 1e6

# So many turns of the loop during which the clock stands still, and a task spins: from then on a
# turn takes time.
SPINNING = 10_000

# How much longer each further turn takes, in seconds.
TURN_COST = 1e-6

# A clock that moves by less in one turn stands still, in seconds: it may tick when it is read.
STANDS_STILL = 1e-4


class SpinCost(trio.abc.Instrument):
    """Makes the time go on while a task spins: a clock that waits for a rest would stand still."""

    def __init__(self, clock: trio.testing.MockClock) -> None:
        self._clock = clock
        self._turns = 0
        self._last = clock.current_time()

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002  # the name is Trio's
        moved = self._clock.current_time() - self._last
        self._turns = self._turns + 1 if moved < STANDS_STILL else 0
        if self._turns > SPINNING:
            self._clock.jump((self._turns - SPINNING) * TURN_COST)
        self._last = self._clock.current_time()


def run(function: Callable[..., Awaitable[T]], *args: object, seed: int = 0, tick: float = 0.0) -> T:
    """Run `function(*args)` with Trio, on a clock that jumps as soon as everybody waits.

    The same seed gives the same interleaving of tasks, and other seeds give others; draw it, or
    only one order of events is ever tested. `tick` is by how many seconds the clock advances each
    time that it is read, as a real one does: code that reads it twice in one decision is found out
    only so. Neither threads nor sockets keep up with such a clock.

    Raises:
      trio.TooSlowError: it did not end; as a rule two parties wait for each other.
    """

    async def bounded() -> T:
        with trio.fail_after(LONG):
            return await function(*args)

    clock = trio.testing.MockClock(autojump_threshold=0)
    if tick:
        make_ticking(clock, tick)
    with _dice(seed):
        return trio.run(bounded, clock=clock, instruments=[SpinCost(clock)])


@contextmanager
def _dice(seed: int) -> Generator[None]:
    """Trio's own, which order the tasks, and those that everything else (a jitter) is drawn from."""
    before = random.getstate()
    random.seed(seed)
    trio._core._run._r.seed(seed)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # they have no public name
    try:
        yield
    finally:
        random.setstate(before)


def make_ticking(clock: trio.testing.MockClock, tick: float) -> None:
    """Have it advance by so many seconds whenever it is read. (It lets nobody derive from it.)"""
    read = clock.current_time

    def read_and_tick() -> float:
        clock.jump(tick)
        return read()

    setattr(clock, "current_time", read_and_tick)  # noqa: B010  # a method, for this one clock
