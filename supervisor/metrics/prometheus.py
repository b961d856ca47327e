"""A Prometheus collector: reads the counts of one supervisor, or of several, when it is scraped.

    registry.register(SupervisorCollector(supervisor))

It keeps no numbers and no thread, and may be scraped from any thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

if find_spec("prometheus_client") is None:
    raise ImportError(
        "supervisor.metrics.prometheus needs prometheus-client: install trouper[prometheus]",
        name="prometheus_client",
    )

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from supervisor import Counts

from ._row import Counted, Distribution, Kind, Labels, Metric, cumulative
from ._sources import Sources
from ._table import DISTRIBUTIONS, METRICS


class SupervisorCollector(Collector):
    """All metrics of a supervisor, as samples at the moment of the scrape.

    `labels` go onto every sample; with them, several supervisors of one process are told apart:

        collector = SupervisorCollector(chat, labels={"supervisor": "chat"})
        collector.add(games, labels={"supervisor": "games"})

    Raises ValueError: a label has the name of one of the metrics' own.
    """

    def __init__(self, supervisor: Counted, *, labels: Mapping[str, str] | None = None) -> None:
        self._sources = Sources.of(supervisor, labels or {})

    def add(self, supervisor: Counted, *, labels: Mapping[str, str]) -> None:
        """Export one more.

        Raises ValueError: the labels have other names than those of the first, or another has them.
        """
        self._sources.add(supervisor, labels)

    def remove(self, supervisor: Counted) -> None:
        """Export it no more: its series end. Nothing happens for one that is not here."""
        self._sources.remove(supervisor)

    def describe(self) -> Iterator[Family]:
        """The families without samples, so that a registry finds a clash of names at once."""
        return self._families({})

    def collect(self) -> Iterator[Family]:
        """Every family that has samples; a whole scrape is from one snapshot of each supervisor."""
        return (family for family in self._families(self._sources.counts()) if family.samples)

    def _families(self, snapshots: Mapping[Labels, Counts]) -> Iterator[Family]:
        for metric in METRICS:
            yield self._numbers(metric, snapshots)
        for distribution in DISTRIBUTIONS:
            yield self._histograms(distribution, snapshots)

    def _numbers(self, row: Metric, snapshots: Mapping[Labels, Counts]) -> Family:
        make = CounterMetricFamily if row.kind is Kind.COUNTER else GaugeMetricFamily
        family = make(row.name, row.help, labels=(*self._sources.names, *row.labels))
        for values, counts in snapshots.items():
            for labels, number in row.read(counts).items():
                family.add_metric((*values, *labels), number)
        return family

    def _histograms(self, row: Distribution, snapshots: Mapping[Labels, Counts]) -> Family:
        family = HistogramMetricFamily(row.name, row.help, labels=(*self._sources.names, *row.labels))
        for values, counts in snapshots.items():
            for labels, histogram in row.read(counts).items():
                family.add_metric((*values, *labels), cumulative(histogram), histogram.sum)
        return family
