"""Metrics of a supervisor, for Prometheus and for OpenTelemetry; nobody's name is in them.

    from prometheus_client import CollectorRegistry
    from supervisor.metrics.prometheus import SupervisorCollector

    registry = CollectorRegistry()
    registry.register(SupervisorCollector(supervisor))

Each number is read from `Supervisor.counts()` when somebody asks for it, and equals its recount from
the events. `METRICS` and `DISTRIBUTIONS` are the table of all. `supervisor.metrics.prometheus` needs
`trouper[prometheus]`, and `supervisor.metrics.opentelemetry` needs `trouper[opentelemetry]`.
"""

from ._row import Counted, Distribution, Kind, Metric
from ._table import DISTRIBUTIONS, METRICS

__all__ = ["DISTRIBUTIONS", "METRICS", "Counted", "Distribution", "Kind", "Metric"]
