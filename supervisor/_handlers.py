"""A nursery for connection handlers that survives their crashes.

trio-websocket documents that a `handler_nursery` may be anything with `start_soon`. Without this
one, a single client ends a stock `serve_websocket` with garbage bytes and a reset.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context

import attrs
import trio

from ._events import HandlerFailed
from ._stream import Events


@attrs.define(eq=False, repr=False)
class HandlerNursery:
    """Pass it wherever a `handler_nursery` is asked for. Each task has a fresh context."""

    _nursery: trio.Nursery
    _events: Events
    _running: int = attrs.field(init=False, default=0)
    _idle: trio.Event = attrs.field(init=False, factory=trio.Event)

    def start_soon(
        self,
        async_fn: Callable[..., Awaitable[object]],
        /,
        *args: object,
        name: object = None,
    ) -> None:
        """As `trio.Nursery.start_soon`; an exception becomes a HandlerFailed event and goes no further."""
        label = str(name) if name is not None else getattr(async_fn, "__qualname__", repr(async_fn))

        async def isolated() -> None:
            try:
                await async_fn(*args)
            except* Exception as group:  # noqa: BLE001  # the event carries it; a cancellation passes
                self._events.emit(HandlerFailed(self._events.stamp(), label, _sole(group)))
            finally:
                self._running -= 1
                if not self._running:
                    self._idle.set()

        self._running += 1
        Context().run(lambda: self._nursery.start_soon(isolated, name=label))

    async def wait_idle(self) -> None:
        """Until no handler runs. Cancellation: nothing happens."""
        while self._running:
            self._idle = trio.Event()
            await self._idle.wait()


def _sole(group: BaseExceptionGroup[Exception]) -> BaseException:
    """The error itself, where there is only one."""
    return group.exceptions[0] if len(group.exceptions) == 1 else group
