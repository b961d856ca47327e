"""Threads: how many of them one owner occupies, and no more than a limit: the next call fails at once.

Waiting for a free one would be no help, since the thread of an abandoned call may never end. And
nobody borrows from Trio's own 40, which everybody's DNS look-ups and file accesses need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, cast

import attrs
import trio

from ._errors import TooManyThreads

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

# Enough for a few slow calls at a time; a user whose threads all hang costs the process no more.
DEFAULT_THREAD_LIMIT = 8


@attrs.define(eq=False, repr=False)
class Threads:
    """The threads of one owner, and the limiter that Trio asks before it starts one.

    A thread that runs keeps this object alive, whoever else has forgotten it.
    """

    owner: str
    """Who is told to have too many: a user, or an actor that has none."""
    limit: int = DEFAULT_THREAD_LIMIT
    busy: int = attrs.field(init=False, default=0)
    """Those that run, also for callers that have gone: each counts until it really ends."""

    async def run(self, name: str, function: Callable[[*Ts], R], *args: *Ts) -> R:
        """Run `function(*args)` in a thread of this name. See `Actor.run_blocking`."""
        return await trio.to_thread.run_sync(
            function,
            *args,
            thread_name=name,
            abandon_on_cancel=True,
            # Trio asks for no more than the two methods below, by its documentation, not by its types.
            limiter=cast("trio.CapacityLimiter", self),
        )

    async def acquire_on_behalf_of(self, _: object) -> None:
        """Called by Trio before a thread starts. Cancellation: none does, and none is counted."""
        await trio.lowlevel.checkpoint()
        if self.busy >= self.limit:
            raise TooManyThreads(self.owner, self.limit)
        self.busy += 1

    def release_on_behalf_of(self, _: object) -> None:
        """Called by Trio when the thread has ended, not when its caller was cancelled."""
        assert self.busy > 0
        self.busy -= 1
