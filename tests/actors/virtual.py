"""Virtual time for properties: a fresh clock and one drawn schedule for every example."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio
from hypothesis import Phase, settings
from hypothesis import strategies as st
from trio.testing import MockClock

T = TypeVar("T")

# Longer than any script lasts: what is still waiting then waits for ever.
FOREVER = 1e6

# No wall clock judges a property, and the explain phase only repeats slow scripts.
unhurried = settings(deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])

seeds = st.integers(0, 2**32 - 1)


def run(script: Callable[..., Awaitable[T]], *args: object, seed: int) -> T:
    """Run the script; a deadlock in it is a TooSlowError, at once."""
    scheduler: Any = trio._core._run  # pyright: ignore[reportPrivateUsage]  # nothing public draws a schedule
    scheduler._r.seed(seed)

    async def bounded() -> T:
        with trio.fail_after(FOREVER):
            return await script(*args)

    return trio.run(bounded, clock=MockClock(autojump_threshold=0))
