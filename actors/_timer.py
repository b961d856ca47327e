"""Timers: something is told later, once or again and again, for as long as the actor that set it lives."""

from __future__ import annotations

import math
from typing import Any

import attrs
import trio

from ._errors import ActorStopped
from ._ref import ActorRef


def check_delay(name: str, seconds: float, *, or_zero: bool = True) -> None:
    """Raises ValueError for what is no such time."""
    if not (0 <= seconds < math.inf and (or_zero or seconds)):
        least = "0 seconds or more" if or_zero else "more than 0 seconds"
        raise ValueError(f"{name} must be {least}, and finite, not {seconds!r}")


@attrs.define(eq=False, repr=False)
class Timer:
    """Made by `Actor.tell_later` and `Actor.tell_every`. It ends with the actor that made it."""

    _to: ActorRef[Any]
    _message: object
    _due: float
    _period: float | None
    """None: once."""
    _scope: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)

    def cancel(self) -> None:
        """Tell it no more. What is in the mailbox already stays there; calling it again changes nothing."""
        self._scope.cancel()

    async def run(self) -> None:
        """For the actor's child task."""
        with self._scope:
            try:
                await self._tell()
            except ActorStopped:
                return  # nobody is there any more to be told

    async def _tell(self) -> None:
        while True:
            await trio.sleep_until(self._due)
            await self._to.tell(self._message)
            if self._period is None:
                return
            late = max(trio.current_time() - self._due, 0.0)
            self._due += self._period * (1 + late // self._period)

    def __repr__(self) -> str:
        how = "once" if self._period is None else f"every {self._period:g} s"
        return f"<Timer tells {self._to.name} {type(self._message).__name__} {how}>"
