"""The control that must fail: count who is there, and add one if there is room. Nothing else is different."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from random import Random

import attrs
import trio

from supervisor.cluster import ClusterError, Script, Wire
from supervisor.cluster._redis import open_redis

from .marks import Count, Marks
from .node_process import LIMIT, STEP, Options, contend, wait_for_end_of_input

HOW_MANY = Script("how_many", "return redis.call('ZCARD', KEYS[1])")
ADD = Script("add", "return redis.call('ZADD', KEYS[1], 0, ARGV[1])")
REMOVE = Script("remove", "return redis.call('ZREM', KEYS[1], ARGV[1])")


@attrs.frozen(eq=False)
class NaiveDoor:
    """Two commands, where it takes one."""

    wire: Wire
    marks: Marks
    random: Random
    node: int
    _numbers: Iterator[int] = attrs.field(init=False, factory=itertools.count)

    async def visit(self, user: int, key: int) -> float:
        # Keys are not claimed: each is this visit's own.
        number = next(self._numbers)
        name, place = f"{self.node}-{number}", [f"naive:{user}"]
        try:
            if int(str(await self.wire.run(HOW_MANY, place, []))) >= LIMIT:
                self.marks.count(Count.REFUSED)
                return self.random.uniform(0, 0.02)
            await self.wire.run(ADD, place, [name])
            await self._act(user, self.node << 32 | number)
            await self.wire.run(REMOVE, place, [name])
        except ClusterError:
            self.marks.count(Count.UNAVAILABLE)
        return 0.0

    async def _act(self, user: int, key: int) -> None:
        self.marks.count(Count.ADMITTED)
        mark = self.marks.new()
        mark.begin(user, key, time.monotonic_ns())
        with trio.move_on_after(self.random.uniform(0.02, 0.4)):
            while True:
                await trio.sleep(STEP)
                mark.act(time.monotonic_ns())


async def run_naive_node(options: Options) -> None:
    marks, random = Marks.create(options.marks), Random(options.seed)  # noqa: S311  # dice, not secrets
    async with open_redis(options.engine) as wire, trio.open_nursery() as nursery:
        door = NaiveDoor(wire, marks, random, options.number)
        for _ in range(options.contenders):
            nursery.start_soon(contend, door, random)
        marks.count(Count.READY)
        await wait_for_end_of_input()
        nursery.cancel_scope.cancel()
