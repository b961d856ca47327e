"""OpenTelemetry instruments: they observe a supervisor's counts when the SDK asks; through the API only.

    SupervisorInstruments(meter, supervisor)

The callbacks read immutable snapshots, in whatever thread the SDK calls them. The API has no
histogram that is observed; so each is told as Prometheus stores it, by three counters: `..._bucket`
(cumulative, with the attribute `le`), `..._count` and `..._sum`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec

if find_spec("opentelemetry") is None:
    raise ImportError(
        "supervisor.metrics.opentelemetry needs opentelemetry-api: install trouper[opentelemetry]",
        name="opentelemetry",
    )

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from supervisor import Counts, Histogram

from ._row import Counted, Distribution, Kind, Metric, Numbers, cumulative
from ._sources import Sources
from ._table import DISTRIBUTIONS, METRICS


class SupervisorInstruments:
    """Every metric as an observable instrument of `meter`; make it once for a meter.

    `attributes` go onto every observation; with them, several supervisors of one process are told
    apart. The API can't take an instrument back: `remove` a supervisor whose numbers should end.

    Raises ValueError: an attribute has the name of one of the metrics' own.
    """

    def __init__(
        self, meter: Meter, supervisor: Counted, *, attributes: Mapping[str, str] | None = None
    ) -> None:
        self._meter = meter
        self._sources = Sources.of(supervisor, attributes or {})
        for metric in METRICS:
            self._create(metric)
        for distribution in DISTRIBUTIONS:
            for metric in _as_counters(distribution):
                self._create(metric)

    def add(self, supervisor: Counted, *, attributes: Mapping[str, str]) -> None:
        """Observe one more.

        Raises ValueError: the attributes have other names than those of the first, or another has them.
        """
        self._sources.add(supervisor, attributes)

    def remove(self, supervisor: Counted) -> None:
        """Observe it no more. Nothing happens for one that is not here."""
        self._sources.remove(supervisor)

    def _create(self, row: Metric) -> None:
        counter = row.kind is Kind.COUNTER
        create = self._meter.create_observable_counter if counter else self._meter.create_observable_gauge
        create(row.name, callbacks=[self._callback(row)], unit=row.unit, description=row.help)

    def _callback(self, row: Metric) -> Callable[[CallbackOptions], Iterator[Observation]]:
        names = (*self._sources.names, *row.labels)

        def observe(options: CallbackOptions) -> Iterator[Observation]:  # noqa: ARG001  # the API gives them
            for values, counts in self._sources.counts().items():
                for labels, number in row.read(counts).items():
                    yield Observation(number, dict(zip(names, (*values, *labels), strict=True)))

        return observe


def _as_counters(row: Distribution) -> tuple[Metric, Metric, Metric]:
    def counts_of(get: Callable[[Histogram], float]) -> Callable[[Counts], Numbers]:
        return lambda counts: {labels: get(each) for labels, each in row.read(counts).items()}

    def buckets(counts: Counts) -> Numbers:
        return {
            (*labels, edge): number
            for labels, histogram in row.read(counts).items()
            for edge, number in cumulative(histogram)
        }

    count, total = counts_of(lambda histogram: histogram.count), counts_of(lambda histogram: histogram.sum)
    return (
        Metric(Kind.COUNTER, f"{row.name}_bucket", row.help, buckets, (*row.labels, "le")),
        Metric(Kind.COUNTER, f"{row.name}_count", row.help, count, row.labels),
        Metric(Kind.COUNTER, f"{row.name}_sum", row.help, total, row.labels, "s"),
    )
