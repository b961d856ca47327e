"""Plain Trio, as it is written without a library: a task and a memory channel for each actor."""

from __future__ import annotations

from typing import TypeAlias

import trio

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
    names,
    resident,
    rounds,
    shares,
    spread,
)

Inbox: TypeAlias = trio.MemorySendChannel[int]
Reply: TypeAlias = trio.MemorySendChannel[int]
Questions: TypeAlias = trio.MemorySendChannel[tuple[int, Reply]]


async def counter(receive: trio.MemoryReceiveChannel[int], tally: Tally) -> None:
    async for _ in receive:
        tally.count += 1
        if tally.count == tally.last:
            tally.on_last()


async def idle(
    receive: trio.MemoryReceiveChannel[int], task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    task_status.started()
    async for _ in receive:
        pass


async def answering(receive: trio.MemoryReceiveChannel[tuple[int, Reply]]) -> None:
    count = 0
    async for _, reply in receive:
        count += 1
        reply.send_nowait(count)


# tell


def tell_one(n: int) -> float:
    return trio.run(tell, n, 1)


def tell_round_robin(n: int) -> float:
    return trio.run(tell, n, ACTORS)


async def tell(n: int, actors: int) -> float:
    async with trio.open_nursery() as nursery:
        tally = Tally(lambda: None)
        inboxes = [start_counter(nursery, tally) for _ in range(actors)]
        watch = Stopwatch()
        for size in rounds(n):
            targets, done = spread(inboxes, size), trio.Event()
            tally.count, tally.last, tally.on_last = 0, size, done.set
            with watch:
                for inbox in targets:
                    await inbox.send(MESSAGE)
                await done.wait()
        nursery.cancel_scope.cancel()
    return watch.seconds / n


def start_counter(nursery: trio.Nursery, tally: Tally) -> Inbox:
    send, receive = trio.open_memory_channel[int](CAPACITY)
    nursery.start_soon(counter, receive, tally)
    return send


# ask


def ask_sequential(n: int) -> float:
    return trio.run(ask_by, n, alone)


def ask_callers(n: int) -> float:
    return trio.run(ask_by, n, shares)


async def ask_by(n: int, parts: Shares) -> float:
    async with trio.open_nursery() as nursery:
        send, receive = trio.open_memory_channel[tuple[int, Reply]](CAPACITY)
        nursery.start_soon(answering, receive)
        watch = Stopwatch()
        for size in rounds(n):
            with watch:
                async with trio.open_nursery() as asking:
                    for part in parts(size):
                        asking.start_soon(ask_times, send, part)
        nursery.cancel_scope.cancel()
    return watch.seconds / n


async def ask_times(questions: Questions, times: int) -> None:
    for _ in range(times):
        reply, answer = trio.open_memory_channel[int](1)
        await questions.send((MESSAGE, reply))
        await answer.receive()


# spawn, stop, look up


def spawn_one_by_one(n: int) -> float:
    async def main() -> float:
        async with trio.open_nursery() as nursery:
            watch = Stopwatch()
            for size in crowds(n):
                with watch:
                    inboxes = await spawn(nursery, size)
                assert len(inboxes) == size
            nursery.cancel_scope.cancel()
        return watch.seconds / n

    return trio.run(main)


async def spawn(nursery: trio.Nursery, n: int) -> dict[int, Inbox]:
    inboxes: dict[int, Inbox] = {}
    for key in range(n):
        send, receive = trio.open_memory_channel[int](CAPACITY)
        await nursery.start(idle, receive)
        inboxes[key] = send
    return inboxes


def spawn_at_once(n: int) -> float:
    """Each by a caller of its own, who waits till it is ready, as with ours."""

    async def main() -> float:
        inboxes: list[Inbox] = []
        async with trio.open_nursery() as nursery:

            async def call() -> None:
                send, receive = trio.open_memory_channel[int](CAPACITY)
                await nursery.start(idle, receive)
                inboxes.append(send)

            watch = Stopwatch()
            for size in crowds(n):
                with watch:
                    async with trio.open_nursery() as callers:
                        for _ in range(size):
                            callers.start_soon(call)
            nursery.cancel_scope.cancel()
        return watch.seconds / n

    return trio.run(main)


def memory(n: int) -> float:
    async def main() -> float:
        async with trio.open_nursery() as nursery:
            first = await spawn(nursery, FIRST)
            before = resident()
            rest = await spawn(nursery, n)
            each = (resident() - before) / n
            assert len(first) + len(rest) == FIRST + n
            nursery.cancel_scope.cancel()
        return each

    return trio.run(main)


def stop_all(n: int) -> float:
    async def main() -> float:
        watch = Stopwatch()
        for size in rounds(n):
            async with trio.open_nursery() as nursery:
                inboxes = await spawn(nursery, size)
                watch.start()
                for inbox in inboxes.values():
                    inbox.close()
            watch.stop()
        return watch.seconds

    return trio.run(main)


def lookup(n: int) -> float:
    """In a dict, by user and key."""

    async def main() -> float:
        async with trio.open_nursery() as nursery:
            inboxes = (await spawn(nursery, ACTORS)).values()
            actors = dict(zip(names(ACTORS), inboxes, strict=True))
            watch = Stopwatch()
            for size in rounds(n):
                keys = spread(names(ACTORS), size)
                with watch:
                    for user, key in keys:
                        actors.get((user, key))
            nursery.cancel_scope.cancel()
        return watch.seconds / n

    return trio.run(main)
