"""What the tests of surveys share: the same numbers, the slow way; and a clock of a survey's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count

import attrs
import pytest
import trio

import supervisor._survey
from supervisor import (
    Explanation,
    Health,
    Supervisor,
)

# Longer than any of these tests lasts: nothing is cleaned up in the background.
NEVER = 1e6


def recount(everybody: list[Explanation]) -> Counter[Health]:
    return Counter(
        holder.verdict.health for stands in everybody for holder in (*stands.holders, *stands.condemned)
    )


def explained(here: Supervisor) -> list[Explanation]:
    return [here.explain(user) for user in here.users]


@attrs.define
class Pace:
    """A clock on which each look takes so long, and the sleeps between."""

    look: float
    _ticks: Iterator[int] = attrs.field(factory=count)
    slices: list[int] = attrs.field(factory=lambda: [0])
    """How many looks each slice had."""
    rested: float = 0.0

    def perf_counter(self) -> float:
        self.slices[-1] += 1
        return next(self._ticks) * self.look

    async def sleep(self, seconds: float) -> None:
        self.slices.append(0)
        self.rested += seconds
        await trio.lowlevel.checkpoint()


def each_look_takes(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """The time that a survey sees; it is nobody else's."""
    patch.setattr(supervisor._survey, "time", Pace(seconds))
