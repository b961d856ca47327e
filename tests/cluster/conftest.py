"""The two engines of the contract: a simulated one under virtual time, and a real one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import pytest
import trio
import trio.testing

from supervisor.cluster._engine import Engine
from supervisor.cluster._redis import open_redis
from supervisor.cluster._wire import Reply, Script, Wire

from .redis_server import RedisServer, free_port, redis_program
from .simulated import SimulatedEngine, open_simulated_engine

RAW = Script("raw", "return redis.call(unpack(ARGV))")


@attrs.define(eq=False)
class World:
    """An engine, and how long things take there."""

    wire: Wire
    engine: Engine
    lease: float
    """Seconds; for tests that wait for its end."""
    simulated: SimulatedEngine | None

    async def raw(self, *words: str | int) -> Reply:
        """Any command of the server."""
        return await self.wire.run(RAW, [], words)

    async def sleep(self, leases: float) -> None:
        await self.pass_time(leases * self.lease)

    async def pass_time(self, seconds: float, *, lease: float | None = None) -> None:
        """While somebody beats, as in every cluster: where nobody does, the engine's clock hardly moves."""
        beat = (lease or self.lease) / 4
        until = trio.current_time() + seconds
        while (left := until - trio.current_time()) > 0:
            await trio.sleep(min(left, beat))
            await self.engine.beat("nobody", lease or self.lease, "")

    async def join(self, *sessions: str, lease: float | None = None) -> None:
        """Open them, and have no warming."""
        for session in sessions:
            await self.engine.open(session, lease or self.lease, "")
        await self.raw("HSET", f"{{{self.engine.prefix}}}:epoch", "warm", 0)


Scene = Callable[[World], Awaitable[None]]
Play = Callable[[Scene], None]


async def _simulated(scene: Scene) -> None:
    async with open_simulated_engine() as engine:
        wire = engine.wire(delays=(0, 0))
        await scene(World(wire, Engine(wire, "test"), lease=16.0, simulated=engine))


async def _real(port: int, scene: Scene) -> None:
    async with open_redis(f"redis://127.0.0.1:{port}", call_timeout=10.0) as wire:
        world = World(wire, Engine(wire, "test"), lease=2.0, simulated=None)
        await world.raw("FLUSHALL")
        with trio.fail_after(60):
            await scene(world)


@pytest.fixture(scope="session")
def port() -> Generator[int]:
    redis_program()
    with TemporaryDirectory(prefix="redis-") as name:
        arguments = ("--bind", "127.0.0.1", "--dir", name, "--save", "")
        server = RedisServer(Path(name), number := free_port(), ("--port", str(number), *arguments))
        try:
            trio.run(server.start)
            yield server.port
        finally:
            server.clear()


@pytest.fixture
def play_simulated() -> Play:
    """Play a scene in a simulated world: for what a real one cannot do, such as stepping its clock."""
    return lambda scene: trio.run(
        _simulated, scene, clock=trio.testing.MockClock(autojump_threshold=0), strict_exception_groups=True
    )


@pytest.fixture(params=["simulated", "real"])
def play(request: pytest.FixtureRequest, play_simulated: Play) -> Play:
    """Play a scene in either world."""
    if request.param == "simulated":
        return play_simulated
    port: int = request.getfixturevalue("port")
    return lambda scene: trio.run(partial(_real, port), scene)
