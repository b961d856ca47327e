"""What the tests of a wire share: scripts, and patience."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar, TypeVarTuple

import attrs
import trio

from supervisor.cluster._errors import EngineDown, EngineUnknown
from supervisor.cluster._redis import open_redis
from supervisor.cluster._wire import Script, Standing, Wire

from .proxy import Proxy, open_proxy
from .redis_server import PATIENCE, RedisServer, open_server

COUNT = Script("count", "return redis.call('INCRBY', KEYS[1], ARGV[1])")
ECHO = Script("echo", "return {ARGV[1], KEYS[1]}")

# A call may end so much later than it should, as the machine is busy with other tests.
SLACK = 2.0


@attrs.frozen
class Behind:
    """A wire to a server behind a proxy."""

    server: RedisServer
    proxy: Proxy
    wire: Wire


@asynccontextmanager
async def open_behind(*options: str, call_timeout: float = 1.0) -> AsyncGenerator[Behind]:
    async with (
        open_server(*options) as server,
        open_proxy(server.port) as proxy,
        open_redis(proxy.url, call_timeout=call_timeout) as wire,
    ):
        yield Behind(server, proxy, wire)


async def eventually(holds: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE):
        while not holds():
            await trio.sleep(0.005)


async def wait_up(wire: Wire) -> None:
    await eventually(lambda: wire.statistics().standing is Standing.UP)


T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def persist(ask: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    """Ask until it is answered, as one does who knows that twice is as good as once."""
    with trio.fail_after(PATIENCE):
        while True:
            try:
                return await ask(*args)
            except (EngineDown, EngineUnknown):
                await trio.sleep(0.005)


def tasks_below(nursery: trio.Nursery) -> int:
    """All of its tasks, and theirs."""
    return sum(1 + sum(tasks_below(inner) for inner in task.child_nurseries) for task in nursery.child_tasks)


def all_tasks() -> int:
    """Of this run, but for Trio's own."""
    root = trio.lowlevel.current_task()
    while (above := root.parent_nursery) is not None and above.parent_task.parent_nursery is not None:
        root = above.parent_task
    return 1 + sum(tasks_below(nursery) for nursery in root.child_nurseries)
