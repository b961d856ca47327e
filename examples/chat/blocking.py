"""Where blocking calls are run: in threads, except under a virtual clock, with which none keeps up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import trio

T = TypeVar("T")


class RunBlocking(Protocol):
    """A way to run a blocking call: `trio.to_thread.run_sync`, or another with its meaning."""

    async def __call__(self, sync_fn: Callable[..., T], /, *args: object, limiter: trio.CapacityLimiter) -> T:
        """Give what the call gives, raise what it raises; so many at once as `limiter` says."""
        ...


async def run_inline(sync_fn: Callable[..., T], /, *args: object, limiter: trio.CapacityLimiter) -> T:
    """Run it right here, for virtual time: all else stands still, and no time passes.

    Cancellation: before the call only.
    """
    async with limiter:
        return sync_fn(*args)
