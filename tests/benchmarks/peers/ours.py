"""Ours: everything supervised, everything on (events, log, sweeper) as `open_supervisor` has it by itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import trio
import trio.testing

from actors import DEFAULT_CAPACITY, Actor, ActorRef, MailboxFull, Request
from supervisor import ChildSpec, Supervisor, open_supervisor

from .work import (
    ACTORS,
    CAPACITY,
    EACH,
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

# Slots of a user: more than any has here, so that nobody is refused, or looked through early.
LIMIT = 100


class Counter(Actor[int]):
    def __init__(self, tally: Tally) -> None:
        self.tally = tally

    async def handle(self, message: int) -> None:
        tally = self.tally
        tally.count += 1
        if tally.count == tally.last:
            tally.on_last()


class Question(Request[int]):
    __slots__ = ()


class Answering(Actor[Question]):
    count = 0

    async def handle(self, message: Question) -> int:
        self.count += 1
        return self.count


class Idle(Actor[object]):
    async def handle(self, message: object) -> None:
        pass


class Started(Actor[object]):
    """Counts itself when it starts."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally

    async def on_start(self) -> None:
        tally = self.tally
        tally.count += 1
        if tally.count == tally.last:
            tally.on_last()

    async def handle(self, message: object) -> None:
        pass


async def spawn(supervisor: Supervisor, who: Sequence[tuple[str, str]]) -> list[ActorRef[Any]]:
    spec = ChildSpec(Idle)
    return [(await supervisor.get_or_spawn(user, key, spec)).ref for user, key in who]


# tell


def tell_one(n: int) -> float:
    return trio.run(tell, n, 1, CAPACITY)


def tell_one_default(n: int) -> float:
    return trio.run(tell, n, 1, DEFAULT_CAPACITY)


def tell_round_robin(n: int) -> float:
    return trio.run(tell, n, ACTORS, CAPACITY)


def tell_one_nowait(n: int) -> float:
    """As long as there is room; when there is none, `tell` waits for some."""
    return trio.run(tell, n, 1, CAPACITY, tell_each_nowait)


async def tell_each(targets: Sequence[ActorRef[int]]) -> None:
    for ref in targets:
        await ref.tell(MESSAGE)


async def tell_each_nowait(targets: Sequence[ActorRef[int]]) -> None:
    for ref in targets:
        try:
            ref.tell_nowait(MESSAGE)
        except MailboxFull:
            await ref.tell(MESSAGE)


async def tell(n: int, actors: int, capacity: int, send: Any = tell_each) -> float:
    tally = Tally(lambda: None)
    spec = ChildSpec(partial(Counter, tally), mailbox_capacity=capacity)
    async with open_supervisor(LIMIT) as supervisor:
        refs = [(await supervisor.get_or_spawn(user, key, spec)).ref for user, key in names(actors)]
        watch = Stopwatch()
        for size in rounds(n):
            targets, done = spread(refs, size), trio.Event()
            tally.count, tally.last, tally.on_last = 0, size, done.set
            with watch:
                await send(targets)
                await done.wait()
    return watch.seconds / n


# ask


def ask_sequential(n: int) -> float:
    return trio.run(ask_by, n, alone)


def ask_callers(n: int) -> float:
    return trio.run(ask_by, n, shares)


async def ask_by(n: int, parts: Shares) -> float:
    async with open_supervisor(LIMIT) as supervisor:
        spec = ChildSpec(Answering, mailbox_capacity=CAPACITY)
        ref = (await supervisor.get_or_spawn("user", "key", spec)).ref
        watch = Stopwatch()
        for size in rounds(n):
            with watch:
                async with trio.open_nursery() as asking:
                    for part in parts(size):
                        asking.start_soon(ask_times, ref, part)
    return watch.seconds / n


async def ask_times(ref: ActorRef[Question], times: int) -> None:
    for _ in range(times):
        await ref.ask(Question())


# spawn, stop, look up


def spawn_one_by_one(n: int) -> float:
    return trio.run(spawn_each, n, EACH)


def spawn_users(n: int) -> float:
    return trio.run(spawn_each, n, 1)


async def spawn_each(n: int, each: int) -> float:
    async with open_supervisor(LIMIT) as supervisor:
        watch = Stopwatch()
        for crowd, size in enumerate(crowds(n)):
            who = names(size, each=each, prefix=f"crowd {crowd} user")
            with watch:
                refs = await spawn(supervisor, who)
            assert len(refs) == size
    return watch.seconds / n


def spawn_at_once(n: int) -> float:
    async def main() -> float:
        async with open_supervisor(LIMIT) as supervisor:
            watch = Stopwatch()
            for crowd, size in enumerate(crowds(n)):
                done, who = trio.Event(), names(size, prefix=f"crowd {crowd} user")
                tally = Tally(done.set, last=size)
                spec = ChildSpec(partial(Started, tally))
                with watch:
                    async with trio.open_nursery() as spawning:
                        for user, key in who:
                            spawning.start_soon(supervisor.get_or_spawn, user, key, spec)
                    await done.wait()
        return watch.seconds / n

    return trio.run(main)


def memory(n: int) -> float:
    async def main() -> float:
        async with open_supervisor(LIMIT) as supervisor:
            await spawn(supervisor, names(FIRST, prefix="first"))
            await trio.testing.wait_all_tasks_blocked()
            before = resident()
            await spawn(supervisor, names(n))
            await trio.testing.wait_all_tasks_blocked()
            return (resident() - before) / n

    return trio.run(main)


def stop_all(n: int) -> float:
    async def main() -> float:
        async with open_supervisor(LIMIT) as supervisor:
            watch = Stopwatch()
            for size in rounds(n):
                refs = await spawn(supervisor, names(size))
                with watch:
                    for ref in refs:
                        ref.stop()
                    for ref in refs:
                        await ref.wait_stopped()
                    while supervisor.users:  # noqa: ASYNC110  # there is no event for it
                        await trio.lowlevel.checkpoint()
        return watch.seconds

    return trio.run(main)


def lookup(n: int) -> float:
    async def main() -> float:
        async with open_supervisor(LIMIT) as supervisor:
            await spawn(supervisor, names(ACTORS))
            watch = Stopwatch()
            for size in rounds(n):
                who = spread(names(ACTORS), size)
                with watch:
                    for user, key in who:
                        supervisor.lookup(user, key)
        return watch.seconds / n

    return trio.run(main)


def get_or_spawn_found(n: int) -> float:
    async def main() -> float:
        spec = ChildSpec(Idle)
        async with open_supervisor(LIMIT) as supervisor:
            await spawn(supervisor, names(ACTORS))
            watch = Stopwatch()
            for size in rounds(n):
                who = spread(names(ACTORS), size)
                with watch:
                    for user, key in who:
                        await supervisor.get_or_spawn(user, key, spec)
        return watch.seconds / n

    return trio.run(main)
