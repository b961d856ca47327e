"""Blocking calls for tests: real threads that wait at a gate, and ways to wait for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import attrs
import trio

# Real seconds after which a test gives up on a thread, and a thread on its test.
PATIENCE = 30.0


@attrs.define(eq=False)
class Gate:
    """Threads wait here until it is opened, at the latest at the end of its block."""

    _opened: threading.Event = attrs.field(factory=threading.Event)

    def wait(self) -> str:
        """The blocking call."""
        assert self._opened.wait(PATIENCE), "nobody opened the gate"
        return "through"

    def wait_and_raise(self) -> None:
        self.wait()
        raise OSError("behind the gate")

    def open(self) -> None:
        self._opened.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.open()


async def until(condition: Callable[[], bool]) -> None:
    """Let threads and tasks get on until it holds; no virtual time passes meanwhile."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "it never came to be"
        time.sleep(0.001)  # noqa: ASYNC251  # the threads' turn, not the loop's
        await trio.lowlevel.checkpoint()
