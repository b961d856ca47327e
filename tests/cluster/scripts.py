"""Scripts of what happens to a simulated cluster, drawn by Hypothesis and performed under a fresh clock."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio
from hypothesis import strategies as st

from supervisor import Obtained, SpawnRefused
from supervisor.cluster import OnLeaseLost

from .world import LEASE, QUICK, SLOW, World, open_world

NODES, USERS, KEYS = 3, ("alice", "bob"), ("a", "b", "c", "d")


@attrs.frozen
class Spawn:
    """Somebody comes, and nobody waits for what becomes of it."""

    node: int
    user: str
    key: str
    patience: float


@attrs.frozen
class Stop:
    """From any node."""

    node: int
    user: str
    key: str


@attrs.frozen
class Hang:
    node: int
    user: str
    key: str


@attrs.frozen
class Trouble:
    """Something happens to one node's connection."""

    node: int
    kind: str


@attrs.frozen
class Engine:
    """Or to the engine."""

    kind: str


@attrs.frozen
class Step:
    """The engine's clock is set."""

    seconds: float


@attrs.frozen
class Sleep:
    seconds: float


Action = Spawn | Stop | Hang | Trouble | Engine | Step | Sleep

_nodes, _users, _keys = st.integers(0, NODES - 1), st.sampled_from(USERS), st.sampled_from(KEYS)
_spawns = st.builds(Spawn, _nodes, _users, _keys, st.sampled_from([0.001, 0.004, 0.05, 10.0]))
_sleeps = st.builds(Sleep, st.sampled_from([0.001, 0.003, 0.02, 0.3, 1.0, LEASE / 2, LEASE]))
_troubles = st.builds(
    Trouble, _nodes, st.sampled_from(["cut", "black hole", "deaf", "slow", "mend", "lose a reply"])
)
_engine = st.builds(Engine, st.sampled_from(["stop", "start", "start empty", "wipe", "freeze", "thaw"]))
_actions = st.one_of(
    _spawns,
    _spawns,
    _spawns,
    _sleeps,
    _sleeps,
    st.builds(Stop, _nodes, _users, _keys),
    st.builds(Hang, _nodes, _users, _keys),
    _troubles,
    _engine,
    st.builds(Step, st.sampled_from([-100.0, -1.0, 100.0])),
)
scripts = st.lists(_actions, max_size=30)


@attrs.frozen
class Told:
    """What came of a script."""

    too_many: list[str]
    unequal: list[str]
    """Users whose slots were not counted right when all had been well for long."""
    admitted_in_the_end: list[int]
    """How many managers each user could have then."""
    refused_without_proof: list[str]


async def perform(script: list[Action], limit: int, seed: int) -> Told:
    """Have it all happen, then have all be well again, and look."""
    async with open_world(NODES, limit=limit, seed=seed, on_lease_lost=OnLeaseLost.STOP) as world:
        unproven = list[str]()
        async with trio.open_nursery() as nursery:
            for action in script:
                await take(world, action, nursery, unproven)
            await world.heal()
        unequal = [user for user in USERS if await world.counted(user) != world.held(user)]
        admitted = [await _fill(world, user, limit) for user in USERS]
        return Told(world.acting.too_many, unequal, admitted, unproven)


async def _fill(world: World, user: str, limit: int) -> int:
    """How many the user can have: as many as the limit, whatever happened before."""
    for number in range(limit + 2):
        await world.spawn(number % NODES, user, f"in the end {number}")
    return len(world.acting.now[user])


async def take(world: World, action: Action, nursery: trio.Nursery, unproven: list[str]) -> None:
    match action:
        case Spawn():
            nursery.start_soon(_come, world, action, unproven)
        case Stop(node, user, key):
            nursery.start_soon(_stop, world, node, user, key)
        case Hang(node, user, key):
            await world.hang(node, user, key)
        case Trouble(node, kind):
            _trouble(world, node, kind)
        case Engine(kind):
            _engine_trouble(world, kind)
        case Step(seconds):
            world.engine.step_clock(seconds)
        case Sleep(seconds):
            await trio.sleep(seconds)
    await trio.lowlevel.checkpoint()


async def _come(world: World, spawn: Spawn, unproven: list[str]) -> None:
    with trio.move_on_after(spawn.patience):
        outcome = await world.spawn(spawn.node, spawn.user, spawn.key)
        if isinstance(outcome, SpawnRefused):
            known = len(outcome.refusal.holders)
            if known != outcome.live and not outcome.refusal.stages:
                unproven.append(f"{trio.current_time():.3f}: {outcome}")
        elif isinstance(outcome, Obtained) and outcome.ref.state.name == "ENDED":
            unproven.append(f"{trio.current_time():.3f}: a dead one was handed out")


async def _stop(world: World, node: int, user: str, key: str) -> None:
    with trio.move_on_after(LEASE):
        await world.stop(node, user, key)


def _trouble(world: World, node: int, kind: str) -> None:
    wire = world.nodes[node].wire
    what: dict[str, Callable[[], None]] = {
        "cut": wire.cut,
        "black hole": wire.black_hole,
        "deaf": wire.deafen,
        "mend": wire.mend,
    }
    wire.delays = SLOW if kind == "slow" else QUICK
    if kind == "lose a reply":
        wire.replies_to_lose += 1
    elif kind == "slow":
        wire.mend()
    else:
        what[kind]()


def _engine_trouble(world: World, kind: str) -> None:
    engine = world.engine
    match kind:
        case "stop" if engine.is_running:
            engine.stop()
        case "start" | "start empty" if not engine.is_running:
            engine.start(with_data=kind == "start")
        case "wipe":
            engine.wipe()
        case "freeze" if not engine.is_frozen:
            engine.freeze()
        case "thaw" if engine.is_frozen:
            engine.thaw()
        case _:
            pass
