"""Force: the only file that uses private parts of Trio. It looks for them at import, or is off.

Trio cannot end a task that shields itself or swallows `Cancelled`, and says so. But a shield is
an attribute that others can clear, and a task that waits can be handed any exception where it
waits, as Trio itself does with KeyboardInterrupt. Either may break what the task was protecting.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, NoReturn

import outcome
import trio

_run = getattr(getattr(trio, "_core", None), "_run", None)

_PRIVATE: tuple[tuple[object, tuple[str, ...]], ...] = (
    (
        trio.lowlevel.Task,
        ("_cancel_status", "_abort_func", "_attempt_abort", "_next_send_fn", "_next_send"),
    ),
    (trio.CancelScope, ("_cancel_status",)),
    (
        getattr(getattr(getattr(trio, "_core", None), "_run", None), "CancelStatus", None),
        ("_scope", "parent"),
    ),
)

MISSING = tuple(name for owner, names in _PRIVATE for name in names if not hasattr(owner, name))
"""The private names of Trio that this version does not have: if any, nothing can be forced."""


def is_available() -> bool:
    """Does this Trio have all that force needs?"""
    return not MISSING


class ThrownOut(BaseException):
    """Thrown into a task that ignored its cancellation. No Exception, so that few catch it."""


def tasks_below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    """The task and all its descendants, from the outside in."""
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from tasks_below(child)


def leaves_of(task: trio.lowlevel.Task) -> list[trio.lowlevel.Task]:
    """Those that hold the others up: all but the ones that only wait for their children to end."""
    return list(leaves_below(task))


def leaves_below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    """The same, one after the other: there may be thousands."""
    return (each for each in tasks_below(task) if not _waits_for_children(each))


def _waits_for_children(task: trio.lowlevel.Task) -> bool:
    """Also when the last of them has just ended: whatever is thrown into this wait breaks its nursery."""
    return any(frame.f_code.co_name == "_nested_child_finished" for frame, _ in task.iter_await_frames())


def shields_around(task: trio.lowlevel.Task, boundary: trio.CancelScope) -> list[trio.CancelScope]:
    """The shields between this task and `boundary`, from the inside out."""
    if not is_available():
        return []
    private: Any = task
    end: Any = boundary
    status, found = private._cancel_status, list[trio.CancelScope]()
    while status is not None and status is not end._cancel_status:
        if status._scope.shield:
            found.append(status._scope)
        status = status.parent
    return found


def open_shields(task: trio.lowlevel.Task, boundary: trio.CancelScope) -> int:
    """Let a cancellation of `boundary` reach the task and all below it; how many shields that took."""
    opened = 0
    for each in tasks_below(task):
        for scope in shields_around(each, boundary):
            scope.shield = False
            opened += 1
    return opened


def spins(task: trio.lowlevel.Task) -> bool:
    """Is one of its leaves about to run, rather than waiting? Known only where force is."""
    return is_available() and any(_is_scheduled(leaf) for leaf in leaves_of(task))


def throw_into(task: trio.lowlevel.Task, why: str) -> int:
    """Throw ThrownOut into each leaf that can take it; how many did. One in a thread cannot."""
    return sum(_throw(leaf, ThrownOut(why)) for leaf in leaves_of(task)) if is_available() else 0


def _throw(leaf: Any, error: ThrownOut) -> bool:
    if inspect.getcoroutinestate(leaf.coro) == inspect.CORO_CREATED:
        return False  # it has not begun: its cancellation finds it at its first checkpoint

    def throw() -> NoReturn:
        raise error

    if leaf._abort_func is not None:
        leaf._attempt_abort(throw)
        return _is_scheduled(leaf)
    if _is_scheduled(leaf):
        leaf._next_send_fn, leaf._next_send = leaf.coro.send, outcome.Error(error)
        return True
    return False


def _is_scheduled(leaf: Any) -> bool:
    return leaf._next_send_fn is not None
