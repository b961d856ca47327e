"""Each metric equals its recount from the events, whatever happened (R17)."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import itertools
from collections.abc import Sequence

import attrs
import pytest
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from supervisor import Event, EventsLost, Stamp, Subscription, SweeperStarted, open_supervisor
from supervisor.metrics.prometheus import SupervisorCollector
from supervisor.testing import Healthy
from tests.long.days import EVERYTHING, HOUR
from tests.long.load import LIMIT, SPEC, Load

from .harness import PLAIN, Crowd, opened, settle
from .metrics_recount import Samples, recounted, series

OPERATIONS = 10_000
"""As many at least; so many hours of the load of tests/long bring them about."""
HOURS = 36

ALLOWANCE = SPEC.condemned_allowance or 0

# They may all be gone in the end.
GAUGES = {
    "managers",
    "zombies",
    "users",
    "users_at_manager_limit",
    "average_managers_per_user",
    "connections",
}


def scraped(registry: CollectorRegistry) -> Samples:
    samples: Samples = {}
    for family in registry.collect():
        for sample in family.samples:
            which = (sample.name, frozenset(sample.labels.items()))
            assert which not in samples, "no series twice"
            samples[which] = sample.value
    return samples


@attrs.define(eq=False)
class Inspector:
    """Scrapes now and then, and keeps the events up to each scrape."""

    registry: CollectorRegistry
    news: Subscription
    # The one event that is told before anybody can subscribe.
    log: list[Event] = attrs.field(factory=lambda: [SweeperStarted(Stamp(1, 0.0), SPEC.sweep_period)])
    scrapes: list[tuple[int, Samples]] = attrs.field(factory=list[tuple[int, Samples]])

    def look(self, *, always: bool = True) -> None:
        for event in self.news.drain():
            assert not isinstance(event, EventsLost)
            self.log.append(event)
        told = scraped(self.registry)
        if always or told[series("connections")]:
            self.scrapes.append((len(self.log), told))

    async def look_often(self) -> None:
        """Each hour, and every ten minutes if anybody is connected then: visits are short."""
        for number in itertools.count(1):
            await trio.sleep(HOUR / 6)
            self.look(always=number % 6 == 0)


async def worked(seed: int) -> Inspector:
    async with open_supervisor(LIMIT, spec=SPEC) as supervisor:
        registry = CollectorRegistry()
        registry.register(SupervisorCollector(supervisor))
        with supervisor.events(capacity=EVERYTHING) as news:
            inspector, load = Inspector(registry, news), Load(supervisor, seed)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(inspector.look_often)
                await load.run(until=HOURS * HOUR)
                nursery.cancel_scope.cancel()
            await settle(HOUR)
            inspector.look()
            assert sum(load.done.values()) >= OPERATIONS
            return inspector


def differences(told: Samples, counted: Samples) -> dict[object, tuple[float | None, float | None]]:
    """Sums of the same seconds in another order may differ by next to nothing."""
    return {
        which: (told.get(which), counted.get(which))
        for which in told.keys() | counted.keys()
        if told.get(which) != pytest.approx(counted.get(which), rel=1e-9, abs=1e-6)
    }


def test_after_ten_thousand_operations_each_metric_equals_its_recount() -> None:
    trio._core._run._r.seed(0)
    inspector = trio.run(worked, 0, clock=trio.testing.MockClock(autojump_threshold=0))
    assert len(inspector.scrapes) >= HOURS
    for seen, told in inspector.scrapes:
        assert differences(told, recounted(inspector.log[:seen], limit=LIMIT, allowance=ALLOWANCE)) == {}
    _has_seen_something([told for _, told in inspector.scrapes])


def _has_seen_something(scrapes: Sequence[Samples]) -> None:
    """Not everything was 0 all the time, and who is here has gone up and down."""
    for gauge in GAUGES:
        assert max(told[series(gauge)] for told in scrapes) > 0, gauge
    assert scrapes[-1][series("connections")] == 0
    assert scrapes[-1][series("zombies")] == 0
    # A process that is never full, a loop that nobody watches, and handlers that are well.
    never = {"sweeps_held_total", "handler_failures_total", "loop_blocks_total"}
    silent = {
        name.removeprefix("trouper_") for (name, labels), n in scrapes[-1].items() if not labels and not n
    }
    assert silent - GAUGES <= never
    outcomes = ("found", "spawned", "after_cleanup", "refused")
    assert all(scrapes[-1][series("spawn_seconds_count", outcome=each)] > 0 for each in outcomes)


async def test_users_at_the_limit_follow_the_limit_up_and_down(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with opened(limit=2) as (supervisor, _):
        for user, number in (("alice", 2), ("bob", 1)):
            await Crowd(supervisor, user).add("tab", number)
        at_limit: list[int] = []
        for limit in (2, 3, 1, 2):
            supervisor.set_limit(limit)
            at_limit.append(supervisor.counts().users_at_manager_limit)
        supervisor.set_limit(1, user="bob")
        at_limit.append(supervisor.counts().users_at_manager_limit)
        supervisor.set_limit(5)
        at_limit.append(supervisor.counts().users_at_manager_limit)
        assert at_limit == [1, 0, 2, 1, 2, 1]


async def test_the_most_managers_at_once_are_remembered(autojump_clock: trio.testing.MockClock) -> None:
    async with opened(limit=5) as (supervisor, _):
        await Crowd(supervisor).add("tab", 3)
        await supervisor.stop_user("alice")
        await supervisor.get_or_spawn("alice", "again", PLAIN)
        counts = supervisor.counts()
        assert (counts.managers, counts.max_concurrent_managers) == (1, 3)


async def test_connections_come_back_to_none(autojump_clock: trio.testing.MockClock) -> None:
    async with opened(limit=5) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("tab", 2, lambda: Healthy(sockets=True), sockets=3)
        assert supervisor.counts().connections == 6
        await supervisor.stop_user("alice")
        assert supervisor.counts().connections == 0
        crowd.sockets.close()
        await settle()
        assert supervisor.counts().connections == 0
