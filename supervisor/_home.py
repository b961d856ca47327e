"""Home: the nursery of one user, where everything of the user runs until nothing is left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial
from typing import Any, Protocol

import attrs
import trio

from ._events import ChoreFailed
from ._stream import Events


class Owner(Protocol):
    """Whose home it is."""

    @property
    def is_deserted(self) -> bool:
        """Is nothing of the user left, but for chores?"""
        ...

    def retire(self) -> None:
        """Told once, when nothing at all is left."""
        ...


@attrs.define(eq=False, repr=False)
class Home:
    """Starts tasks before and after its nursery is open, each in a fresh context."""

    _user: str
    _events: Events
    _owner: Owner
    over: bool = attrs.field(init=False, default=False)
    _nursery: trio.Nursery | None = attrs.field(init=False, default=None)
    _early: list[tuple[Callable[..., Awaitable[object]], tuple[Any, ...], str]] = attrs.field(
        init=False, factory=list[Any]
    )
    """What is to run as soon as the nursery is open, with its arguments and its name."""
    _chores: int = attrs.field(init=False, default=0)
    _waiting: trio.lowlevel.Task | None = attrs.field(init=False, default=None)

    async def run(self) -> None:
        async with trio.open_nursery() as self._nursery:
            for task, args, name in self._early:
                self.start_soon(task, *args, name=name)
            self._early.clear()
            self._waiting = trio.lowlevel.current_task()
            if not self.over:
                await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)

    def _stop_waiting(self, _: object) -> trio.lowlevel.Abort:
        self._waiting = None
        return trio.lowlevel.Abort.SUCCEEDED

    def start_soon(self, task: Callable[..., Awaitable[object]], *args: object, name: str) -> None:
        """Start a task; nothing of the caller's context leaks into it."""
        if self._nursery is None:
            self._early.append((task, args, name))
        else:
            Context().run(partial(self._nursery.start_soon, task, *args, name=name))

    def do(self, chore: Callable[[], Awaitable[object]]) -> None:
        """Run something that the user is not over before. If it crashes, an event says so."""
        self._chores += 1

        async def run_chore() -> None:
            try:
                await chore()
            except Exception as error:  # noqa: BLE001  # one user's trouble is nobody else's
                self._events.emit(ChoreFailed(self._events.stamp(), self._user, error))
            finally:
                self._chores -= 1
                self.leave_if_deserted()

        self.start_soon(run_chore, name=f"a chore for {self._user!r}")

    def leave_if_deserted(self) -> None:
        if not self.over and not self._chores and self._owner.is_deserted:
            self.over = True
            if self._waiting is not None:
                trio.lowlevel.reschedule(self._waiting)
                self._waiting = None
            self._owner.retire()
