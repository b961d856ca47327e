"""What may happen to a cluster, one trouble after the other: for whoever looks at what is told of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import trio

from supervisor.cluster import OnLeaseLost

from .world import LEASE, RECONCILED, World

Trouble = Callable[[World], Awaitable[None]]

ALICE = "alice"


async def fill(world: World, user: str = ALICE, *, number: int = 3) -> None:
    """One manager on each node in turn, until so many are there."""
    for each in range(number):
        await world.spawn(each % len(world.nodes), user, f"tab-{each}")


async def full(world: World) -> None:
    """Refused: all are healthy. Found: one lives elsewhere."""
    await fill(world)
    for _ in range(3):
        await world.spawn(0, ALICE, "one more")
    await world.spawn(0, ALICE, "tab-1")


async def stuck_elsewhere(world: World) -> None:
    await fill(world)
    await world.hang(1, ALICE, "tab-1")
    await world.hang(2, ALICE, "tab-2")
    await trio.sleep(1.5)
    await world.spawn(0, ALICE, "one more")


async def silent_owner(world: World) -> None:
    await fill(world)
    world.nodes[1].wire.deafen()
    await world.spawn(0, ALICE, "one more")
    await world.heal()
    await world.spawn(0, ALICE, "one more")


async def cut_off(world: World) -> None:
    await fill(world)
    world.nodes[1].wire.cut()
    await trio.sleep(2 * LEASE)
    await world.spawn(1, ALICE, "nobody can say")
    await world.spawn(0, ALICE, "in its place")
    await world.heal()
    await world.spawn(1, "bob", "tab")


async def wiped(world: World) -> None:
    await fill(world)
    world.engine.wipe()
    await trio.sleep(LEASE / 2)
    await world.spawn(0, ALICE, "too early")
    await trio.sleep(3 * LEASE)
    await world.spawn(0, ALICE, "at last")


async def failed_over(world: World) -> None:
    """The engine forgets two that came, and two that left."""
    await world.spawn(0, ALICE, "tab-0")
    await world.spawn(0, ALICE, "tab-1")
    before = world.engine.snapshot()
    for key in ("tab-0", "tab-1"):
        await world.nodes[0].supervisor.stop(ALICE, key)
    await world.spawn(1, ALICE, "tab-2")
    await world.spawn(1, "bob", "tab-0")
    await trio.sleep(0.1)
    world.engine.rewind(before)
    for number in range(3):
        await world.spawn(2, "bob", f"other-{number}")
    await trio.sleep(3 * RECONCILED)


async def restarted(world: World) -> None:
    await fill(world)
    world.engine.stop()
    await trio.sleep(0.5)
    world.engine.start()
    await world.heal()


TROUBLES: Mapping[str, tuple[Trouble, OnLeaseLost]] = {
    **{
        trouble.__name__: (trouble, OnLeaseLost.STOP)
        for trouble in (full, stuck_elsewhere, silent_owner, cut_off, wiped, failed_over, restarted)
    },
    **{
        f"{trouble.__name__}, kept": (trouble, OnLeaseLost.KEEP)
        for trouble in (full, cut_off, wiped, failed_over)
    },
}
