"""Ours: what one manager costs when there are n of them: to start, keep, sweep, find, stop, and judge."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from typing import Any

import attrs
import trio
import trio.abc
import trio.testing

from actors import ActorRef, Phase, Pulse, State
from supervisor import HealthPolicy, Lag, Settings, Supervisor, SupervisorSpec, Swept, judge, open_supervisor

from .ours import LIMIT, spawn
from .work import FIRST, Stopwatch, names, resident, rounds, spread

# What the README recommends to who has 10,000 managers or more.
RECIPE = (50_000, 20, 100)

SWEEPS = 10

# From one sweep to the next while sweeps are measured, in seconds; and before that.
SOON, NEVER = 0.05, 86_400.0

LOOKUPS = 100_000


def growth(n: int) -> dict[str, float]:
    """All of it, with the garbage collector as Python has it."""
    return trio.run(grow, n)


def growth_recipe(n: int) -> dict[str, float]:
    gc.set_threshold(*RECIPE)
    return trio.run(grow, n)


async def grow(n: int) -> dict[str, float]:
    """20 managers a user: everything is a manager's own cost, but for the longest slice of a sweep."""
    async with open_supervisor(LIMIT, spec=SupervisorSpec(sweep_period=NEVER)) as supervisor:
        await spawn(supervisor, names(FIRST, prefix="first"))
        await trio.testing.wait_all_tasks_blocked()
        who, before, starting, stopping = names(n), resident(), Stopwatch(), Stopwatch()
        with starting:
            refs = await spawn(supervisor, who)
        await trio.testing.wait_all_tasks_blocked()
        memory = resident() - before
        steps = await sweep(supervisor)
        lookup = look_up(supervisor, who)
        with stopping:
            await stop(supervisor, refs)
    return {
        "spawn": starting.seconds / n,
        "memory": memory / n,
        "sweep": steps.seconds / SWEEPS / (n + FIRST),
        "slice": steps.longest,
        "lookup": lookup,
        "stop": stopping.seconds / n,
    }


# The parts of it


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """The steps of all tasks but one, in seconds of processor time: what they held the loop."""

    ours: trio.lowlevel.Task
    seconds: float = attrs.field(init=False, default=0.0)
    longest: float = attrs.field(init=False, default=0.0)
    _began: float = attrs.field(init=False, default=0.0)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is not self.ours:
            took = time.thread_time() - self._began
            self.seconds += took
            self.longest = max(self.longest, took)


async def sweep(supervisor: Supervisor) -> Steps:
    """What the loop does during so many sweeps, one right after the other, while nobody does anything."""
    steps = Steps(trio.lowlevel.current_task())
    with supervisor.events() as events:
        trio.lowlevel.add_instrument(steps)
        sweep_every(supervisor, SOON)
        for _ in range(SWEEPS):
            while not isinstance(event := await events.receive(), Swept):
                pass
            assert not event.report.stages, "nobody is anything but well"
        sweep_every(supervisor, NEVER)
        trio.lowlevel.remove_instrument(steps)
    return steps


def sweep_every(supervisor: Supervisor, seconds: float) -> None:
    spec = attrs.evolve(supervisor.spec, sweep_period=seconds, sweep_jitter=0.0)
    supervisor.configure(Settings(limit=LIMIT, supervisor=spec))


def look_up(supervisor: Supervisor, who: Sequence[tuple[str, str]]) -> float:
    """Seconds that it takes to find one of them."""
    watch, asked = Stopwatch(), spread(who, LOOKUPS)
    with watch:
        for user, key in asked:
            supervisor.lookup(user, key)
    return watch.seconds / LOOKUPS


async def stop(supervisor: Supervisor, refs: Sequence[ActorRef[Any]]) -> None:
    """All of them, until each has left."""
    for ref in refs:
        ref.stop()
    for ref in refs:
        await ref.wait_stopped()
    while supervisor.counts().managers > FIRST:
        await trio.lowlevel.checkpoint()


# A verdict


def verdict(n: int) -> dict[str, float]:
    """On one that waits for mail, and on one that is at work."""
    parked = Pulse(0.0, State.RUNNING, Phase.PARKED)
    at_work = Pulse(0.0, State.RUNNING, Phase.HANDLE)
    return {"parked": judge_often(n, parked), "busy": judge_often(n, at_work)}


def judge_often(n: int, pulse: Pulse) -> float:
    watch, policy, lag = Stopwatch(), HealthPolicy(), Lag()
    for size in rounds(n):
        with watch:
            for _ in range(size):
                judge(pulse, policy, 1.0, lag)
    return watch.seconds / n
