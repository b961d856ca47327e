"""Force: the only file that uses private parts of Trio. It looks for them at import, or is off.

Trio cannot end a task that shields itself or swallows `Cancelled`, and says so. But a shield is
an attribute that others can clear, and a task that waits can be handed any exception where it
waits, as Trio itself does with KeyboardInterrupt. Either may break what the task was protecting.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
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


Root = tuple[trio.lowlevel.Task, trio.CancelScope]
"""A task, and the scope around it whose cancellation should end it, and all below it."""


def tasks_below(roots: Iterable[Root]) -> Iterator[Root]:
    """The tasks and all their descendants, each from the outside in, with the scope of its root.

    Siblings as they were started: Trio keeps them in a set, and what is told must not depend on addresses.
    """
    for task, scope in sorted(roots, key=_age):
        yield task, scope
        for nursery in task.child_nurseries:
            yield from tasks_below((child, scope) for child in nursery.child_tasks)


def _age(root: Root) -> int:
    return getattr(root[0], "_counter", 0)  # where Trio calls it otherwise, in whatever order


def leaves_below(roots: Iterable[Root]) -> Iterator[Root]:
    """Those that hold the others up: all but the ones that only wait for their children to end.

    One after the other: there may be thousands.
    """
    return ((task, scope) for task, scope in tasks_below(roots) if not _waits_for_children(task))


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


def open_shields(roots: Iterable[Root]) -> int:
    """Let the cancellation of its scope reach each task below; how many shields that took."""
    opened = 0
    for task, boundary in tasks_below(roots):
        for scope in shields_around(task, boundary):
            scope.shield = False
            opened += 1
    return opened


def spins(roots: Iterable[Root]) -> bool:
    """Is one of the leaves about to run, rather than waiting? Known only where force is."""
    return is_available() and any(_is_scheduled(leaf) for leaf, _ in leaves_below(roots))


def throw_into(roots: Iterable[Root], why: str) -> int:
    """Throw ThrownOut into each leaf that can take it; how many did. One in a thread cannot."""
    if not is_available():
        return 0
    return sum(_throw(leaf, ThrownOut(why)) for leaf, _ in list(leaves_below(roots)))


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
