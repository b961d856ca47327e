"""How many took how long: the bounds in which everything is counted that takes time. Pure."""

from __future__ import annotations

from bisect import bisect_left

import attrs

# Upper bounds in seconds, for starts and for ends. 0.1 is the bar for a spawn, 0.5 for an end and
# for the alert; the others are spread over what is usual here.
BOUNDS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@attrs.frozen
class Histogram:
    """How many took how long."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    """For each bound of BOUNDS, those above the bound before it and not above it; then those above all."""
    sum: float = 0.0
    """Seconds of all together."""

    @property
    def count(self) -> int:
        return sum(self.counts)

    def plus(self, seconds: float) -> Histogram:
        place = bisect_left(BOUNDS, seconds)
        counts = (*self.counts[:place], self.counts[place] + 1, *self.counts[place + 1 :])
        return Histogram(counts, self.sum + seconds)


@attrs.define(eq=False)
class Bins:
    """A histogram that grows: a good microsecond for each."""

    _counts: list[int] = attrs.field(init=False, factory=lambda: [0] * (len(BOUNDS) + 1))
    _sum: float = attrs.field(init=False, default=0.0)

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds

    def histogram(self) -> Histogram:
        """As it stands now."""
        return Histogram(tuple(self._counts), self._sum)
