"""What every task and every thread of the process is doing, equal stacks together."""

from __future__ import annotations

import inspect
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice
from types import FrameType

import attrs
import trio

from supervisor._log_facts import printable
from supervisor._stuck import stack_of

from ._shapes import Json

# The longest time, in seconds, for which a dump keeps the event loop to itself; it rests as long again.
SLICE = 0.002

# Of tasks with the same stack so many are named.
MOST_NAMES = 5

# Groups that are told at most.
MOST_GROUPS = 500


@attrs.define(eq=False)
class _Group:
    """Tasks that wait in the same place, and whose parents do."""

    stack: tuple[str, ...]
    depth: int
    count: int = 0
    names: list[str] = attrs.field(factory=list[str])
    below: dict[tuple[str, ...], _Group] = attrs.field(factory=dict[tuple[str, ...], "_Group"])

    def group_of(self, task: trio.lowlevel.Task) -> _Group:
        """The group below this one in which a task belongs."""
        stack = stack_of(task)
        group = self.below.get(stack)
        if group is None:
            group = self.below[stack] = _Group(stack, self.depth + 1)
        group.count += 1
        if len(group.names) < MOST_NAMES:
            group.names.append(task.name)
        return group

    def told(self) -> Iterator[Json]:
        """Those below: each with its own below it, the largest first."""
        for group in sorted(self.below.values(), key=lambda group: -group.count):
            facts = {"count": group.count, "names": group.names, "stack": list(group.stack)}
            yield facts | {"depth": group.depth}
            yield from group.told()


async def dump() -> Json:
    """The tree of all tasks of this event loop, equal ones together; and all threads.

    Equal are tasks that wait in the same place, below tasks that do. It looks at some tasks at a
    time: of a hundred thousand, those it comes to last are seen some seconds later than the first.
    """
    everything, tasks = _Group((), -1), 0
    slice_began = time.perf_counter()
    for _ in _grow(everything):
        tasks += 1
        spent = time.perf_counter() - slice_began
        if spent >= SLICE:
            await trio.sleep(spent)
            slice_began = time.perf_counter()
    return {
        "tasks": tasks,
        "groups": list(islice(everything.told(), MOST_GROUPS)),
        "threads": list(_threads()),
    }


def _grow(everything: _Group) -> Iterator[None]:
    """Each step puts one task where it belongs. You may wait between two of them."""
    root = trio.lowlevel.current_root_task()
    waiting = [] if root is None else [(root, everything)]
    while waiting:
        task, above = waiting.pop()
        if inspect.getcoroutinestate(task.coro) == inspect.CORO_CLOSED:
            continue  # it has ended since its parent was looked at
        group = above.group_of(task)
        for nursery in task.child_nurseries:
            waiting.extend((child, group) for child in nursery.child_tasks)
        yield


def _threads() -> Iterator[Json]:
    frames = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # documented
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in frames.items():
        yield {"name": names.get(ident, str(ident)), "stack": list(_lines(frame))[::-1]}


def _lines(frame: FrameType | None) -> Iterator[str]:
    """From the inside out. Not by `traceback`, which would read the sources from the disk."""
    while frame is not None:
        yield f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
        frame = frame.f_back


def in_words(dumped: Json) -> Iterator[str]:
    """The dump, as lines for a person's terminal: names are whatever users called themselves."""
    yield f"{dumped['tasks']} tasks"
    for group in dumped["groups"]:
        inset = "  " * group["depth"]
        more = ", ..." if group["count"] > len(group["names"]) else ""
        yield f"{inset}{group['count']} x {', '.join(map(printable, group['names']))}{more}"
        yield from (f"{inset}    {line}" for line in group["stack"] or ["(runs, or has not begun)"])
    for thread in dumped["threads"]:
        yield f"thread {printable(thread['name'])}"
        yield from (f"    {line}" for line in thread["stack"])
