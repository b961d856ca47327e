"""The floor under a spawn and a stop of ours: what they are made of, with nothing looked up, decided or told.

Trio's task in a scope, and the objects: that is what is left if all else took no time.
"""

from __future__ import annotations

from typing import Any

import trio
import trio.testing

from actors import Actor, Exit, ExitReason
from supervisor import ChildSpec, Obtained, Reserved, Stamp, Started, Terminal
from supervisor._child import Child
from supervisor._spawn import Spawn

from .ours import Idle
from .work import Stopwatch, crowds, names, rounds

Task = trio.lowlevel.Task

# Nobody is told.
NOBODY: Any = None


def spawn_floor(n: int) -> float:
    return trio.run(spawn_each, n)


def stop_floor(n: int) -> float:
    return trio.run(stop_all, n)


def may_be_cancelled(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.SUCCEEDED


# spawn


async def spawn_each(n: int) -> float:
    caller, watch, spec = trio.lowlevel.current_task(), Stopwatch(), ChildSpec(Idle)
    actors: list[Actor[object]] = []
    async with trio.open_nursery() as nursery:
        for size in crowds(n):
            table: dict[tuple[str, str], Obtained[object]] = {}
            with watch:
                for number, (user, key) in enumerate(names(size)):
                    who, spawn = (user, key, number), Spawn(user, key, spec)
                    child = Child(f"{user}/{key}#{number}", *who, spec, "slot", NOBODY)
                    Reserved(Stamp(number, trio.current_time()), *who, 1, 20, spec.health, 1.0, 1.0)
                    nursery.start_soon(live, child, actors, caller)
                    await trio.lowlevel.wait_task_rescheduled(may_be_cancelled)
                    Started(Stamp(number, trio.current_time()), *who, spawn.asked_at)
                    table[user, key] = Obtained(child.ref, created=True)
        nursery.cancel_scope.cancel()
    return watch.seconds / n


async def live(child: Child, actors: list[Actor[object]], caller: Task) -> None:
    with child.scope:
        actors.append(child.spec.factory())
        trio.lowlevel.reschedule(caller)
        await trio.lowlevel.wait_task_rescheduled(may_be_cancelled)


# stop


async def stop_all(n: int) -> float:
    watch = Stopwatch()
    for size in rounds(n):
        async with trio.open_nursery() as nursery:
            table: dict[int, Task] = {}
            for number in range(size):
                nursery.start_soon(live_in, table, number)
            await trio.testing.wait_all_tasks_blocked()
            tasks = list(table.values())
            watch.start()
            for task in tasks:
                trio.lowlevel.reschedule(task)
        watch.stop()
    return watch.seconds


async def live_in(table: dict[int, Task], number: int) -> None:
    with trio.CancelScope():
        table[number] = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(may_be_cancelled)
    del table[number]
    how, now = Exit(ExitReason.STOPPED, ""), trio.current_time()
    Terminal(Stamp(number, now), "user", "key", number, how, was_condemned=False, held=1)
