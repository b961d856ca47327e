"""What was measured, line by line and peer by peer, and what it looks like to people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

import attrs

from .line import ASYNCIO, OURS, TRIO, Line

Where = tuple[str, str]
"""The keys of a line and of a peer."""


@attrs.frozen
class Figure:
    """One peer on one line, as it is shown: per second, in milliseconds, in bytes."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(self.low)}-{short(self.high)})"


@attrs.frozen
class Ratio:
    """One figure against another: of the medians, and how far it could be off, at the ends of both."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g}x ({self.low:.3g}-{self.high:.3g})"


@attrs.define
class Figures:
    """All that one run measured."""

    values: dict[Where, list[float]] = attrs.field(factory=dict[Where, list[float]])
    """Seconds, or bytes, per operation, in the order in which they were measured."""
    failures: dict[Where, str] = attrs.field(factory=dict[Where, str])
    """Why a sample gave none; of several the last."""

    def figure(self, line: Line, peer: str) -> Figure | None:
        """None: there is nothing."""
        values = self.values.get((line.key, peer))
        if not values:
            return None
        shown = [line.unit.shown(value) for value in values]
        return Figure(line.unit.shown(median(values)), min(shown), max(shown))

    def peers(self) -> set[str]:
        """Those who took part, in vain or not."""
        return {peer for _, peer in (*self.values, *self.failures)}


def ratio(one: Figure, other: Figure) -> Ratio:
    return Ratio(one.median / other.median, one.low / other.high, one.high / other.low)


def advantage(line: Line, ours: Figure, other: Figure) -> float:
    """How many times better ours is; below 1 it is worse."""
    times = ours.median / other.median
    return times if line.unit.more_is_better else 1 / times


def short(value: float) -> str:
    """Three digits at most, as people say them: 181k, 3.55M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:.0f}{letter}" if value >= 99.95 * size else f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


# What a run without these two says nothing.
_REFERENCES = {TRIO, ASYNCIO}


def exit_code(failures: Mapping[Where, str], held: Iterable[bool | None]) -> int:
    """2: there is nothing to compare with; 1: a bar is not held, or ours failed; 0: neither."""
    failed = {peer for _, peer in failures}
    if failed & _REFERENCES:
        return 2
    return int(OURS in failed or any(one is False for one in held))
