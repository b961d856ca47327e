"""Does a cancelled call leave behind what it may? One case, cancelled at every moment in turn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import attrs

from .cancelling import (
    CANCELLED,
    Case,
    Ended,
    Left,
    Way,
    at_step,
    at_time,
    enact,
    makes_it,
    never_makes_it,
    only_cleans,
)
from .test_cancelled_callers import CancelAt

# What others do meanwhile, they do at multiples of this, in seconds.
BEAT = 0.25

_WAYS = {Left.MADE: makes_it, Left.NEVER: never_makes_it, Left.CLEANED: only_cleans}


@attrs.frozen(eq=False)
class Judge:
    """Knows how things stand where the call was made, and where it never was."""

    case: Case
    seed: int
    made: Ended
    never: Ended

    @classmethod
    def of(cls, case: Case, seed: int) -> Judge:
        return cls(case, seed, enact(case, seed, makes_it), enact(case, seed, never_makes_it))

    def exhaust(self, ways: Iterable[Way], *, amid: bool = False) -> int:
        """Try one way after the other until the call is over first; how many came in time."""
        leaves = self.case.leaves + (self.case.amid if amid else ())
        allowed = [enact(self.case, self.seed, _WAYS[left]).stands for left in leaves]
        for number, way in enumerate(ways):
            ended = enact(self.case, self.seed, way)
            if ended.outcome != CANCELLED:
                assert (ended.outcome, ended.stands) == (self.made.outcome, self.made.stands), number
            elif ended.stands not in allowed:
                raise AssertionError(f"cancelled at {number}: {ended.stands}, and none of {allowed}")
            if not ended.struck:
                return number
        raise AssertionError("the call outlasted every way to cancel it")

    def exhaust_and_come_again(self, kind: type[CancelAt]) -> int:
        """As `exhaust`, for one who comes again at once: he gets what he would have had."""
        step = -1
        struck = True
        while struck:
            step += 1
            ended = enact(self.case, self.seed, at_step(kind, step, again=True))
            assert (ended.outcome, ended.tables) == (self.made.outcome, self.made.tables), step
            struck = ended.struck
        return step

    def at_times(self) -> Iterable[Way]:
        """By a deadline at the time of something that others do, or of the answer, or just beside it."""
        began, over = self.made.began, self.made.over
        times = {over, math.nextafter(over, math.inf), math.nextafter(over, began)}
        times |= {began + beat * BEAT for beat in range(int((over - began) / BEAT) + 1)}
        return map(at_time, sorted(times))


def at_each_step(kind: type[CancelAt]) -> Iterable[Way]:
    """At step 0, 1, 2, ... for ever."""
    return (at_step(kind, step) for step in itertools.count())
