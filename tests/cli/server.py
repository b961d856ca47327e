"""A supervisor in a process of its own, that does as it is told: `python -m tests.cli.server SOCKET`.

A line on standard input, `["user", "key", "kind"]` as JSON, has it obtain a manager of that kind for
that user; it answers with a line: true (made), false (found), or why it was refused. It listens on the
socket, and on a port of its own as a console with a token. It ends with its standard input.

With `--nodes 3` it is the first of three nodes of a cluster, all of them in here, and the engine too; a
fourth item of a line says which node obtains the manager.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, TypeAlias, cast

import hypercorn.config
import hypercorn.trio
import trio
from starlette.applications import Starlette
from starlette.routing import Mount

from supervisor import ChildSpec, HealthPolicy, SpawnRefused, Supervisor, SupervisorSpec, open_supervisor
from supervisor.operations import Operations, bearer, open_control, operations_app
from supervisor.testing import Healthy, Shielded, WedgedForever, Work
from tests.cluster.live import open_nodes

LIMIT = 20
TOKEN = "a token for tests only"  # noqa: S105  # it opens nothing else

# What takes longer hangs, in seconds: nobody here has any work that does.
BUDGET = 0.3
POLICY = HealthPolicy(budget=BUDGET, idle_limit=None)

# An alert about something that lasts comes after two windows of so many seconds.
ALERT_WINDOW = 0.5

Kinds: TypeAlias = Mapping[str, Callable[[], Healthy]]


async def main(socket: str, port: int, users: int, nodes: int) -> None:
    """Serve until standard input ends. Nobody is cleaned up but by those who ask for it."""
    async with _supervisors(nodes) as supervisors, trio.open_nursery() as nursery:
        supervisor = supervisors[0]
        operations = Operations(supervisor, alert_window=ALERT_WINDOW)
        async with open_control(operations, socket):
            urls = await nursery.start(_console(operations, port))
            with _kinds() as kinds:
                for number in range(users):
                    await _obtain(supervisor, kinds, f"user-{number}", "tab", "healthy")
                _say(f"{urls[0]}/console")
                await _obey(supervisors, kinds)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _supervisors(nodes: int) -> AsyncGenerator[list[Supervisor]]:
    """One that is alone; or so many nodes, as soon as they may admit somebody."""
    spec = SupervisorSpec(sweep_period=1000.0, high_water=2.0, dead_man=5.0)
    if nodes:
        async with open_nodes(nodes, LIMIT, spec) as opened:
            yield opened.supervisors
    else:
        async with open_supervisor(LIMIT, spec=spec) as supervisor:
            yield [supervisor]


@contextmanager
def _kinds() -> Generator[Kinds]:
    """At the end of the block whoever ignores his cancellation gives up, so that the process ends."""
    released = trio.Event()
    try:
        yield {"healthy": Healthy, "wedged": WedgedForever, "shielded": partial(Shielded, released)}
    finally:
        released.set()


def _console(operations: Operations, port: int) -> Callable[..., Awaitable[None]]:
    """Serves the API where a console would have it, once it is started."""
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.loglevel = "WARNING"
    app = Starlette(routes=[Mount("/console/api", operations_app(operations, bearer(TOKEN)))])
    return partial(cast("Any", hypercorn.trio).serve, app, config, mode="asgi")


async def _obey(supervisors: list[Supervisor], kinds: Kinds) -> None:
    while line := await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
        user, key, kind, *node = json.loads(line)
        try:
            answer: bool | str = await _obtain(supervisors[node[0] if node else 0], kinds, user, key, kind)
        except SpawnRefused as refused:
            answer = refused.refusal.sentence
        _say(json.dumps(answer))


async def _obtain(supervisor: Supervisor, kinds: Kinds, user: str, key: str, kind: str) -> bool:
    spec = ChildSpec(kinds[kind], health=POLICY, stop_grace=BUDGET)
    obtained = await supervisor.get_or_spawn(user, key, spec)
    if obtained.created and kind != "healthy":
        await obtained.ref.tell(Work())
    return obtained.created


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--users", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=0)
    options = parser.parse_args()
    trio.run(main, options.socket, options.port, options.users, options.nodes)
