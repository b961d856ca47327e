"""Every situation in which somebody may ask for a manager, as cases for a cancellation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio

from actors import Actor
from supervisor import Backend, Limit, SupervisorSpec
from supervisor.testing import Healthy, Shielded, SlowStart, SlowStop, StartHangs, WedgedForever

from .backends import AdmitsSlowly
from .cancelling import Call, Case, Left, World, outcome_of
from .harness import BUDGET, Crowd, answers

Situation = Callable[[World], Awaitable[Call]]


def spawning(
    world: World, key: str, make: Callable[[], Actor[Any]] = Healthy, *, cleaning: str | None = "alice"
) -> Call:
    """A call of get_or_spawn; the next caller wants the same key."""
    crowd = Crowd(world.supervisor)

    async def obtain() -> object:
        return (await crowd.get(key, make)).created

    async def next_one() -> object:
        obtained = await crowd.get(key)
        return obtained.created, await answers(obtained.ref)

    return Call(obtain, lambda: outcome_of(next_one), lambda: world.supervisor.cleanup(cleaning))


async def room(world: World, make: Callable[[], Actor[Any]]) -> Call:
    return spawning(world, "new", make)


async def found(world: World) -> Call:
    await Crowd(world.supervisor).get("new")
    return spawning(world, "new")


def other(
    world: World, key: str, make: Callable[[], Actor[Any]] = Healthy
) -> Callable[[], Awaitable[object]]:
    """Somebody else who asks for a manager of the same user."""

    async def obtain() -> object:
        return (await Crowd(world.supervisor).get(key, make)).created

    return obtain


async def joins(world: World) -> Call:
    slow = partial(SlowStart, 1.0)
    world.beside("first", 0.0, other(world, "new", slow))
    await trio.sleep(0.25)
    return spawning(world, "new", slow)


async def is_joined(world: World) -> Call:
    slow = partial(SlowStart, 1.0)
    world.beside("second", 0.5, other(world, "new", slow))
    return spawning(world, "new", slow)


async def stuck(world: World, key: str, make: Callable[[trio.Event], Actor[Any]]) -> Call:
    """The one slot is held by somebody past his budget, perhaps under the same key."""
    await Crowd(world.supervisor).add("old", 1, lambda: make(world.release), at_work=True)
    await trio.sleep(BUDGET + 0.01)
    return spawning(world, key)


def wedged(_: trio.Event) -> WedgedForever:
    return WedgedForever()


async def dying(world: World) -> Call:
    obtained = await Crowd(world.supervisor).get("new", partial(SlowStop, 2.0))
    obtained.ref.stop()
    return spawning(world, "new")


async def full(world: World, *, frees_up: bool) -> Call:
    """Nobody is stuck. Who asks in the meantime comes after us."""
    holder = (await Crowd(world.supervisor).get("old")).ref
    if frees_up:
        world.after(1.0, holder.stop)
    world.beside("rival", 0.5, other(world, "rival"))
    return spawning(world, "new")


async def full_process(world: World, make: Callable[[], Actor[Any]]) -> Call:
    await Crowd(world.supervisor, "bob").add("old", 1, make, at_work=True)
    await trio.sleep(BUDGET + 0.01)
    return spawning(world, "new", cleaning=None)


async def thinks_about_it(_: str) -> int:
    await trio.sleep(1.0)
    return 1


def case(
    situation: Situation,
    *leaves: Left,
    limit: Limit = 1,
    cluster: Callable[[], Backend] | None = None,
    **spec: Any,
) -> Case:
    """In the instant of the answer: as if made, and the next caller finds it."""
    return Case(situation, (Left.NEVER, *leaves), (Left.MADE,), limit, SupervisorSpec(**spec), cluster)


_CLEANED = Left.CLEANED

SPAWNS: dict[str, Case] = {
    "room": case(partial(room, make=Healthy)),
    "room, slow to start": case(partial(room, make=partial(SlowStart, 1.0))),
    "room, never starts": case(partial(room, make=StartHangs)),
    "found": case(found),
    "stuck holder": case(partial(stuck, key="new", make=wedged), _CLEANED),
    "stuck under the key": case(partial(stuck, key="old-0", make=wedged), _CLEANED),
    "shielded holder": case(partial(stuck, key="new", make=Shielded), _CLEANED),
    "shielded under the key": case(partial(stuck, key="old-0", make=Shielded), _CLEANED),
    "dying under the key": case(dying),
    "full process, one is stuck": case(partial(full_process, make=WedgedForever), _CLEANED, process_limit=1),
    "full process": case(partial(full_process, make=Healthy), process_limit=1),
    "async limit": case(partial(room, make=Healthy), limit=thinks_about_it),
    "slow cluster": case(partial(room, make=Healthy), cluster=AdmitsSlowly),
}
"""The caller is alone."""

SHARED_SPAWNS: dict[str, Case] = {
    "joins another": case(joins),
    "is joined by another": case(is_joined),
    "full, a slot comes free": case(partial(full, frees_up=True), slot_wait=3.0),
    "full to the end": case(partial(full, frees_up=False), slot_wait=3.0),
}
"""Somebody else asks as well."""
