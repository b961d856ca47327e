"""asyncio's own means: a task and a bounded Queue for each actor, a Future for each answer."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

from .work import (
    ACTORS,
    CAPACITY,
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

Inbox: TypeAlias = asyncio.Queue[int | None]
Question: TypeAlias = tuple[int, asyncio.Future[int]]


async def counter(inbox: Inbox, tally: Tally) -> None:
    while True:
        await inbox.get()
        tally.count += 1
        if tally.count == tally.last:
            tally.on_last()


async def idle(inbox: Inbox, ready: asyncio.Future[None]) -> None:
    ready.set_result(None)
    while await inbox.get() is not None:
        pass


async def counted_idle(inbox: Inbox, tally: Tally) -> None:
    tally.count += 1
    if tally.count == tally.last:
        tally.on_last()
    while await inbox.get() is not None:
        pass


async def answering(inbox: asyncio.Queue[Question]) -> None:
    count = 0
    while True:
        _, reply = await inbox.get()
        count += 1
        reply.set_result(count)


# tell


def tell_one(n: int) -> float:
    return asyncio.run(tell(n, 1))


def tell_round_robin(n: int) -> float:
    return asyncio.run(tell(n, ACTORS))


async def tell(n: int, actors: int) -> float:
    tally = Tally(lambda: None)
    inboxes: list[Inbox] = [asyncio.Queue(CAPACITY) for _ in range(actors)]
    tasks = [asyncio.create_task(counter(inbox, tally)) for inbox in inboxes]
    watch = Stopwatch()
    for size in rounds(n):
        targets, done = spread(inboxes, size), asyncio.Event()
        tally.count, tally.last, tally.on_last = 0, size, done.set
        with watch:
            for inbox in targets:
                await inbox.put(MESSAGE)
            await done.wait()
    await cancel(tasks)
    return watch.seconds / n


async def cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# ask


def ask_sequential(n: int) -> float:
    return asyncio.run(ask_by(n, alone))


def ask_callers(n: int) -> float:
    return asyncio.run(ask_by(n, shares))


async def ask_by(n: int, parts: Shares) -> float:
    inbox: asyncio.Queue[Question] = asyncio.Queue(CAPACITY)
    task = asyncio.create_task(answering(inbox))
    watch = Stopwatch()
    for size in rounds(n):
        with watch:
            async with asyncio.TaskGroup() as asking:
                for part in parts(size):
                    asking.create_task(ask_times(inbox, part))
    await cancel([task])
    return watch.seconds / n


async def ask_times(inbox: asyncio.Queue[Question], times: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(times):
        answer = loop.create_future()
        await inbox.put((MESSAGE, answer))
        await answer


# spawn, stop


def spawn_one_by_one(n: int) -> float:
    async def main() -> float:
        watch = Stopwatch()
        for size in crowds(n):
            with watch:
                actors = await spawn(size)
            await cancel(list(actors.values()))
        return watch.seconds / n

    return asyncio.run(main())


async def spawn(n: int) -> dict[Inbox, asyncio.Task[None]]:
    loop = asyncio.get_running_loop()
    actors: dict[Inbox, asyncio.Task[None]] = {}
    for _ in range(n):
        inbox: Inbox = asyncio.Queue(CAPACITY)
        ready = loop.create_future()
        actors[inbox] = asyncio.create_task(idle(inbox, ready))
        await ready
    return actors


def spawn_at_once(n: int) -> float:
    async def main() -> float:
        watch = Stopwatch()
        for size in crowds(n):
            done = asyncio.Event()
            tally = Tally(done.set, last=size)
            with watch:
                tasks = [
                    asyncio.create_task(counted_idle(asyncio.Queue(CAPACITY), tally)) for _ in range(size)
                ]
                await done.wait()
            await cancel(tasks)
        return watch.seconds / n

    return asyncio.run(main())


def memory(n: int) -> float:
    async def main() -> float:
        first = await spawn(FIRST)
        before = resident()
        rest = await spawn(n)
        each = (resident() - before) / n
        await cancel([*first.values(), *rest.values()])
        return each

    return asyncio.run(main())


def stop_all(n: int) -> float:
    async def main() -> float:
        watch = Stopwatch()
        for size in rounds(n):
            actors = await spawn(size)
            with watch:
                for inbox in actors:
                    inbox.put_nowait(None)
                await asyncio.gather(*actors.values())
        return watch.seconds

    return asyncio.run(main())
