"""What one metric is: a name, what it means, and how it is read from the counts. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Protocol, TypeVar

import attrs

from supervisor import BOUNDS, ClusterStatistics, Counts, Histogram, StageCounts

E = TypeVar("E", bound=enum.Enum)

Labels = tuple[str, ...]
"""Of a row: the names of its labels. Of a value: what stands there for each name, in that order."""

Numbers = Mapping[Labels, float]
"""By the values of the labels; every series is there from the beginning, as 0. Without a cluster those
about one are not there at all."""


class Counted(Protocol):
    """What has counts to be read, from any thread: a Supervisor."""

    def counts(self) -> Counts: ...


class Kind(enum.Enum):
    COUNTER = "counter"
    """Only ever grows, as long as its supervisor lives."""
    GAUGE = "gauge"


@attrs.frozen
class Metric:
    """A number, or one for each value of its labels."""

    kind: Kind
    name: str
    """In full, but for the `_total` that a counter gets."""
    help: str
    read: Callable[[Counts], Numbers]
    labels: Labels = ()
    unit: str = ""
    """As the Unified Code for Units of Measure has it; empty for plain numbers."""


@attrs.frozen
class Distribution:
    """A histogram of seconds over `supervisor.BOUNDS`, or one for each value of its labels."""

    name: str
    help: str
    read: Callable[[Counts], Mapping[Labels, Histogram]]
    labels: Labels = ()


def label(member: enum.Enum) -> str:
    """How a member of an enum is written as the value of a label."""
    return member.name.lower()


def plain(get: Callable[[Counts], float]) -> Callable[[Counts], Numbers]:
    """One number."""
    return lambda counts: {(): get(counts)}


def each(members: type[E], get: Callable[[Counts, E], float]) -> Callable[[Counts], Numbers]:
    """One number for each member of an enum."""
    return lambda counts: {(label(member),): get(counts, member) for member in members}


def of_cluster(
    get: Callable[[ClusterStatistics], float | None],
) -> Callable[[Counts], Numbers]:
    """One number about how a node stands in its cluster; there is none without, nor where it is unknown."""

    def read(counts: Counts) -> Numbers:
        number = None if counts.cluster is None else get(counts.cluster)
        return {} if number is None else {(): number}

    return read


def cluster_total(name: str, help: str, get: Callable[[Counts], float], *, unit: str = "") -> Metric:
    """Counted from the events, where there is a cluster."""

    def read(counts: Counts) -> Numbers:
        return {} if counts.cluster is None else {(): get(counts)}

    return Metric(Kind.COUNTER, name, help, read, unit=unit)


def total(name: str, help: str, get: Callable[[Counts], float], *, unit: str = "") -> Metric:
    return Metric(Kind.COUNTER, name, help, plain(get), unit=unit)


def gauge(name: str, help: str, get: Callable[[Counts], float]) -> Metric:
    return Metric(Kind.GAUGE, name, help, plain(get))


def totals(
    name: str, help: str, labels: Labels, read: Callable[[Counts], Numbers], *, unit: str = ""
) -> Metric:
    return Metric(Kind.COUNTER, name, help, read, labels, unit)


NO_STAGE = StageCounts()
"""Of a stage that never ran."""

EDGES = (*map(str, BOUNDS), "+Inf")
"""Of a histogram, as the values of the label `le`."""


def cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    """For each edge, how many were not above it."""
    return list(zip(EDGES, accumulate(histogram.counts), strict=True))
