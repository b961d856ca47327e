"""xoscar: a pool of actors in this process, and the references that `create_actor` gives."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Coroutine
from typing import Any

from .work import (
    ACTORS,
    FIRST,
    MESSAGE,
    Shares,
    Stopwatch,
    Tally,
    alone,
    crowds,
    resident,
    rounds,
    shares,
    spread,
)

xoscar: Any = importlib.import_module("xoscar")

ADDRESS = "127.0.0.1:0"


class Counter(xoscar.Actor):  # type: ignore[misc]  # xoscar is not always there
    def __init__(self, tally: Tally) -> None:
        self.tally = tally

    def add(self, _: int) -> None:
        tally = self.tally
        tally.count += 1
        if tally.count == tally.last:
            tally.on_last()


class Answering(xoscar.Actor):  # type: ignore[misc]
    def __init__(self) -> None:
        self.count = 0

    def answer(self, _: int) -> int:
        self.count += 1
        return self.count


def run(main: Callable[[str], Coroutine[Any, Any, float]]) -> float:
    """`main` with the address of a pool."""

    async def in_pool() -> float:
        pool = await xoscar.create_actor_pool(ADDRESS, n_process=0)
        async with pool:
            return await main(pool.external_address)

    return asyncio.run(in_pool())


# tell


def tell_one(n: int) -> float:
    return run(lambda address: tell(address, n, 1))


def tell_round_robin(n: int) -> float:
    return run(lambda address: tell(address, n, ACTORS))


async def tell(address: str, n: int, actors: int) -> float:
    tally = Tally(lambda: None)
    refs = [await xoscar.create_actor(Counter, tally, address=address) for _ in range(actors)]
    watch = Stopwatch()
    for size in rounds(n):
        targets, done = spread(refs, size), asyncio.Event()
        tally.count, tally.last, tally.on_last = 0, size, done.set
        with watch:
            for ref in targets:
                await ref.add.tell(MESSAGE)
            await done.wait()
    return watch.seconds / n


# ask


def ask_sequential(n: int) -> float:
    return run(lambda address: ask_by(address, n, alone))


def ask_callers(n: int) -> float:
    return run(lambda address: ask_by(address, n, shares))


async def ask_by(address: str, n: int, parts: Shares) -> float:
    ref = await xoscar.create_actor(Answering, address=address)
    watch = Stopwatch()
    for size in rounds(n):
        each = parts(size)
        with watch:
            await asyncio.gather(*(ask_times(ref, times) for times in each))
    return watch.seconds / n


async def ask_times(ref: Any, times: int) -> None:
    for _ in range(times):
        await ref.answer(MESSAGE)


# spawn, stop, look up


async def spawn(address: str, n: int) -> list[Any]:
    return [await xoscar.create_actor(Answering, address=address) for _ in range(n)]


def spawn_one_by_one(n: int) -> float:
    async def main(address: str) -> float:
        watch = Stopwatch()
        for size in crowds(n):
            with watch:
                refs = await spawn(address, size)
            assert len(refs) == size
        return watch.seconds / n

    return run(main)


def spawn_at_once(n: int) -> float:
    async def main(address: str) -> float:
        watch = Stopwatch()
        for size in crowds(n):
            with watch:
                refs = await asyncio.gather(
                    *(xoscar.create_actor(Answering, address=address) for _ in range(size))
                )
            assert len(refs) == size
        return watch.seconds / n

    return run(main)


def memory(n: int) -> float:
    async def main(address: str) -> float:
        first = await spawn(address, FIRST)
        before = resident()
        rest = await spawn(address, n)
        each = (resident() - before) / n
        assert len(first) + len(rest) == FIRST + n
        return each

    return run(main)


def stop_all(n: int) -> float:
    async def main(address: str) -> float:
        watch = Stopwatch()
        for size in rounds(n):
            refs = await spawn(address, size)
            with watch:
                await asyncio.gather(*map(xoscar.destroy_actor, refs))
        return watch.seconds

    return run(main)


def lookup(n: int) -> float:
    async def main(address: str) -> float:
        uids = [f"actor {number}" for number in range(min(ACTORS, n))]
        refs = [await xoscar.create_actor(Answering, uid=uid, address=address) for uid in uids]
        watch = Stopwatch()
        for size in rounds(n):
            keys = spread(uids, size)
            with watch:
                for uid in keys:
                    await xoscar.actor_ref(uid=uid, address=address)
        assert len(refs) == len(uids)
        return watch.seconds / n

    return run(main)
