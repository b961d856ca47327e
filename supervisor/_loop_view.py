"""What an event loop does right now, seen from another thread.

The one file of the watchdog that knows Trio's private parts: the function that is Trio's loop, and
three of its local variables. They tell each step from the next at no cost to the loop. Where they
are missing, a public instrument counts the turns (half a microsecond each), and steps are not told
apart.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import attrs
import trio

from actors import actor_of

from ._blockage import Sample

# Trio's loop: each turn makes a fresh list `batch` of the tasks that are ready, at the time `now`,
# takes one after the other out of it, and runs a step of it as `task`, which it deletes then.
TRIOS_LOOP = "unrolled_run"

# A clock like this counts real seconds; the others (MockClock) do not.
_REAL_CLOCK = "SystemClock"

# What is told of a stack at most, from its inner end.
_DEEPEST = 50

# A look that the loop ran through is taken again; more often than once means a thread that starves.
_LOOKS = 3

_TRIOS_FILES = str(Path(trio.__file__).parent)


class LoopView(Protocol):
    """Looks at the loop."""

    @property
    def loop(self) -> FrameType | None:
        """Its frame, if it is the loop we know."""

    @property
    def ahead(self) -> float | None:
        """What its clock shows more than `time.perf_counter`; None where it does not count real seconds."""

    def look(self) -> Sample | None:
        """What it does now; None: it rests, or it moves. For another thread than the loop's."""

    def forget(self) -> None:
        """Nothing of a task is to outlive its step by more than one look: were there no next one."""


@contextmanager
def view_of_this_loop() -> Generator[LoopView]:
    """A view of the loop that runs this, for as long as the block lasts.

    Raises:
      RuntimeError: none does.
    """
    task = trio.lowlevel.current_task()
    loop = _loops_frame(task)
    if loop is not None:
        yield StepView(loop)
        return
    turns = TurnView()
    trio.lowlevel.add_instrument(turns)
    try:
        yield turns
    finally:
        trio.lowlevel.remove_instrument(turns)


def _loops_frame(task: trio.lowlevel.Task) -> FrameType | None:
    """Where Trio's loop runs that task, if it is the loop we know."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # documented
    while frame is not None and frame.f_code.co_name != TRIOS_LOOP:
        frame = frame.f_back
    if frame is None:
        return None
    local = frame.f_locals
    knows = local.get("task") is task and isinstance(local.get("batch"), list)
    return frame if knows and isinstance(local.get("now"), float) else None


@attrs.frozen(eq=False)
class _Running:
    """A step that runs. The batch is one turn's own, and a task is in it once."""

    task: trio.lowlevel.Task
    batch: object
    now: float

    def is_step_of(self, other: _Running | None) -> bool:
        return other is not None and self.batch is other.batch and self.task is other.task


def _offset_of_the_clock() -> float | None:
    """From real seconds to Trio's; None where Trio's are none."""
    if type(trio.lowlevel.current_clock()).__name__ != _REAL_CLOCK:
        return None
    return trio.current_time() - time.perf_counter()


@attrs.define(eq=False, repr=False)
class StepView:
    """Reads the loop's own variables: each step is told from the next."""

    loop: FrameType
    _thread: int = attrs.field(init=False, factory=threading.get_ident)
    ahead: float | None = attrs.field(init=False, factory=_offset_of_the_clock)
    _seen: _Running | None = attrs.field(init=False, default=None)
    _turn: int = attrs.field(init=False, default=0)
    _step: int = attrs.field(init=False, default=0)

    def look(self) -> Sample | None:
        for _ in range(_LOOKS):
            running = self._running()
            stack = _stack(self._thread, self.loop)
            if running is None or stack is None:
                break
            if running.is_step_of(self._running()):
                return self._sample(running, stack)
        self.forget()
        return None

    def forget(self) -> None:
        self._seen = None
        local: Any = self.loop.f_locals
        if isinstance(local, dict):  # a copy of them all, which Python keeps until the next look
            local.clear()

    def _running(self) -> _Running | None:
        local: Mapping[str, Any] = self.loop.f_locals
        task = local.get("task")
        return None if task is None else _Running(task, local["batch"], local["now"])

    def _sample(self, running: _Running, stack: tuple[str, ...]) -> Sample:
        if not running.is_step_of(self._seen):
            self._step += 1
            if self._seen is None or running.batch is not self._seen.batch:
                self._turn += 1
            self._seen = running
        began = None if self.ahead is None else running.now - self.ahead
        actor = actor_of(running.task)
        return Sample(time.perf_counter(), self._turn, self._step, began, actor, stack)


@attrs.define(eq=False, repr=False)
class TurnView(trio.abc.Instrument):
    """Counts the loop's turns; knows nothing of tasks."""

    loop: None = attrs.field(init=False, default=None)
    ahead: None = attrs.field(init=False, default=None)
    _thread: int = attrs.field(init=False, factory=threading.get_ident)
    _turn: int = attrs.field(init=False, default=0)
    _rests: bool = attrs.field(init=False, default=False)

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002  # Trio's signature
        self._rests = True

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002  # Trio's signature
        self._turn += 1
        self._rests = False

    def forget(self) -> None:
        pass

    def look(self) -> Sample | None:
        turn, stack = self._turn, _stack(self._thread, None)
        if self._rests or turn != self._turn or stack is None:
            return None
        return Sample(time.perf_counter(), turn, step=turn, stack=stack)


def _stack(thread: int, loop: FrameType | None) -> tuple[str, ...] | None:
    """What the thread does, within that loop; None: it is not in there."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # documented
    frames: list[FrameType] = []
    while frame is not loop:
        if frame is None:
            return None
        frames.append(frame)
        frame = frame.f_back
    ours = (f for f in frames if not f.f_code.co_filename.startswith(_TRIOS_FILES))
    shown = list(islice(ours, _DEEPEST)) or frames[:1]
    return tuple(f"{f.f_code.co_filename}:{f.f_lineno} in {f.f_code.co_qualname}" for f in reversed(shown))
