"""What everybody in Python is measured with: how much, for whom, until when, and how large the process is."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import attrs

T = TypeVar("T")

Shares = Callable[[int], list[int]]
"""Of n questions, how many each caller asks."""

ACTORS = 1_000
"""Those among whom messages go round, and whose keys are looked up."""

CALLERS = 100
"""Those who ask at the same time."""

CAPACITY = 1_000
"""Messages that a bounded queue, channel or mailbox takes, where it is ours to say."""

EACH = 20
"""Actors of one user, where there are users."""

MESSAGE = 1

FIRST = 100
"""Actors that come before the others: what a library makes once, it has then."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


@attrs.define
class Tally:
    """All messages of a round, whoever handles them. Those who handle count it up themselves."""

    on_last: Callable[[], object]
    count: int = 0
    last: int = -1


class Stopwatch:
    """How long the last block took that it was around."""

    seconds = 0.0

    def start(self) -> None:
        self._began = perf_counter()

    def stop(self) -> None:
        self.seconds = perf_counter() - self._began

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def rounds(n: int) -> tuple[int, int]:
    """A tenth to warm up, then all: the second is the one that counts."""
    return max(1, n // 10), n


def crowds(n: int) -> tuple[int, int]:
    """Those who come first, then those who count: few, for the garbage collector looks at them again."""
    return FIRST, n


def spread(targets: Sequence[T], n: int) -> list[T]:
    """Whose turn it is, n times."""
    return list(islice(cycle(targets), n))


def alone(n: int) -> list[int]:
    """One caller asks them all."""
    return [n]


def shares(n: int) -> list[int]:
    """How many of n questions each of the callers asks."""
    callers = min(CALLERS, n)
    return [n // callers + (number < n % callers) for number in range(callers)]


def names(n: int, *, each: int = EACH, prefix: str = "user") -> list[tuple[str, str]]:
    """User and key of n actors."""
    return [(f"{prefix} {number // each}", f"key {number % each}") for number in range(n)]


def resident() -> int:
    """Bytes of memory of this process, garbage apart."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
