"""Home: the nursery of one user, where everything of the user runs until nothing is left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any

import attrs
import trio

from ._events import ChoreFailed
from ._stream import Events


@attrs.define(eq=False)
class Home:
    """Starts tasks before and after its nursery is open, each in a fresh context."""

    _user: str
    _events: Events
    _is_deserted: Callable[[], bool]
    """Is nothing of the user left, but for chores?"""
    _retired: Callable[[], None]
    """Told once, when nothing at all is left."""
    over: bool = attrs.field(init=False, default=False)
    _nursery: trio.Nursery | None = attrs.field(init=False, default=None)
    _early: list[tuple[Callable[[], Awaitable[None]], str]] = attrs.field(init=False, factory=list[Any])
    """What is to run as soon as the nursery is open, and its name."""
    _chores: int = attrs.field(init=False, default=0)
    _left: trio.Event = attrs.field(init=False, factory=trio.Event)

    async def run(self) -> None:
        async with trio.open_nursery() as self._nursery:
            for task, name in self._early:
                self.start_soon(task, name=name)
            self._early.clear()
            await self._left.wait()

    def start_soon(self, task: Callable[[], Awaitable[None]], *, name: str) -> None:
        """Start a task; nothing of the caller's context leaks into it."""
        if self._nursery is None:
            self._early.append((task, name))
        else:
            nursery = self._nursery
            Context().run(lambda: nursery.start_soon(task, name=name))

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
        if not self.over and not self._chores and self._is_deserted():
            self.over = True
            self._left.set()
            self._retired()
