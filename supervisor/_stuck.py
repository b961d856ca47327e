"""Why is this actor stuck, and where? From its tasks' own stacks, in words."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import FrameType

import outcome
import trio

from actors import Actor

from ._force import Root, is_available, leaves_below, shields_around, tasks_below

# Frames of these packages are how it waits, not where.
_RUNTIME = tuple(
    str(Path(inspect.getfile(part)).parent / "_").removesuffix("_") for part in (trio, outcome, Actor)
)

# More leaves than this hang as a rule for the same reason; their stacks are told all the same.
_CAUSES_TOLD = 3

# Tasks of one actor that are looked at: the others are of no use to a person, and there may be thousands.
_TASKS_TOLD = 50


def where(roots: Iterable[Root]) -> str:
    """The innermost line of its own code in which the first of its leaves waits."""
    for leaf, _ in leaves_below(roots):
        return _place(leaf)
    return ""


def cause(roots: Iterable[Root]) -> str:
    """Why their cancellation does not end them, for the leaves that hold them up."""
    causes = dict.fromkeys(_cause_of(leaf, scope) for leaf, scope in islice(leaves_below(roots), _TASKS_TOLD))
    more = len(causes) - _CAUSES_TOLD
    told = "; ".join(list(causes)[:_CAUSES_TOLD])
    return f"{told}; and {more} more" if more > 0 else told


def stack(roots: Iterable[Root]) -> tuple[str, ...]:
    """Where the first 50 tasks hang, as `file:line in function`, each from the outside in."""
    told = islice(tasks_below(roots), _TASKS_TOLD)
    return tuple(line for task, _ in told for line in stack_of(task))


def stack_of(task: trio.lowlevel.Task) -> tuple[str, ...]:
    """Where this one task hangs; without the frames of Trio itself, where there are others."""
    frames = list(task.iter_await_frames())
    own = [(frame, line) for frame, line in frames if not _is_runtime(frame, _RUNTIME[:1])]
    return tuple(_line(frame, line) for frame, line in own or frames)


def _cause_of(leaf: trio.lowlevel.Task, scope: trio.CancelScope) -> str:
    place = _place(leaf)
    thread = next(_thread_functions(leaf), None)
    if thread is not None:
        return f"in a thread that runs {thread}, started at {place}"
    if shields_around(leaf, scope):
        return f"shielded at {place}"
    if not scope.cancel_called:
        return f"waiting at {place}"
    return f"{'swallows' if is_available() else 'ignores'} its cancellation at {place}"


def _thread_functions(leaf: trio.lowlevel.Task) -> Iterator[str]:
    for frame, _ in leaf.iter_await_frames():
        if frame.f_code.co_name == "to_thread_run_sync" and "sync_fn" in frame.f_locals:
            function: object = frame.f_locals["sync_fn"]
            yield getattr(function, "__qualname__", repr(function))


def _place(leaf: trio.lowlevel.Task) -> str:
    """The innermost frame that is not the runtime's; or else that is not Trio's; or else its name."""
    frames = list(leaf.iter_await_frames())
    for runtime in (_RUNTIME, _RUNTIME[:1]):
        for frame, line in reversed(frames):
            if not _is_runtime(frame, runtime):
                return _line(frame, line)
    return leaf.name


def _is_runtime(frame: FrameType, folders: tuple[str, ...]) -> bool:
    return frame.f_code.co_filename.startswith(folders)


def _line(frame: FrameType, line: int) -> str:
    return f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_qualname}"
