"""Ours: how long a newcomer waits until its first message is handled, whoever holds the slots of its user.

A real clock, and users by the dozen: their slots are filled, and what holds them gets stuck, outside of
the measured time. A newcomer's time runs from its call until its actor has the message in hand.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from time import perf_counter

import attrs
import trio
import trio.testing

from actors import Actor, Connection, ConnectionSpec
from supervisor import ChildSpec, HealthPolicy, SpawnRefused, Supervisor, SupervisorSpec, open_supervisor
from supervisor.testing import Healthy, MemoryTransport, Shielded, WedgedForever, Work, hold

from .latency import in_short

SLOTS = 20

# Of the five seconds that one `handle` may take by default; nobody waits for it while the clock runs.
BUDGET = 0.02

USERS = 25
"""Whose slots are filled at the same time."""

# One that computes holds the loop for so long, again and again, in seconds.
SLICE = 0.005

# Between two newcomers on a loop that is never quiet: the end of what the last one began.
PAUSE = 8 * SLICE

# Of the 2 s and 4 s that a peer has to answer the first ping and the second.
PINGS = ConnectionSpec(quiet=60.0, ping_timeout=0.1, second_chance=0.2)

# The same, for one who is pinged long before anybody wants the slot.
FOUND = attrs.evolve(PINGS, quiet=0.05)

# For an answer to the pings, and more.
SLOT_WAIT = 0.6

POLICY = HealthPolicy(budget=BUDGET)


@attrs.frozen
class First:
    """A newcomer's first message."""

    asked_at: float
    waits: list[float]
    """Of all newcomers; it puts its own to them."""
    handled: trio.Event


class Newcomer(Actor[First]):
    async def handle(self, message: First) -> None:
        message.waits.append(perf_counter() - message.asked_at)
        message.handled.set()


@attrs.frozen
class Scene:
    """Some users, and whatever is needed to fill their slots."""

    supervisor: Supervisor
    users: list[str]
    nursery: trio.Nursery
    """For what has to run as long as their newcomers come."""
    release: trio.Event
    """Set afterwards: what ignores its cancellation ends."""


# Filling the slots


async def wedge(
    scene: Scene, *, stuck: int = SLOTS, alive: int = 0, make: type[WedgedForever | Shielded] = WedgedForever
) -> None:
    """So many that are alive, and so many that are stuck past their budget."""
    factory = partial(make, scene.release) if make is Shielded else make
    for user in scene.users:
        for number in range(alive):
            await scene.supervisor.get_or_spawn(user, f"alive {number}", ChildSpec(Healthy, health=POLICY))
    keys, spec = [f"stuck {number}" for number in range(stuck)], ChildSpec(factory, health=POLICY)
    refs = [
        (await scene.supervisor.get_or_spawn(user, key, spec)).ref for user in scene.users for key in keys
    ]
    for ref in refs:
        await ref.tell(Work())
    await settle()
    await trio.sleep(1.5 * BUDGET if stuck else 0.0)
    for user in scene.users:
        while len((await scene.supervisor.cleanup(user, dry_run=True)).reaped) < stuck:
            await trio.sleep(BUDGET)  # a stall of a machine that is busy convicts nobody


async def condemn(scene: Scene, *, and_stuck: int = 0) -> None:
    """All slots were held by what ignores its cancellation, and has been cancelled."""
    await wedge(scene, make=Shielded)
    await scene.supervisor.cleanup()
    await wedge(scene, stuck=and_stuck)


async def lose_peers(scene: Scene, *, connections: ConnectionSpec = PINGS) -> None:
    """Each has a connection whose peer is gone without a word, and has been silent for a while."""
    spec = ChildSpec(partial(Healthy, sockets=True))
    for user in scene.users:
        for number in range(SLOTS):
            ref = (await scene.supervisor.get_or_spawn(user, f"half-open {number}", spec)).ref
            wire = Connection("nobody", MemoryTransport(mute=True), connections)
            scene.nursery.start_soon(hold, ref, wire)
    await trio.sleep(1.1 * connections.ping_timeout)


async def lose_peers_and_ping(scene: Scene) -> None:
    """As `lose_peers`, and by now they have been found to be gone, in the background."""
    await lose_peers(scene, connections=FOUND)
    await trio.sleep(FOUND.quiet + FOUND.ping_timeout + 1.5 * FOUND.second_chance)


# Newcomers


async def admit(scene: Scene, user: str, key: str, waits: list[float]) -> None:
    """Let one in."""
    handled, asked_at = trio.Event(), perf_counter()
    newcomer = await scene.supervisor.get_or_spawn(user, key, ChildSpec(Newcomer))
    await newcomer.ref.tell(First(asked_at, waits, handled))
    await handled.wait()
    assert newcomer.created


async def refuse(scene: Scene, user: str, key: str, waits: list[float]) -> None:
    """Let one ask in vain."""
    asked_at = perf_counter()
    try:
        await scene.supervisor.get_or_spawn(user, key, ChildSpec(Newcomer))
    except SpawnRefused:
        waits.append(perf_counter() - asked_at)
    else:
        raise AssertionError("everybody was alive, and yet it was let in")


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


Meet = Callable[[Scene, str, str, list[float]], Awaitable[None]]


async def one_by_one(scene: Scene, waits: list[float], *, meet: Meet = admit) -> None:
    """One newcomer for each user; between two of them all comes to rest."""
    for user in scene.users:
        await settle()
        await meet(scene, user, "newcomer", waits)


async def beside_one_who_computes(scene: Scene, waits: list[float]) -> None:
    """One newcomer for each user, while somebody else has always more to compute."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(compute)
        for user in scene.users:
            await trio.sleep(PAUSE)
            await admit(scene, user, "newcomer", waits)
        nursery.cancel_scope.cancel()


async def compute() -> None:
    while True:
        ends = perf_counter() + SLICE
        while perf_counter() < ends:
            pass
        await trio.lowlevel.checkpoint()


async def all_at_once(scene: Scene, waits: list[float]) -> None:
    """As many newcomers of a user as there are slots; user by user."""
    for user in scene.users:
        await settle()
        async with trio.open_nursery() as nursery:
            for number in range(SLOTS):
                nursery.start_soon(admit, scene, user, f"newcomer {number}", waits)


async def in_between(scene: Scene, waits: list[float]) -> None:
    """One newcomer for each user, while others wait: it takes long, and nobody does anything meanwhile."""
    async with trio.open_nursery() as nursery:
        for user in scene.users:
            nursery.start_soon(admit, scene, user, "newcomer", waits)
            await trio.sleep(PAUSE)


# All of it


@attrs.frozen(kw_only=True)
class Case:
    """Who holds the slots, and who comes."""

    fill: Callable[[Scene], Awaitable[None]]
    come: Callable[[Scene, list[float]], Awaitable[None]] = one_by_one
    each: int = 1
    """Newcomers of one user."""
    users: int = USERS
    """At a time."""
    cleans: bool = True
    """Room has to be made for them."""
    slot_wait: float = 0.0


CASES: Mapping[str, Case] = {
    "free": Case(fill=partial(wedge, stuck=0, alive=SLOTS - 1), cleans=False),
    "stuck_1": Case(fill=partial(wedge, stuck=1, alive=SLOTS - 1)),
    "stuck_5": Case(fill=partial(wedge, stuck=5, alive=SLOTS - 5)),
    "stuck_20": Case(fill=wedge),
    "free_busy": Case(
        fill=partial(wedge, stuck=0, alive=SLOTS - 1), come=beside_one_who_computes, cleans=False
    ),
    "stuck_20_busy": Case(fill=wedge, come=beside_one_who_computes),
    "at_once": Case(fill=wedge, come=all_at_once, each=SLOTS),
    "condemned": Case(fill=condemn, cleans=False),
    "condemned_stuck": Case(fill=partial(condemn, and_stuck=SLOTS)),
    "shielded": Case(fill=partial(wedge, make=Shielded)),
    "half_open_found": Case(fill=lose_peers_and_ping, users=100),
    "half_open_due": Case(fill=lose_peers, come=in_between, slot_wait=SLOT_WAIT),
    "refused": Case(
        fill=partial(wedge, stuck=0, alive=SLOTS), come=partial(one_by_one, meet=refuse), cleans=False
    ),
}


def admission(n: int, *, case: Case) -> dict[str, float]:
    return trio.run(measure, n, case)


def __getattr__(name: str) -> Callable[[int], dict[str, float]]:
    """`admission_free`, and so on: as the lines call it."""
    if (case := CASES.get(name.removeprefix("admission_"))) is None:
        raise AttributeError(name)
    return partial(admission, case=case)


async def measure(n: int, case: Case) -> dict[str, float]:
    """The waits of at least n newcomers; those of the first few users come before, and do not count."""
    waits: list[float] = []
    async with open_supervisor(SLOTS, spec=SupervisorSpec(slot_wait=case.slot_wait)) as supervisor:
        for users in groups(n, case):
            counted = len(waits)
            async with trio.open_nursery() as nursery:
                scene = Scene(supervisor, users, nursery, trio.Event())
                await case.fill(scene)
                gc.collect()  # what the filling left to the collector is no newcomer's affair
                before = supervisor.counts().spawned_after_cleanup.count
                await case.come(scene, waits)
                cleaned = supervisor.counts().spawned_after_cleanup.count - before
                scene.release.set()
                nursery.cancel_scope.cancel()
            expected = len(waits) - counted if case.cleans else 0
            assert cleaned == expected, f"room was made for {cleaned}, not for {expected}"
            await leave(supervisor, users)
    first = len(next(groups(n, case))) * case.each
    return in_short(waits[first:])


def groups(n: int, case: Case) -> Iterator[list[str]]:
    """The users, group by group: a small one first."""
    users = math.ceil(n / case.each)
    at_once = min(case.users, users)
    yield [f"early user {number}" for number in range(min(2, users))]
    for start in range(0, users, at_once):
        yield [f"user {start + number}" for number in range(at_once)]


async def leave(supervisor: Supervisor, users: list[str]) -> None:
    """Until nobody is here any more; what was condemned has been released, and the last cleanup is over."""
    await settle()
    for user in users:
        await supervisor.stop_user(user)
    while supervisor.users:  # noqa: ASYNC110  # there is no event for it
        await trio.lowlevel.checkpoint()
