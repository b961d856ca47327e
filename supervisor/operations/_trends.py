"""How the numbers went: a sample a second, for the last ten minutes; rates and quantiles of them. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

from supervisor import BOUNDS, Counts, Histogram

from ._shapes import Json

# Seconds from one sample to the next, and how many are kept: ten minutes.
STEP = 1.0
KEPT = 600

# Over how many steps a rate is taken: a minute.
RECENT = 60

RATES = ("managers_created", "managers_cleaned_up", "resource_limit_hits", "emergency_cleanup_triggers")


@attrs.frozen
class Sample:
    """The numbers of one moment."""

    at: float
    """In seconds, on Trio's clock."""
    counts: Counts
    lag: float
    """How late the event loop was at most, in seconds, since the sample before."""


@attrs.define(eq=False)
class Trends:
    """Samples come in, series and rates go out."""

    _recent: deque[Sample] = attrs.field(init=False, factory=lambda: deque[Sample](maxlen=RECENT + 1))
    _series: dict[str, deque[float | None]] = attrs.field(
        init=False, factory=lambda: {name: deque[float | None](maxlen=KEPT) for name in _SERIES}
    )

    def add(self, sample: Sample) -> None:
        before = self._recent[-1] if self._recent else sample
        for name, value in _SERIES.items():
            self._series[name].append(value(before, sample))
        self._recent.append(sample)

    def series(self) -> dict[str, list[float | None]]:
        return {name: list(values) for name, values in self._series.items()}

    def rates(self) -> dict[str, float]:
        """How many there were in the last minute, or in as much of it as there was."""
        if len(self._recent) < 2:  # noqa: PLR2004  # between two there is time
            return dict.fromkeys(RATES, 0.0)
        first, last = self._recent[0], self._recent[-1]
        per_minute = 60 / max(60, last.at - first.at)  # a loop that was late made the steps longer
        return {
            name: (getattr(last.counts, name) - getattr(first.counts, name)) * per_minute for name in RATES
        }

    def spawns(self) -> Json:
        """How long spawns took, of the last minute."""
        if not self._recent:
            return {"p50": None, "p99": None}
        took = _spawned_between(self._recent[0], self._recent[-1])
        return {"p50": quantile(took, 0.5), "p99": quantile(took, 0.99)}

    def lag(self) -> Json:
        """How late the event loop was: in the last second, and at most in the last minute."""
        lags = [sample.lag for sample in self._recent] or [0.0]
        return {"now": lags[-1], "worst": max(lags)}


def quantile(counts: tuple[int, ...], part: float) -> float | None:
    """The bound below which that part of them lies, the last one of those above all; None: of nobody."""
    total, seen = sum(counts), 0
    for bound, number in zip((*BOUNDS, BOUNDS[-1]), counts, strict=True):
        seen += number
        if total and seen >= part * total:
            return bound
    return None


def _spawned_between(before: Sample, after: Sample) -> tuple[int, ...]:
    def of(get: Callable[[Counts], Histogram]) -> list[int]:
        old, new = get(before.counts).counts, get(after.counts).counts
        return [late - early for early, late in zip(old, new, strict=True)]

    at_once, after_cleanup = of(lambda c: c.spawned), of(lambda c: c.spawned_after_cleanup)
    return tuple(map(sum, zip(at_once, after_cleanup, strict=True)))


def _grown(name: str) -> Callable[[Sample, Sample], float]:
    return lambda before, now: (getattr(now.counts, name) - getattr(before.counts, name)) / STEP


_SERIES: dict[str, Callable[[Sample, Sample], float | None]] = {
    "managers": lambda _, now: now.counts.managers,
    "users": lambda _, now: now.counts.users,
    "zombies": lambda _, now: now.counts.zombies,
    "connections": lambda _, now: now.counts.connections,
    "created": _grown("managers_created"),
    "refused": _grown("resource_limit_hits"),
    "cleaned": _grown("managers_cleaned_up"),
    "spawn_p99": lambda before, now: quantile(_spawned_between(before, now), 0.99),
    "lag": lambda _, now: now.lag,
}
