"""What it costs `tell` that the loop is watched: by the watchdog's thread, and by its process as well.

Rounds with it and without take turns in one process, so that a noisy machine is noisy for both:

    python -m tests.benchmarks.watching

prints, for each way to watch, the extra time of a tell as a part of it: of the quickest round with it
over the quickest without, since noise only adds; and the median of all pairs of rounds. Processor
time of our whole process, so the watchdog's thread counts; and time on the clock. Then what an idle
loop pays. "nobody" is the same twice: what it shows is noise.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import attrs
import trio

from actors import Actor, ActorRef
from supervisor import ChildSpec, open_supervisor, open_watchdog

# As the README has it, in seconds.
LIMIT = 0.2

# A pair of rounds, each of so many messages: a third of a second or so, a dozen beats of the watchdog.
MESSAGES = 1_000_000
PAIRS = 25

# The bar.
MOST = 0.05

# A process that has just been started is still busy with itself, in seconds.
SETTLED = 0.15

Ref = ActorRef[trio.Event | None]
Times = tuple[float, float]
"""Of one round: seconds of processor time, and on the clock."""
Watch = Callable[[], AbstractContextManager[None]]

WAYS: dict[str, Watch] = {
    "nobody (noise)": nullcontext,
    "thread": partial(open_watchdog, limit=LIMIT, tell=id),
    "thread and process": partial(open_watchdog, limit=LIMIT, tell=id, process=True),
}


@attrs.frozen
class Extra:
    """Time that one tell takes more, as a part: 0.02 is 2 %."""

    quickest: float
    median: float

    @classmethod
    def of(cls, watched: Sequence[float], not_watched: Sequence[float]) -> Extra:
        """Of rounds that were measured in pairs."""
        pairs = zip(watched, not_watched, strict=True)
        median = statistics.median(more / less for more, less in pairs)
        return cls(min(watched) / min(not_watched) - 1, median - 1)

    def __str__(self) -> str:
        return f"{self.quickest:+.1%} (median {self.median:+.1%})"


class Last(Actor[trio.Event | None]):
    """Sets the event that comes last."""

    async def handle(self, message: trio.Event | None) -> None:
        if message is not None:
            message.set()


@attrs.frozen
class Cost:
    """Of one way to watch."""

    processor: Extra
    clock: Extra


async def cost(watch: Watch, *, pairs: int = PAIRS, messages: int = MESSAGES) -> Cost:
    """Of that way to watch, over not being watched."""
    watched: list[Times] = []
    not_watched: list[Times] = []
    async with open_supervisor() as supervisor:
        spec = ChildSpec(Last, mailbox_capacity=1_000)
        ref = (await supervisor.get_or_spawn("user", "key", spec)).ref
        await told(ref, nullcontext, messages)
        for n in range(pairs):
            pair: list[tuple[Watch, list[Times]]] = [(watch, watched), (nullcontext, not_watched)]
            for way, times in pair if n % 2 else reversed(pair):
                times.append(await told(ref, way, messages))
    with_it, without = zip(*watched, strict=True), zip(*not_watched, strict=True)
    return Cost(*map(Extra.of, with_it, without))


async def told(ref: Ref, watch: Watch, messages: int) -> Times:
    """From the first tell until the last has been handled: seconds of processor time, and on the clock."""
    last = trio.Event()
    with watch():
        await trio.sleep(SETTLED)
        processor, clock = time.process_time(), time.perf_counter()
        for _ in range(messages - 1):
            await ref.tell(None)
        await ref.tell(last)
        await last.wait()
        return time.process_time() - processor, time.perf_counter() - clock


async def idle(watch: Watch, seconds: float = 10.0) -> tuple[float, float]:
    """Parts of a core: what our process takes that does nothing, and what those take that it started."""
    _, at_its_start = await rested(watch, 0.0)
    here, there = await rested(watch, seconds)
    return here / seconds, (there - at_its_start) / seconds


async def rested(watch: Watch, seconds: float) -> tuple[float, float]:
    """Processor time of our process meanwhile, and of the whole life of what has been reaped."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with watch():
        await trio.sleep(SETTLED)
        began = time.process_time()
        await trio.sleep(seconds)
        here = time.process_time() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return here, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, limit {LIMIT} s")
    worst = 0.0
    for name, watch in WAYS.items():
        found = trio.run(cost, watch)
        worst = max(worst, found.processor.quickest)
        here, there = trio.run(idle, watch)
        print(f"{name:20} tell: processor {found.processor}, clock {found.clock}")
        print(f"{'':20} idle: {here:.2%} of a core, and {there:.2%} in the other process")
    print(f"bar: less than {MOST:.0%} on tell")
    sys.exit(worst >= MOST)


if __name__ == "__main__":
    main()
