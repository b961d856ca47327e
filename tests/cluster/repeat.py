"""A thousand cancelled calls, and a hundred restarts of the engine: is anything left of them?

    python -m tests.cluster.repeat [--cancels 1000] [--restarts 100] [--rounds 1]

After each restart a call is answered and a message is heard; in the end there are as many tasks and
connections as before. Prints how soon it was back, and exits with 1 if something is left.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

import attrs
import trio

from supervisor.cluster._redis import open_redis
from supervisor.cluster._wire import Wire, WireSubscription

from .kit import ECHO, all_tasks, persist
from .proxy import Proxy, open_proxy
from .redis_server import PATIENCE, RedisServer, open_server


@attrs.frozen
class Left:
    """What was there before and after."""

    tasks: tuple[int, int]
    connections: tuple[int, int]
    back: list[float]
    """Seconds from when the engine answered again until a call was answered, and a message heard."""

    @property
    def is_nothing(self) -> bool:
        return self.tasks[0] == self.tasks[1] and self.connections[0] == self.connections[1]

    def __str__(self) -> str:
        slow = sorted(self.back)
        return (
            f"tasks {self.tasks[0]} -> {self.tasks[1]}, "
            f"connections {self.connections[0]} -> {self.connections[1]}, "
            f"back after p50 {statistics.median(slow) * 1000:.0f} ms, "
            f"max {slow[-1] * 1000:.0f} ms of {len(slow)}"
        )


async def hear_one(wire: Wire, subscription: WireSubscription, message: str) -> None:
    """Publish it until it is heard: what was published while the channel's line was away is lost."""
    with trio.fail_after(PATIENCE):
        while True:
            await persist(wire.publish, "alive", message)
            with trio.move_on_after(0.05):
                while await subscription.receive() != message:
                    pass
                return


async def cancel_calls(wire: Wire, count: int) -> None:
    """One of three before it is sent, one on its way, one in a subscription that is being made."""
    for number in range(count):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wire.run, ECHO, ["k"], [number])
                nursery.start_soon(_enter, wire, f"c{number}")
                if number % 3:
                    await trio.sleep(0 if number % 3 == 1 else 0.0005)
                scope.cancel()
        assert await wire.run(ECHO, ["k"], [number]) == [str(number), "k"]


async def _enter(wire: Wire, channel: str) -> None:
    async with wire.subscribe(channel):
        await trio.sleep_forever()


async def restart_often(
    server: RedisServer, wire: Wire, subscription: WireSubscription, count: int
) -> list[float]:
    back: list[float] = []
    for number in range(count):
        await server.restart()
        began = trio.current_time()
        assert await persist(wire.run, ECHO, ["k"], [number]) == [str(number), "k"]
        await hear_one(wire, subscription, str(number))
        back.append(trio.current_time() - began)
        await cancel_calls(wire, 3)
    return back


async def measure(*, cancels: int, restarts: int) -> Left:
    async with (
        open_server() as server,
        open_proxy(server.port) as proxy,
        open_redis(proxy.url) as wire,
        wire.subscribe("alive") as subscription,
    ):
        await hear_one(wire, subscription, "first")
        before = all_tasks(), proxy.open
        await cancel_calls(wire, cancels)
        await hear_one(wire, subscription, "still")
        back = await restart_often(server, wire, subscription, restarts)
        await _settle(proxy, before[1])
        return Left((before[0], all_tasks()), (before[1], proxy.open), back)


async def _settle(proxy: Proxy, connections: int) -> None:
    """What has just been cut takes a moment to be gone."""
    with trio.move_on_after(PATIENCE):
        while proxy.open > connections:
            await trio.sleep(0.01)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.repeat", description=__doc__)
    parser.add_argument("--cancels", type=int, default=1000)
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args(arguments)
    failed = 0
    for _ in range(options.rounds):
        left: Left = trio.run(lambda: measure(cancels=options.cancels, restarts=options.restarts))
        sys.stdout.write(f"{left}\n")
        failed += not left.is_nothing
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
