"""What the tests of the watchdog share: what blocks the loop, until it has been told."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from types import FunctionType

import attrs

from actors import Actor
from supervisor import Blockage, LoopBlocked, Subscription

# Seconds. Half of it is more than a thread has to wait for its turn, even on a busy machine.
LIMIT = 0.2

# Seconds. Never reached unless something is broken.
PATIENCE = 20.0

# To block is not a mistake here.
block = time.sleep


@attrs.define(eq=False)
class Told:
    """What was told, and until when to block."""

    blockages: list[Blockage] = attrs.field(factory=list[Blockage])
    _end: float = attrs.field(factory=lambda: time.perf_counter() + PATIENCE)

    def __call__(self, blockage: Blockage) -> None:
        self.blockages.append(blockage)

    @property
    def only(self) -> Blockage:
        (blockage,) = self.blockages
        return blockage

    def waits(self, count: int = 1) -> bool:
        """Is it not told so often yet? Fails when it will never be."""
        assert time.perf_counter() < self._end, f"told only {self.blockages}"
        return len(self.blockages) < count


class Sleeps(Actor[Told]):
    """Calls a function that blocks."""

    async def handle(self, message: Told) -> None:
        while message.waits():
            block(LIMIT / 20)


class Computes(Actor[Told]):
    """Keeps the interpreter busy; nothing of it is in C."""

    async def handle(self, message: Told) -> None:
        count = 0
        while not message.blockages:
            count += 1
            assert count % 1_000_000 or message.waits()


class HasBlockingChild(Actor[Told]):
    """Handles its messages well, and has a child task that blocks."""

    async def handle(self, message: Told) -> None:
        self.start_soon(self.block, message)

    async def block(self, told: Told) -> None:
        while told.waits():
            block(LIMIT / 20)


def is_within(function: Callable[..., object], where: str) -> bool:
    """Is that one of its lines?"""
    assert isinstance(function, FunctionType)
    lines, first = inspect.getsourcelines(function)
    place, name = where.rsplit(" in ", 1)
    file, line = place.rsplit(":", 1)
    in_it = first <= int(line) < first + len(lines)
    return in_it and (file, name) == (function.__code__.co_filename, function.__qualname__)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "trouper watchdog"]


def blocked(events: Subscription) -> list[LoopBlocked]:
    return [event for event in events.drain() if isinstance(event, LoopBlocked)]
