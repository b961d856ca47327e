"""Children: the child tasks of one actor, in a nursery of their own that is open only if there are any.

Most actors never start one, and a nursery costs a dozen microseconds and a kilobyte. So it is opened by
a task beside the actor's own when the first child starts; both end together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context

import attrs
import trio


@attrs.define(eq=False, repr=False)
class Children:
    """Of one actor, from its first child task on."""

    scope: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)
    """Around all of them."""
    nursery: trio.Nursery | None = attrs.field(init=False, default=None)
    _early: list[tuple[Context, Callable[[trio.Nursery], None]]] = attrs.field(
        init=False, factory=list[tuple[Context, Callable[[trio.Nursery], None]]]
    )
    """What is to start as soon as the nursery is open, and in which context."""
    _over: bool = attrs.field(init=False, default=False)
    _waiting: trio.lowlevel.Task | None = attrs.field(init=False, default=None)

    def start_soon(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        """Start one, in a copy of the caller's context, as a nursery does."""

        def start(nursery: trio.Nursery) -> None:
            nursery.start_soon(function, *args)

        if self.nursery is None:
            self._early.append((copy_context(), start))
        else:
            start(self.nursery)

    async def run(self) -> None:
        """Keep the nursery open until `scope` is cancelled, and all have ended."""
        try:
            with self.scope:
                async with trio.open_nursery() as self.nursery:
                    for context, start in self._early:
                        context.run(start, self.nursery)
                    self._early.clear()
                    await trio.sleep_forever()
        finally:
            self.nursery = None
            self._over = True
            if self._waiting is not None:
                trio.lowlevel.reschedule(self._waiting)

    async def end(self) -> None:
        """Cancel them, and wait until all have ended. As with a nursery, nothing ends this wait sooner."""
        self.scope.cancel()
        if not self._over:
            self._waiting = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)

    @property
    def tasks(self) -> tuple[trio.lowlevel.Task, ...]:
        """Those that run now."""
        return () if self.nursery is None else tuple(self.nursery.child_tasks)

    @property
    def hold_it_up(self) -> bool:
        """Does the actor's own task only wait for them to end?"""
        return self._waiting is not None and not self._over
