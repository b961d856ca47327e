"""A real Prometheus scrapes the running chat: what it then says of each metric is what the events say."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import attrs
import pytest
import trio

from supervisor import (
    ChildSpec,
    Condemned,
    Event,
    HealthPolicy,
    Settings,
    Stamp,
    SupervisorSpec,
    SweeperFailed,
    SweeperStarted,
    Swept,
)
from supervisor.alerts import AlertName
from supervisor.testing import Shielded, Work
from supervisor.testing._machine import crash_next_sweep
from tests.supervisor.metrics_recount import Samples, recounted, series
from tests.supervisor.test_metrics_prometheus import R17

from .prometheus import Prometheus, open_prometheus, prometheus_binary
from .support import PATIENCE, Chat, eventually, open_chat, within
from .test_e2e_limits import BUDGET, wedge

__all__ = ["prometheus_binary"]

T = TypeVar("T")

LIMIT, ALLOWANCE = 2, 1

# Nothing is swept while the story goes on; then the sweeper is told to hurry.
SPEC = SupervisorSpec(sweep_period=600.0, condemned_allowance=ALLOWANCE)
HURRIED = attrs.evolve(SPEC, sweep_period=0.5)

EVERYTHING = '{__name__=~"trouper_.*"}'


@attrs.frozen
class Watched:
    """A chat, and the Prometheus that scrapes it."""

    chat: Chat
    prometheus: Prometheus

    def events(self) -> list[Event]:
        """All from the first; that one is told before anybody can subscribe."""
        events = self.chat.happened(Event)
        assert [event.stamp.seq for event in events] == list(range(2, len(events) + 2))
        return [SweeperStarted(Stamp(1, 0.0), SPEC.sweep_period), *events]

    async def seen(self) -> tuple[Samples, Samples]:
        """What Prometheus says, and what the events say that it has seen: all up to this moment."""
        so_far = len(self.events())
        with within(PATIENCE, f"{so_far} events in Prometheus"):
            while (told := await in_thread(partial(self.prometheus.query, EVERYTHING))).get(
                series("events_total"), 0
            ) < so_far:
                await trio.sleep(0.1)
        counted = self.events()[: int(told[series("events_total")])]
        return told, recounted(counted, limit=LIMIT, allowance=ALLOWANCE)


async def in_thread(ask: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(ask)


@pytest.fixture
async def watched(prometheus_binary: str, tmp_path: Path) -> AsyncGenerator[Watched]:
    async with open_chat(tmp_path, limit=LIMIT, budget=BUDGET, supervisor=SPEC) as chat:
        scraped = chat.running.http_port
        opening = open_prometheus(prometheus_binary, tmp_path / "prometheus", scraped=scraped)
        prometheus = await in_thread(opening.__enter__)
        try:
            yield Watched(chat, prometheus)
        finally:
            await in_thread(partial(opening.__exit__, None, None, None))


async def a_busy_minute(chat: Chat, release: trio.Event) -> None:
    """One is refused, one hangs and makes room, one ignores its end, and the sweeper crashes."""
    supervisor = chat.running.supervisor
    first = await chat.enter("alice", "one")
    await chat.enter("alice", "two")
    assert (await (await chat.greet("alice", "three")).closed())[0] == 1013
    await wedge(chat, first)
    await chat.enter("alice", "four")
    await chat.enter("alice", "four")  # and finds it
    await chat.enter("bob")
    ghost = ChildSpec(partial(Shielded, release), health=HealthPolicy(budget=BUDGET))
    await (await supervisor.get_or_spawn("ghost", "tab", ghost)).ref.tell(Work())
    await trio.sleep(BUDGET + 0.1)
    await supervisor.cleanup("ghost")
    assert len(chat.happened(Condemned)) == 1
    crash_next_sweep(supervisor)
    supervisor.configure(Settings(limit=LIMIT, supervisor=HURRIED))
    await eventually(lambda: chat.happened(SweeperFailed), "a crash of the sweeper")
    await eventually(lambda: chat.happened(Swept), "and a sweep after it")
    supervisor.configure(Settings(limit=LIMIT, supervisor=SPEC))


async def test_prometheus_sees_each_metric_with_the_value_of_a_recount(watched: Watched) -> None:
    release = trio.Event()
    try:
        await a_busy_minute(watched.chat, release)
        told, counted = await watched.seen()
    finally:
        release.set()
    assert told == {which: pytest.approx(number) for which, number in counted.items()}
    # R17 by name, none of which is still at its 0.
    for name in R17:
        assert max(number for (found, _), number in told.items() if found == name) > 0, name
    expected = {
        "background_cleanup_failures_total": 1,
        "background_cleanup_task_started_total": 2,
        "emergency_cleanup_triggers_total": 2,
        "emergency_cleanups_all_alive_total": 1,
        "successful_emergency_cleanups_total": 1,
        "managers_created_total": 5,
        "managers_found_total": 1,
        "users_at_manager_limit": 1,
        "zombies": 1,
    }
    assert {name: told[series(name)] for name in expected} == expected


async def test_prometheus_takes_the_rules_and_has_nothing_to_complain_of(watched: Watched) -> None:
    for session in ("one", "two"):
        await watched.chat.enter("alice", session)
    await watched.seen()

    def states() -> dict[str, str]:
        return {rule["name"]: rule.get("state", "") for rule in watched.prometheus.rules()}

    with within(PATIENCE, "an alert that counts its minutes"):
        while (await in_thread(states))[AlertName.USERS_AT_LIMIT.value] != "pending":
            await trio.sleep(0.1)
    rules = await in_thread(watched.prometheus.rules)
    names = {rule["name"] for rule in rules}
    assert names == {"trouper:population", *(alert.value for alert in AlertName)}
    assert {(rule["health"], rule.get("lastError", "")) for rule in rules} == {("ok", "")}
    others = {name: state for name, state in states().items() if name != AlertName.USERS_AT_LIMIT.value}
    assert set(others.values()) <= {"inactive", ""}
    [target] = await in_thread(watched.prometheus.targets)
    assert (target["health"], target["lastError"]) == ("up", "")
    said = await in_thread(watched.prometheus.log.read_text)
    assert "level=error" not in said, said
    assert (await watched.chat.http("GET", "/readyz"))[0] == 200
