"""One node as a process: it spawns, stops, wedges and forgets managers, until its standard input is closed.

    python -m tests.cluster.node_process --engine URL --marks FILE --number N [--lease S] [--seed N] ...

Every manager acts all the time, see `checker`. Some users are in common with all other nodes, the first
one most of the time.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Protocol

import attrs
import trio

from actors import ActorError, ActorRef, State
from supervisor import (
    ChildSpec,
    ClusterUnavailable,
    HealthPolicy,
    LivesElsewhere,
    SpawnFailed,
    SpawnRefused,
    Supervisor,
    SupervisorSpec,
    open_supervisor,
)
from supervisor import LeaseLost as LeaseLostEvent
from supervisor.cluster import Cluster, ClusterSpec, LeaseLost, open_cluster
from supervisor.testing import (
    CrashesInHandle,
    Echo,
    Healthy,
    Shielded,
    SwallowsCancelled,
    WedgedForever,
    Work,
)

from .marks import Count, Mark, Marks

LIMIT = 20
# More than the limit, so that it is the slots that are short, and few enough that nodes meet at one key.
KEYS = 150
USERS = 4
# Of a manager that acts, in seconds.
STEP = 0.005


@attrs.frozen(kw_only=True)
class Options:
    """How a node behaves."""

    engine: str
    marks: Path
    number: int
    lease: float
    seed: int
    contenders: int
    """So many of its tasks want managers."""
    naive: bool


def read_options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.node_process")
    parser.add_argument("--engine", required=True)
    parser.add_argument("--marks", type=Path, required=True)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--lease", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--contenders", type=int, default=24)
    parser.add_argument("--naive", action="store_true", help="count, then add: the control that must fail")
    return Options(**vars(parser.parse_args(arguments)))


@attrs.frozen(eq=False)
class Life:
    """One manager as its own code sees it: allowed to act as long as the session lasts that it began in.

    The node may have another session by the time that an actor of the one before has ended, so it asks
    for its own, and not for any.
    """

    mark: Mark
    cluster: Cluster
    session: str

    @classmethod
    def begin(cls, marks: Marks, cluster: Cluster, user: int, key: int) -> Life:
        """Raises LeaseLost."""
        now = time.monotonic_ns()
        session = cluster.session
        mark = marks.new()
        mark.begin(user, key, now)
        return cls(mark, cluster, session)

    def act(self) -> None:
        """Raises LeaseLost."""
        now = time.monotonic_ns()
        self.mark.ran(now)
        self.cluster.check(self.session)
        self.mark.act(now)


class Acting(Healthy):
    """A specimen that acts as long as it lives, whatever its work does to it."""

    begin: Callable[[], Life]
    """Set where it is made, see `spec_of`."""

    async def on_start(self) -> None:
        self.life = self.begin()
        self.start_soon(self._act_for_ever)

    async def _act_for_ever(self) -> None:
        try:
            while True:
                await trio.sleep(STEP)
                self.life.act()
        except LeaseLost:
            return  # Trio cancels it in a moment
        finally:
            self.life.mark.end()

    async def on_stop(self) -> None:
        """A last step, unless it is condemned: then it has been counted out."""
        if self.ref.state is not State.CONDEMNED:
            try:
                self.life.act()
            except LeaseLost:
                return


class ActingWedged(Acting, WedgedForever):
    """Hangs at work."""


class ActingShielded(Acting, Shielded):
    """Hangs at work, and ignores cancellation."""


class ActingSwallower(Acting, SwallowsCancelled):
    """Hangs at work, and swallows its cancellation some times."""


class ActingCrasher(Acting, CrashesInHandle):
    """Crashes at work."""


# A short moment, as it holds a condemned one in memory: their number is limited.
_SHIELDED = functools.partial(ActingShielded, seconds=0.5)
_SWALLOWER = functools.partial(ActingSwallower, times=3)
MISBEHAVING: tuple[Callable[[], Acting], ...] = (ActingWedged, _SHIELDED, _SWALLOWER, ActingCrasher)

HEALTH = HealthPolicy(budget=0.25, idle_limit=0.5, start_grace=2.0)


def spec_of(make: Callable[[], Acting], begin: Callable[[], Life]) -> ChildSpec[Any]:
    def factory() -> Acting:
        actor = make()
        actor.begin = begin
        return actor

    return ChildSpec(factory, health=HEALTH, stop_grace=0.2, cleanup_grace=0.1)


class Door(Protocol):
    """Who lets managers in."""

    async def visit(self, user: int, key: int) -> float:
        """Try to have a manager there for a while; how long to rest then, in seconds."""
        ...


@attrs.frozen(eq=False)
class SupervisedDoor:
    """The real one."""

    supervisor: Supervisor
    cluster: Cluster
    marks: Marks
    random: Random
    lease: float

    async def visit(self, user: int, key: int) -> float:
        random, count = self.random, self.marks.count
        misbehaves = random.random() < 0.1
        make = random.choice(MISBEHAVING) if misbehaves else Acting
        begin = functools.partial(Life.begin, self.marks, self.cluster, user, key)
        try:
            got = await self.supervisor.get_or_spawn(f"user-{user}", f"key-{key}", spec_of(make, begin))
        except SpawnRefused:
            count(Count.REFUSED)
            return random.uniform(0, 0.05)
        except LivesElsewhere:
            count(Count.ELSEWHERE)
            return random.uniform(0, 0.02)
        except ClusterUnavailable:
            count(Count.UNAVAILABLE)
            return random.uniform(0, 0.05)
        except SpawnFailed:
            count(Count.FAILED)  # it was stopped, or its lease ended, while it began
            return random.uniform(0, 0.02)
        if not got.created:
            count(Count.FOUND)
            return random.uniform(0, 0.02)
        count(Count.ADMITTED)
        return await (self._wedge(got.ref) if misbehaves else self._use(got.ref))

    async def _use(self, ref: ActorRef[Any]) -> float:
        # Some stay for longer than a lease: they are those who would act on when theirs is over.
        stays = self.random.random() < 0.3
        wanted_for = self.lease * self.random.uniform(0.5, 2.0) if stays else self.random.uniform(0.1, 0.8)
        until = trio.current_time() + wanted_for
        while ref.state is State.RUNNING and trio.current_time() < until:
            ref.tell_nowait(Echo())  # so that it is not idle
            with trio.move_on_after(0.2):
                await ref.wait_stopped()  # its lease ended, or it was reaped
        if self.random.random() < 0.9:  # the others are forgotten, and go when they have been idle
            ref.stop()
            await ref.wait_stopped()
        return 0.0

    async def _wedge(self, ref: ActorRef[Any]) -> float:
        try:
            ref.tell_nowait(Work())
            self.marks.count(Count.WEDGED)
        except ActorError:
            pass  # its lease ended
        return self.random.uniform(0, 0.2)

    async def count_lost_leases(self) -> None:
        with self.supervisor.events() as events:
            async for event in events:
                if isinstance(event, LeaseLostEvent):
                    self.marks.count(Count.LEASES_LOST)


async def contend(door: Door, random: Random) -> None:
    """Want managers for ever; the first user is wanted most."""
    while True:
        user = 0 if random.random() < 0.9 else random.randrange(1, USERS)
        await trio.sleep(await door.visit(user, random.randrange(KEYS)))


async def wait_for_end_of_input() -> None:
    await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


async def run_node(options: Options) -> None:
    marks, random = Marks.create(options.marks), Random(options.seed)  # noqa: S311  # dice, not secrets
    # A reconcile each second: what a failover has lost is to be found within the run.
    spec = ClusterSpec(
        lease=options.lease, name=f"node-{options.number}", prefix="contention", reconcile_period=1.0
    )
    async with (
        open_cluster(options.engine, spec) as cluster,
        open_supervisor(LIMIT, spec=SupervisorSpec(sweep_period=5.0), cluster=cluster) as supervisor,
        trio.open_nursery() as nursery,
    ):
        door = SupervisedDoor(supervisor, cluster, marks, random, options.lease)
        nursery.start_soon(door.count_lost_leases)
        for _ in range(options.contenders):
            nursery.start_soon(contend, door, random)
        marks.count(Count.READY)
        await wait_for_end_of_input()
        nursery.cancel_scope.cancel()


def main() -> None:
    options = read_options(sys.argv[1:])
    if options.naive:
        from .naive import run_naive_node  # noqa: PLC0415  # it imports what is in here

        trio.run(run_naive_node, options)
    else:
        trio.run(run_node, options)


if __name__ == "__main__":
    main()
