"""Virtual time: one run, one fresh clock, one drawn schedule; a test that waits for ever fails at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
import trio.testing

T = TypeVar("T")

# More virtual time than any script lasts, in seconds: what still waits then waits for ever.
LONG = 1e6

# So many turns of the loop in a row without a rest, and a task spins: from then on a turn takes time.
SPINNING = 10_000

# How much longer each further turn takes, in seconds.
TURN_COST = 1e-6


class SpinCost(trio.abc.Instrument):
    """Makes the time go on while a task spins: a clock that waits for a rest would stand still."""

    def __init__(self, clock: trio.testing.MockClock) -> None:
        self._clock = clock
        self._turns = 0

    def before_io_wait(self, timeout: float) -> None:
        self._turns = self._turns + 1 if timeout <= 0 else 0
        if self._turns > SPINNING:
            self._clock.jump((self._turns - SPINNING) * TURN_COST)


def run(function: Callable[..., Awaitable[T]], *args: object, seed: int = 0) -> T:
    """Run `function(*args)` with Trio, on a clock that jumps as soon as everybody waits.

    The same seed gives the same interleaving of tasks, and other seeds give others; draw it, or
    only one order of events is ever tested. Neither threads nor sockets keep up with such a clock.

    Raises:
      trio.TooSlowError: it did not end; as a rule two parties wait for each other.
    """
    trio._core._run._r.seed(seed)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # Trio's dice have no public name

    async def bounded() -> T:
        with trio.fail_after(LONG):
            return await function(*args)

    clock = trio.testing.MockClock(autojump_threshold=0)
    return trio.run(bounded, clock=clock, instruments=[SpinCost(clock)])
