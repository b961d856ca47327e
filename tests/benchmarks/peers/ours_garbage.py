"""Ours: what the garbage collector costs a server that has n managers, as it is, and by each way to tame it.

One process, the ways one after the other: a tenth as many managers come one by one and go again, four
times over; by then the collector has looked at everybody at least once, if it ever does.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from time import perf_counter

import attrs
import trio

from supervisor import Supervisor, SupervisorSpec, open_supervisor

from .ours import LIMIT, spawn
from .ours_growth import NEVER, RECIPE
from .work import Stopwatch, names

ROUNDS = 4

_DEFAULT = gc.get_threshold()


def as_it_is() -> None:
    gc.unfreeze()
    gc.set_threshold(*_DEFAULT)


def thresholds() -> None:
    gc.set_threshold(*RECIPE)


def frozen() -> None:
    """What is here now is not looked at any more: it never becomes garbage, or stays for ever."""
    gc.collect()
    gc.freeze()


def both() -> None:
    thresholds()
    frozen()


WAYS: Mapping[str, Callable[[], None]] = {
    "usual": as_it_is,
    "thresholds": thresholds,
    "frozen": frozen,
    "both": both,
}


@attrs.define
class Pauses:
    """How long the collector kept everybody waiting."""

    longest: float = 0.0
    seconds: float = 0.0
    _began: float = 0.0

    def __call__(self, phase: str, _: Mapping[str, int]) -> None:
        if phase == "start":
            self._began = perf_counter()
            return
        took = perf_counter() - self._began
        self.longest = max(self.longest, took)
        self.seconds += took


def garbage(n: int) -> dict[str, float]:
    return trio.run(serve, n)


async def serve(n: int) -> dict[str, float]:
    found: dict[str, float] = {}
    thresholds()  # so that they are here soon
    async with open_supervisor(LIMIT, spec=SupervisorSpec(sweep_period=NEVER)) as supervisor:
        everybody = await spawn(supervisor, names(n))
        assert len(everybody) == n
        for name, tame in WAYS.items():
            as_it_is()
            tame()
            found |= await come_and_go(supervisor, max(1, n // 10), name)
    return found


async def come_and_go(supervisor: Supervisor, n: int, name: str) -> dict[str, float]:
    pauses, watch, seconds = Pauses(), Stopwatch(), 0.0
    gc.callbacks.append(pauses)
    try:
        for turn in range(ROUNDS):
            with watch:
                refs = await spawn(supervisor, names(n, prefix=f"{name} {turn}"))
            seconds += watch.seconds
            for ref in refs:
                ref.stop()
            for ref in refs:
                await ref.wait_stopped()
    finally:
        gc.callbacks.remove(pauses)
    each = ROUNDS * n
    return {
        f"{name}_spawn": seconds / each,
        f"{name}_pause": pauses.longest,
        f"{name}_seconds": pauses.seconds / each,
    }


def frozen_at_start(n: int) -> float:
    """Seconds to start one of n, with all frozen that was here before the first."""

    async def main() -> float:
        async with open_supervisor(LIMIT, spec=SupervisorSpec(sweep_period=NEVER)) as supervisor:
            await spawn(supervisor, names(100, prefix="first"))
            frozen()
            watch, who = Stopwatch(), names(n)
            with watch:
                await spawn(supervisor, who)
        return watch.seconds / n

    return trio.run(main)
