"""A real supervisor with the console over it, in a thread of its own; and ways to reach into it."""

from __future__ import annotations

import inspect
import socket
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar, TypeVarTuple, cast
from unittest.mock import patch

import attrs
import hypercorn.config
import hypercorn.trio
import trio
from starlette.applications import Starlette
from starlette.routing import Mount

from actors import Actor
from supervisor import (
    ChildSpec,
    HealthPolicy,
    Limit,
    Obtained,
    Supervisor,
    SupervisorSpec,
    _sweeper,
    open_supervisor,
)
from supervisor.cluster import OnLeaseLost
from supervisor.console import console
from supervisor.operations import Authorize, Operations
from supervisor.testing import Healthy, Shielded, WedgedForever, Work
from tests.cluster.live import Nodes, open_nodes

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

HOST = "127.0.0.1"

# Seconds. Soon stuck, and soon told of; only what is broken takes as long as the last one.
HEALTH = HealthPolicy(budget=0.2)
ALERT_WINDOW = 1.0

# After a stall nobody is judged for a moment: those of this machine are none, only those that a test makes.
STALL = 1.0

PATIENCE = 30.0

# The line on which a wedged specimen hangs.
_LINES, _FIRST = inspect.getsourcelines(WedgedForever.work)
_LINE = _FIRST + next(place for place, line in enumerate(_LINES) if "sleep_forever" in line)
WEDGED_FILE = inspect.getsourcefile(WedgedForever) or ""
WEDGED_AT = f"{WEDGED_FILE.rpartition('/')[2]}:{_LINE} in WedgedForever.work"


def spec_of(make: Callable[[], Actor[Any]], health: HealthPolicy = HEALTH) -> ChildSpec[Any]:
    return ChildSpec(make, health=health, stop_grace=0.2)


@attrs.define(eq=False)
class Site:
    """What a test does on the server's side, called from its own thread."""

    supervisor: Supervisor
    port: int
    _app: Starlette
    _nursery: trio.Nursery
    _token: trio.lowlevel.TrioToken
    _release: trio.Event = attrs.field(factory=trio.Event)
    _listening: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _down: trio.Event = attrs.field(factory=trio.Event)
    nodes: Nodes | None = attrs.field(init=False, default=None)
    """Of the cluster, if it is the first of one."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/console/"

    def run(self, function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Call it in the supervisor's thread, and give what it returns."""
        return trio.from_thread.run(function, *args, trio_token=self._token)

    def run_sync(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        return trio.from_thread.run_sync(function, *args, trio_token=self._token)

    # Users

    def spawn(self, user: str, *keys: str, make: Callable[[], Actor[Any]] = Healthy) -> None:
        self.run(self._spawn_all, user, keys, make, HEALTH)

    def wedge(self, user: str, *keys: str, health: HealthPolicy = HEALTH) -> None:
        """Managers that hang, past their budget by the time anybody looks."""
        self.run(self._work, user, keys, WedgedForever, health)
        self.run(trio.sleep, 0.2 + health.budget)

    def condemn(self, user: str, key: str) -> None:
        """One that ignores cancellation until the site closes."""
        self.run(self._work, user, (key,), partial(Shielded, self._release), HEALTH)
        self.run(trio.sleep, 0.2 + HEALTH.budget)
        self.run(self.supervisor.cleanup, user)

    def obtain(self, user: str, key: str) -> Obtained[Any]:
        """One more manager, or SpawnRefused."""
        return self.run(self.supervisor.get_or_spawn, user, key, spec_of(Healthy))

    @property
    def probing(self) -> bool:
        return self.supervisor.spec.probing

    def limit_of(self, user: str) -> int:
        return self.run_sync(self.supervisor.explain, user).limit

    def held(self, user: str) -> int:
        return self.run_sync(self.supervisor.explain, user).slots_held

    def crowd(self, users: int) -> None:
        """So many users, with one manager each."""

        async def spawn() -> None:
            for number in range(users):
                await self.supervisor.get_or_spawn(f"user {number:04}", "laptop", spec_of(Healthy))

        self.run(spawn)

    def come_and_go(self, user: str, times: int) -> None:
        """So many managers, one after the other: a flood of events."""

        async def spawn() -> None:
            for number in range(times):
                obtained = await self.supervisor.get_or_spawn(user, f"{number}", spec_of(Healthy))
                obtained.ref.stop()
                await obtained.ref.wait_stopped()

        self.run(spawn)

    async def _spawn_all(
        self, user: str, keys: tuple[str, ...], make: Callable[[], Actor[Any]], health: HealthPolicy
    ) -> list[Any]:
        spec = spec_of(make, health)
        return [(await self.supervisor.get_or_spawn(user, key, spec)).ref for key in keys]

    async def _work(
        self, user: str, keys: tuple[str, ...], make: Callable[[], Actor[Any]], health: HealthPolicy
    ) -> None:
        for ref in await self._spawn_all(user, keys, make, health):
            ref.tell_nowait(Work())

    def block(self, seconds: float) -> None:
        """Soon the whole loop stands still for so long."""
        self._token.run_sync_soon(time.sleep, seconds)

    # The cluster

    def spawn_on(self, node: int, user: str, *keys: str) -> None:
        """Managers on one of the nodes, counted from 0."""
        assert self.nodes is not None
        supervisor = self.nodes.supervisors[node]

        async def spawn() -> None:
            for key in keys:
                await supervisor.get_or_spawn(user, key, spec_of(Healthy))

        self.run(spawn)

    def stop_engine(self) -> None:
        assert self.nodes is not None
        self.run_sync(self.nodes.engine.stop)

    def start_engine(self) -> None:
        assert self.nodes is not None
        self.run_sync(self.nodes.engine.start)

    # The listener

    def go_down(self) -> None:
        """Stop listening, and cut off who is connected. The supervisor lives on."""

        async def stop() -> None:
            self._listening.cancel()
            await self._down.wait()

        self.run(stop)

    def come_up(self) -> None:
        """Listen on the same port again."""
        self.run(self.listen)

    async def listen(self) -> None:
        listening = socket.create_server((HOST, self.port))
        self.port = listening.getsockname()[1]
        self._listening, self._down = trio.CancelScope(), trio.Event()
        await self._nursery.start(self._serve, listening)

    async def _serve(self, listening: socket.socket, *, task_status: trio.TaskStatus[None]) -> None:
        config = hypercorn.config.Config()
        config.bind = [f"fd://{listening.detach()}"]  # it is Hypercorn's from here on
        config.graceful_timeout = 0.1
        config.loglevel = "ERROR"
        try:
            with self._listening:
                # Starlette's and Hypercorn's types of ASGI differ, though in words only.
                serve = partial(cast("Any", hypercorn.trio).serve, self._app, config, mode="asgi")
                async with trio.open_nursery() as nursery:
                    await nursery.start(serve)
                    task_status.started()
        finally:
            self._down.set()

    def close(self) -> None:
        self._token.run_sync_soon(self._release.set)
        self._token.run_sync_soon(self._nursery.cancel_scope.cancel)


@asynccontextmanager
async def _opened(limit: Limit, nodes: int, on_lease_lost: OnLeaseLost) -> AsyncGenerator[Nodes | Supervisor]:
    spec = SupervisorSpec(sweep_period=1e6)
    if nodes:
        async with open_nodes(nodes, limit, spec, on_lease_lost=on_lease_lost) as opened:
            yield opened
    else:
        async with open_supervisor(limit, spec=spec) as supervisor:
            yield supervisor


@contextmanager
def open_site(
    limit: Limit = 20,
    *,
    authorize: Authorize | None = None,
    nodes: int = 0,
    on_lease_lost: OnLeaseLost = OnLeaseLost.STOP,
) -> Generator[Site]:
    """The console at /console/, over a supervisor, or the first of some nodes; all end with the block."""
    opened: SimpleQueue[Site | None] = SimpleQueue()

    async def main() -> None:
        with patch.object(_sweeper, "LATE", STALL):
            await serve()

    async def serve() -> None:
        async with _opened(limit, nodes, on_lease_lost) as home:
            supervisor = home if isinstance(home, Supervisor) else home.supervisors[0]
            operations = Operations(supervisor, alert_window=ALERT_WINDOW)
            app = Starlette(routes=[Mount("/console", console(operations, authorize))])
            async with trio.open_nursery() as nursery:
                site = Site(supervisor, 0, app, nursery, trio.lowlevel.current_trio_token())
                site.nodes = None if isinstance(home, Supervisor) else home
                await site.listen()
                opened.put(site)
                await trio.sleep_forever()

    def run() -> None:
        try:
            trio.run(main)
        finally:
            opened.put(None)

    thread = threading.Thread(target=run, name="site", daemon=True)
    thread.start()
    site = opened.get(timeout=PATIENCE)
    assert site is not None, "the site did not open"
    try:
        yield site
    finally:
        site.close()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the site did not close"
