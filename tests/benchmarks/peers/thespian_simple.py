"""thespian, its simple system: no concurrency, everything is called in turn, in this thread."""

from __future__ import annotations

import importlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from .work import ACTORS, FIRST, MESSAGE, Stopwatch, Tally, crowds, resident, rounds, spread

thespian: Any = importlib.import_module("thespian.actors")

TALLY = Tally(lambda: None)
"""Of those who count: an actor of thespian is made without arguments."""


class Counter(thespian.Actor):  # type: ignore[misc]  # thespian is not always there
    def receiveMessage(self, message: object, _: object) -> None:  # noqa: N802  # thespian's name
        if isinstance(message, int):
            TALLY.count += 1


class Answering(thespian.Actor):  # type: ignore[misc]
    count = 0

    def receiveMessage(self, message: object, sender: object) -> None:  # noqa: N802
        if isinstance(message, int):
            self.count += 1
            self.send(sender, self.count)


@contextmanager
def system() -> Generator[Any]:
    made = thespian.ActorSystem("simpleSystemBase", logDefs=False)
    try:
        yield made
    finally:
        made.shutdown()


# tell


def tell_one(n: int) -> float:
    return tell(n, 1)


def tell_round_robin(n: int) -> float:
    return tell(n, ACTORS)


def tell(n: int, actors: int) -> float:
    with system() as here:
        addresses = [here.createActor(Counter) for _ in range(actors)]
        watch = Stopwatch()
        for size in rounds(n):
            targets = spread(addresses, size)
            TALLY.count = 0
            with watch:
                for address in targets:
                    here.tell(address, MESSAGE)
            assert TALLY.count == size
    return watch.seconds / n


# ask


def ask_sequential(n: int) -> float:
    with system() as here:
        address = here.createActor(Answering)
        watch = Stopwatch()
        for size in rounds(n):
            with watch:
                for _ in range(size):
                    here.ask(address, MESSAGE)
    return watch.seconds / n


# spawn, stop, look up


def spawn(here: Any, n: int) -> list[Any]:
    return [here.createActor(Counter) for _ in range(n)]


def spawn_one_by_one(n: int) -> float:
    with system() as here:
        watch = Stopwatch()
        for size in crowds(n):
            with watch:
                addresses = spawn(here, size)
            assert len(addresses) == size
    return watch.seconds / n


def memory(n: int) -> float:
    with system() as here:
        first = spawn(here, FIRST)
        before = resident()
        rest = spawn(here, n)
        each = (resident() - before) / n
        assert len(first) + len(rest) == FIRST + n
    return each


def stop_all(n: int) -> float:
    with system() as here:
        watch = Stopwatch()
        for size in rounds(n):
            addresses = spawn(here, size)
            with watch:
                for address in addresses:
                    here.tell(address, thespian.ActorExitRequest())
    return watch.seconds


def lookup(n: int) -> float:
    """The actor of a global name, made the first time."""
    with system() as here:
        every = [f"actor {number}" for number in range(min(ACTORS, n))]
        for name in every:
            here.createActor(Counter, globalName=name)
        watch = Stopwatch()
        for size in rounds(n):
            keys = spread(every, size)
            with watch:
                for name in keys:
                    here.createActor(Counter, globalName=name)
    return watch.seconds / n
