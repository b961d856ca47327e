"""The tables against the truth: Trio's own task tree. The only file of the kit that looks inside."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import attrs
import trio

from actors import ActorStatistics, State, attached_to, run_actor
from supervisor import Explanation, Supervisor
from supervisor._beginnings import Beginnings
from supervisor._child import Child
from supervisor._quota import LocalQuota
from supervisor._table import Table
from supervisor._user import UserSupervisor

_PASSING = (State.STARTING, State.STOPPING, State.CANCELLING)


# What runs a child, and what it calls it.
_NAMES = {Beginnings._run.__code__: "child", run_actor.__code__: "cell"}


def check_tree(supervisor: Supervisor) -> tuple[str, ...]:
    """Where the tables differ from what really runs, a sentence each; empty: they agree.

    Call it from any task, at any time, also when the supervisor has ended: nothing may be under
    way between two checkpoints that it does not know. It reads, and touches nobody.
    """
    users = supervisor._users
    tasks = _tasks_of_actors(supervisor)
    problems = [problem for here in users.values() for problem in _check_user(supervisor, here, tasks)]
    known = {id(child) for here in users.values() for child in _everybody(here.table)}
    problems += [
        f"{child.name} runs, and is in no table" for child in tasks.children if id(child) not in known
    ]
    return (*problems, *_check_snapshot(supervisor), *_check_quota(supervisor))


@attrs.frozen(eq=False)
class _Tasks:
    """The tasks of actors that are in the tree now, each under the nursery that it runs in."""

    found: tuple[tuple[Child, trio.lowlevel.Task], ...]
    count: Counter[int]
    """How many each child has, by its id."""

    @property
    def children(self) -> Iterator[Child]:
        return (child for child, _ in self.found)

    def of(self, child: Child) -> trio.lowlevel.Task | None:
        return next((task for other, task in self.found if other is child), None)


def _tasks_of_actors(supervisor: Supervisor) -> _Tasks:
    found: list[tuple[Child, trio.lowlevel.Task]] = []
    parent = supervisor._root.parent_task
    for task in _below(parent):
        coroutine: Any = task.coro
        code, frame = getattr(coroutine, "cr_code", None), getattr(coroutine, "cr_frame", None)
        name = None if code is None else _NAMES.get(code)
        child = frame.f_locals[name] if name is not None and frame is not None else None
        if isinstance(child, Child):
            found.append((child, task))
    return _Tasks(tuple(found), Counter(id(child) for child, _ in found))


def _below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield child
            yield from _below(child)


def _everybody(table: Table) -> tuple[Child, ...]:
    return (*table.children, *table.condemned)


def _check_user(supervisor: Supervisor, here: UserSupervisor, tasks: _Tasks) -> Iterator[str]:
    for child in _everybody(here.table):
        yield from _check_task(here, child, tasks)
        yield from _check_child(child)
    yield from _check_keys(here)
    yield from _check_spawns(here)
    yield from _check_ending(here)
    yield from _check_explanation(here, supervisor.explain(here.user))
    if here.home.over or (here.table.deserted and not here._spawns and not here.home._chores):
        yield f"nothing is left of {here.user!r}, who is still there"


def _check_task(here: UserSupervisor, child: Child, tasks: _Tasks) -> Iterator[str]:
    """Exactly one, in the nursery of its own user; or none yet, before that is open."""
    nursery = here.home._nursery
    if nursery is None:
        return
    if (count := tasks.count[id(child)]) != 1:
        yield f"{child.name} is in the table, and has {count} tasks"
        return
    task = tasks.of(child)
    if task not in nursery.child_tasks:
        yield f"{child.name} runs in a nursery that is not its user's"
    if child.task not in (None, task):
        yield f"{child.name} runs in another task than its own"


def _check_child(child: Child) -> Iterator[str]:
    name, pulse = child.name, child.pulse
    attached = len(attached_to(child.ref))
    if attached != (pulse.connections or 0):
        yield f"{name} has {attached} connections, its pulse says {pulse.connections}"
    if attached and child.state not in (State.STARTING, State.RUNNING, State.STOPPING):
        yield f"{name} is {child.state.value}, and has {attached} connections"
    yield from _check_mail(name, child.ref.statistics())


def _check_mail(name: str, mail: ActorStatistics) -> Iterator[str]:
    """Every message that was accepted is somewhere, once."""
    gone = mail.handled + mail.failed + mail.returned + mail.dead_lettered
    if mail.accepted != gone + mail.queued + mail.in_hand:
        yield f"the mail of {name} does not add up: {mail}"


def _check_keys(here: UserSupervisor) -> Iterator[str]:
    """One under each key, who is not dead; and the condemned are."""
    for child in here.table.children:
        if here.table.under(child.key) is not child or child.user != here.user:
            yield f"{child.name} is in the table of {here.user!r} under another key"
        if child.has_left or child.state is State.CONDEMNED:
            yield f"{child.name} has left, and holds its key"
    for child in here.table.condemned:
        if child.state is not State.CONDEMNED or not child.has_left:
            yield f"{child.name} is among the condemned, and is {child.state.value}"


def _check_spawns(here: UserSupervisor) -> Iterator[str]:
    for key, spawn in here._spawns.items():
        if spawn.is_over or spawn.unwanted:
            yield f"a spawn of {here.user}/{key} goes on that is over, or that nobody waits for"
        if spawn.child is not None and here.table.under(key) is not spawn.child:
            yield f"a spawn of {here.user}/{key} waits for {spawn.child.name}, which has left"


def _check_ending(here: UserSupervisor) -> Iterator[str]:
    """The reaper watches those who start, and those whose end has begun, and nobody else."""
    watched = [child for child in here._reaper.watched if child.user == here.user]
    passing = [child for child in here.table.children if child.state in _PASSING]
    for child in passing:
        if child not in watched:
            yield f"{child.name} is {child.state.value}, and nobody watches it"
    for child in watched:
        if child not in passing:
            yield f"{child.name} is {child.state.value}, and is still watched"


def _check_explanation(here: UserSupervisor, said: Explanation) -> Iterator[str]:
    table = here.table
    counted = len(table.children) + max(0, len(table.condemned) - table.allowance)
    if (said.slots_held, said.limit, said.waiting) != (counted, table.limit, len(here.waiting)):
        yield f"{here.user!r} holds {counted} of {table.limit}, it is explained as {said.slots_held}"
    named = {holder.incarnation for holder in said.holders}
    if named != {child.incarnation for child in table.children}:
        yield f"the holders of {here.user!r} are explained as {sorted(named)}"
    named = {holder.incarnation for holder in said.condemned}
    if named != {child.incarnation for child in table.condemned}:
        yield f"the condemned of {here.user!r} are explained as {sorted(named)}"


def _check_snapshot(supervisor: Supervisor) -> Iterator[str]:
    """It has a page for everybody in the tables; of others nothing but threads may be left."""
    snapshot = supervisor.snapshot()
    pages = {page.user: page for page in snapshot.users}
    if len(pages) != len(snapshot.users) or not pages.keys() >= supervisor._users.keys():
        yield f"the snapshot knows {list(pages)}, here are {list(supervisor._users)}"
    for user, page in pages.items():
        here = supervisor._users.get(user)
        table = here.table if here is not None else None
        held = {child.incarnation for child in table.children} if table is not None else set[int]()
        gone = {child.incarnation for child in table.condemned} if table is not None else set[int]()
        told = (
            {holder.incarnation for holder in page.managers},
            {holder.incarnation for holder in page.condemned},
        )
        if told != (held, gone) or page.slots_held != (table.held if table is not None else 0):
            yield f"the snapshot of {user!r} says {told} and {page.slots_held} slots held"


def _check_quota(supervisor: Supervisor) -> Iterator[str]:
    """What counts for the whole process belongs to somebody, and who runs counts."""
    quota = supervisor._services.quota
    if type(quota) is not LocalQuota:
        return
    everybody = [child for here in supervisor._users.values() for child in _everybody(here.table)]
    lost = quota._slots - {child.slot for child in everybody}
    if lost:
        yield f"{len(lost)} slots of the process are held by nobody"
    for child in everybody:
        if child.state is State.RUNNING and child.slot not in quota._slots:
            yield f"{child.name} runs, and does not count for the process"


_Stand = tuple[int, int, int, int]
"""Live, condemned, the limit, the allowance."""


class SlotGuard(trio.abc.Instrument):
    """Counts the slots after every step of every task, and keeps the first breach.

        with SlotGuard(supervisor) as guard:
            ...
        assert guard.breach is None

    Slots held are at most the limit, and the condemned that hold none at most the allowance. Where
    a limit was lowered below what is held, they must not become more.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self.breach: str | None = None
        self.steps = 0
        """How often it has looked."""
        self._supervisor = supervisor
        self._last = {user: self._stand(here.table) for user, here in supervisor._users.items()}
        """By user: how he stood after the last step."""

    def __enter__(self) -> Self:
        trio.lowlevel.add_instrument(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        trio.lowlevel.remove_instrument(self)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.breach is not None:
            return
        self.steps += 1
        for user, here in self._supervisor._users.items():
            stand = self._stand(here.table)
            if stand != self._last.get(user):
                self._judge(user, stand, task)
                self._last[user] = stand
        quota = self._supervisor._services.quota
        if type(quota) is LocalQuota and quota.limit is not None and len(quota) > quota.limit:
            self.breach = f"the process counts {len(quota)} of {quota.limit} slots after {task.name}"

    def _stand(self, table: Table) -> _Stand:
        return len(table._children), len(table._condemned), table.limit, table.allowance

    def _judge(self, user: str, stand: _Stand, task: trio.lowlevel.Task) -> None:
        """More than the limit may be held only since it was lowered; from then on it must fall."""
        live, condemned, limit, allowance = stand
        held = live + max(0, condemned - allowance)
        if held <= limit:
            return
        last = self._last.get(user)
        was_live, was_condemned, *was_allowed = last or (0, 0, limit, allowance)
        was_held = was_live + max(0, was_condemned - allowance)
        if was_allowed == [limit, allowance] and held > was_held:
            self.breach = (
                f"{user!r} holds {held} of {limit} slots after a step of {task.name}: "
                f"{live} live, {condemned} condemned with an allowance of {allowance}"
            )
