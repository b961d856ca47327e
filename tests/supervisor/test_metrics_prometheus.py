"""The Prometheus collector: every metric of R17 by its name, well formed, and read from any thread."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
import trio
import trio.testing
from prometheus_client import CollectorRegistry, Counter, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from supervisor import LoopBlocked, Stamp, Supervisor, SweepHeld
from supervisor._counts import Tally
from supervisor.metrics.prometheus import SupervisorCollector

from .harness import PLAIN, Crowd, opened, settle

# What R17 asks for by name.
R17 = {
    "trouper_background_cleanup_task_started_total",
    "trouper_background_cleanup_failures_total",
    "trouper_emergency_cleanup_triggers_total",
    "trouper_successful_emergency_cleanups_total",
    "trouper_resource_limit_hits_total",
    "trouper_managers_created_total",
    "trouper_managers_cleaned_up_total",
    "trouper_users_at_manager_limit",
    "trouper_average_managers_per_user",
    "trouper_max_concurrent_managers",
    "trouper_spawn_seconds_bucket",
    "trouper_cleanup_stage_managers_total",
    "trouper_reaps_total",
    "trouper_zombies",
}


def registry_of(collector: SupervisorCollector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


def parsed(registry: CollectorRegistry) -> list[Metric]:
    """As a Prometheus reads it."""
    return list(text_string_to_metric_families(generate_latest(registry).decode()))


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    found = registry.get_sample_value(name, labels)
    assert found is not None, name
    return found


async def test_every_metric_asked_for_is_there_before_anything_happens(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with opened() as (supervisor, _):
        families = parsed(registry_of(SupervisorCollector(supervisor)))
        assert {sample.name for family in families for sample in family.samples} >= R17
        for family in families:
            assert family.samples, "a rate needs the 0 that it rises from"
            assert family.type in {"counter", "gauge", "histogram"}
            assert family.documentation.endswith(".")
            assert family.name.startswith("trouper_")


async def test_no_users_name_is_in_it(autojump_clock: trio.testing.MockClock) -> None:
    async with opened(limit=1) as (supervisor, _):
        crowd = Crowd(supervisor, "alice@example.org")
        await crowd.add("secret-tab", 1)
        await crowd.refused("other-secret-tab")
        text = generate_latest(registry_of(SupervisorCollector(supervisor))).decode()
        assert 'trouper_resource_limit_hits_total{reason="limit"} 1.0' in text
        assert "alice" not in text
        assert "secret" not in text


async def test_buckets_are_cumulative_and_end_with_all(autojump_clock: trio.testing.MockClock) -> None:
    async with opened(limit=3) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("tab", 3)
        await crowd.refused("one-more")
        registry = registry_of(SupervisorCollector(supervisor))
        (family,) = (family for family in parsed(registry) if family.name == "trouper_spawn_seconds")
        for outcome, number in (("spawned", 3), ("refused", 1), ("after_cleanup", 0)):
            buckets = [
                sample.value
                for sample in family.samples
                if sample.name.endswith("_bucket") and sample.labels["outcome"] == outcome
            ]
            assert buckets == sorted(buckets)
            assert buckets[-1] == value(registry, "trouper_spawn_seconds_count", outcome=outcome) == number


async def test_supervisors_of_one_process_are_told_apart(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as (chat, _), opened() as (games, _):
        collector = SupervisorCollector(chat, labels={"supervisor": "chat"})
        collector.add(games, labels={"supervisor": "games"})
        registry = registry_of(collector)
        await Crowd(games).add("tab", 2)
        assert value(registry, "trouper_managers", supervisor="chat") == 0
        assert value(registry, "trouper_managers", supervisor="games") == 2
        collector.remove(games)
        assert registry.get_sample_value("trouper_managers", {"supervisor": "games"}) is None
        assert value(registry, "trouper_managers", supervisor="chat") == 0


async def test_labels_that_clash_are_refused_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as (chat, _), opened() as (games, _):
        with pytest.raises(ValueError, match="reason: the metrics have labels of that name"):
            SupervisorCollector(chat, labels={"reason": "chat"})
        collector = SupervisorCollector(chat, labels={"supervisor": "chat"})
        with pytest.raises(ValueError, match="another supervisor has them"):
            collector.add(games, labels={"supervisor": "chat"})
        with pytest.raises(ValueError, match=r"every supervisor here has \['supervisor'\]"):
            collector.add(games, labels={"name": "games"})


async def test_a_name_that_somebody_else_exports_is_found_when_it_is_registered(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with opened() as (supervisor, _):
        registry = CollectorRegistry()
        Counter("trouper_managers_created", "Somebody else's.", registry=registry)
        with pytest.raises(ValueError, match="Duplicated timeseries"):
            registry.register(SupervisorCollector(supervisor))


async def test_after_its_block_a_supervisor_can_still_be_scraped(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with opened() as (supervisor, _):
        registry = registry_of(SupervisorCollector(supervisor))
        await Crowd(supervisor).add("tab", 2)
        assert value(registry, "trouper_managers") == 2
    assert value(registry, "trouper_managers") == 0
    assert value(registry, "trouper_manager_ends_total", reason="shutdown") == 2


async def test_a_handler_that_raises_is_counted(autojump_clock: trio.testing.MockClock) -> None:
    async def raises() -> None:
        raise OSError("reset by peer")

    async with opened() as (supervisor, _):
        supervisor.handler_nursery.start_soon(raises)
        await settle()
        assert value(registry_of(SupervisorCollector(supervisor)), "trouper_handler_failures_total") == 1


def test_a_blocked_loop_and_a_sweep_that_holds_still_are_counted() -> None:
    tally = Tally()
    tally.add(LoopBlocked(Stamp(1, 0.0), 1.0, "alice/tab#1", "tab.py:3 in handle", ()))
    tally.add(SweepHeld(Stamp(2, 1.0), suspects=9, users=9, until=60.0))
    registry = registry_of(SupervisorCollector(tally))
    assert value(registry, "trouper_loop_blocks_total") == 1
    assert value(registry, "trouper_sweeps_held_total") == 1
    assert value(registry, "trouper_events_total") == 2


@pytest.fixture
def threads_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Scraper(threading.Thread):
    """Scrapes as fast as it can, and keeps what it saw of one counter."""

    def __init__(self, supervisor: Supervisor) -> None:
        super().__init__(daemon=True)
        self._registry = registry_of(SupervisorCollector(supervisor))
        self.over = threading.Event()
        self.created: list[float] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.over.is_set():
                text = generate_latest(self._registry).decode()
                (family,) = (
                    each
                    for each in text_string_to_metric_families(text)
                    if each.name == "trouper_managers_created"
                )
                self.created.append(family.samples[0].value)
        except BaseException as error:  # noqa: BLE001  # told by the test
            self.error = error


async def test_another_thread_may_scrape_while_everything_changes(threads_take_turns_often: None) -> None:
    async with opened(limit=5) as (supervisor, _):
        scraper = Scraper(supervisor)
        scraper.start()
        with trio.move_on_after(1.0):
            for number in range(1_000_000):
                user = f"user {number}"
                for key in range(3):
                    await supervisor.get_or_spawn(user, f"tab {key}", PLAIN)
                await supervisor.stop_user(user)
        scraper.over.set()
        await trio.to_thread.run_sync(scraper.join)
        assert scraper.error is None
        assert len(scraper.created) > 3
        assert scraper.created == sorted(scraper.created)
        assert 0 < scraper.created[-1] <= supervisor.counts().managers_created
