"""pykka: a thread for each actor."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Semaphore
from typing import Any

from .work import ACTORS, FIRST, MESSAGE, Shares, Stopwatch, alone, crowds, resident, rounds, shares, spread

pykka: Any = importlib.import_module("pykka")

TOTAL = "total"


class Counter(pykka.ThreadingActor):  # type: ignore[misc]  # pykka is not always there
    count = 0

    def on_receive(self, message: object) -> int | None:
        if message is TOTAL:
            return self.count
        self.count += 1
        return None


class Answering(pykka.ThreadingActor):  # type: ignore[misc]
    count = 0

    def on_receive(self, message: object) -> int:
        self.count += 1
        return self.count


class Idle(pykka.ThreadingActor):  # type: ignore[misc]
    def __init__(self, ready: Semaphore) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.ready = ready

    def on_start(self) -> None:
        self.ready.release()

    def on_receive(self, message: object) -> None:
        pass


# tell


def tell_one(n: int) -> float:
    return tell(n, 1)


def tell_round_robin(n: int) -> float:
    return tell(n, ACTORS)


def tell(n: int, actors: int) -> float:
    refs = [Counter.start() for _ in range(actors)]
    total = 0
    watch = Stopwatch()
    for size in rounds(n):
        targets = spread(refs, size)
        total += size
        with watch:
            for ref in targets:
                ref.tell(MESSAGE)
            counts = pykka.get_all([ref.ask(TOTAL, block=False) for ref in refs])
        assert sum(counts) == total
    pykka.ActorRegistry.stop_all()
    return watch.seconds / n


# ask


def ask_sequential(n: int) -> float:
    return ask_by(n, alone)


def ask_callers(n: int) -> float:
    return ask_by(n, shares)


def ask_by(n: int, parts: Shares) -> float:
    ref = Answering.start()
    watch = Stopwatch()
    for size in rounds(n):
        each = parts(size)
        with ThreadPoolExecutor(len(each)) as callers, watch:
            list(callers.map(partial(ask_times, ref), each))
    ref.stop()
    return watch.seconds / n


def ask_times(ref: Any, times: int) -> None:
    for _ in range(times):
        ref.ask(MESSAGE)


# spawn, stop, look up


def spawn_one_by_one(n: int) -> float:
    watch = Stopwatch()
    for size in crowds(n):
        with watch:
            spawn(size)
        pykka.ActorRegistry.stop_all()
    return watch.seconds / n


def spawn(n: int) -> list[Any]:
    ready, refs = Semaphore(0), list[Any]()
    for _ in range(n):
        refs.append(Idle.start(ready))
        ready.acquire()
    return refs


def spawn_at_once(n: int) -> float:
    watch = Stopwatch()
    for size in crowds(n):
        ready = Semaphore(0)
        with watch:
            for _ in range(size):
                Idle.start(ready)
            for _ in range(size):
                ready.acquire()
        pykka.ActorRegistry.stop_all()
    return watch.seconds / n


def memory(n: int) -> float:
    spawn(FIRST)
    before = resident()
    spawn(n)
    each = (resident() - before) / n
    pykka.ActorRegistry.stop_all()
    return each


def stop_all(n: int) -> float:
    watch = Stopwatch()
    for size in rounds(n):
        refs = spawn(size)
        with watch:
            pykka.get_all([ref.stop(block=False) for ref in refs])
    return watch.seconds


def lookup(n: int) -> float:
    urns = [ref.actor_urn for ref in spawn(min(ACTORS, n))]
    watch = Stopwatch()
    for size in rounds(n):
        keys = spread(urns, size)
        with watch:
            for urn in keys:
                pykka.ActorRegistry.get_by_urn(urn)
    pykka.ActorRegistry.stop_all()
    return watch.seconds / n
