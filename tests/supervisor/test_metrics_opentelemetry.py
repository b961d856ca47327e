"""OpenTelemetry sees the same numbers as Prometheus, through its API alone."""

from __future__ import annotations

import ast
import inspect

import pytest
import trio.testing
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader, NumberDataPoint, Sum
from prometheus_client import CollectorRegistry

from supervisor import Supervisor
from supervisor.metrics import opentelemetry as subject
from supervisor.metrics.opentelemetry import SupervisorInstruments
from supervisor.metrics.prometheus import SupervisorCollector

from .harness import Crowd, opened

Series = tuple[str, frozenset[tuple[str, object]]]


class Told:
    """What an SDK reads."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.meter = self._provider.get_meter("trouper")

    def read(self) -> dict[Series, float]:
        data = self._reader.get_metrics_data()
        assert data is not None
        numbers: dict[Series, float] = {}
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            assert isinstance(metric.data, Sum | Gauge)
            name = f"{metric.name}_total" if isinstance(metric.data, Sum) else metric.name
            for point in metric.data.data_points:
                assert isinstance(point, NumberDataPoint)
                numbers[name, frozenset((point.attributes or {}).items())] = point.value
        return numbers

    def value(self, name: str, **attributes: str) -> float | None:
        return self.read().get((name, frozenset(attributes.items())))


def scraped(supervisor: Supervisor) -> dict[Series, float]:
    """What Prometheus reads, with the names that OpenTelemetry has for the parts of a histogram."""
    registry = CollectorRegistry()
    registry.register(SupervisorCollector(supervisor))
    numbers: dict[Series, float] = {}
    for family in registry.collect():
        for sample in family.samples:
            name = f"{sample.name}_total" if family.type == "histogram" else sample.name
            numbers[name, frozenset(sample.labels.items())] = sample.value
    return numbers


async def test_both_tell_the_same(autojump_clock: trio.testing.MockClock) -> None:
    told = Told()
    async with opened(limit=3) as (supervisor, _):
        SupervisorInstruments(told.meter, supervisor)
        crowd = Crowd(supervisor)
        await crowd.add("tab", 3)
        await crowd.refused("one-more")
        assert told.read() == scraped(supervisor)
        await supervisor.stop_user("alice")
        assert told.read() == scraped(supervisor)
    assert told.value("trouper_managers_created_total") == 3
    assert told.value("trouper_spawn_seconds_bucket_total", outcome="spawned", le="+Inf") == 3


async def test_attributes_tell_supervisors_apart(autojump_clock: trio.testing.MockClock) -> None:
    told = Told()
    async with opened() as (chat, _), opened() as (games, _):
        instruments = SupervisorInstruments(told.meter, chat, attributes={"supervisor": "chat"})
        instruments.add(games, attributes={"supervisor": "games"})
        await Crowd(games).add("tab", 2)
        assert told.value("trouper_managers", supervisor="chat") == 0
        assert told.value("trouper_managers", supervisor="games") == 2
        instruments.remove(games)
        assert told.value("trouper_managers", supervisor="games") is None
        assert told.value("trouper_managers", supervisor="chat") == 0


async def test_attributes_that_clash_are_refused(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as (chat, _):
        with pytest.raises(ValueError, match="stage: the metrics have labels of that name"):
            SupervisorInstruments(Told().meter, chat, attributes={"stage": "early"})


def test_only_the_api_is_used() -> None:
    source = ast.parse(inspect.getsource(subject))
    modules = {node.module for node in ast.walk(source) if isinstance(node, ast.ImportFrom) and node.module}
    assert {name for name in modules if "opentelemetry" in name} == {"opentelemetry.metrics"}
