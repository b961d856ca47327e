"""A running supervisor takes new settings: they hold from then on, end nobody, and are told."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

import supervisor._cleanup
from supervisor import (
    LimitChanged,
    ProbingFailed,
    Settings,
    SettingsChanged,
    Stage,
    SupervisorSpec,
    Suspected,
    Swept,
)
from supervisor.checking import check_events
from supervisor.settings import load
from supervisor.testing import Healthy, ProbeRaises, WedgedForever

from .harness import Crowd, Log, all_answer, keys, names, opened, settle

SLOW = SupervisorSpec(sweep_period=300.0, sweep_jitter=0.0)


def settings(limit: int = 20, **spec: Any) -> Settings:
    return Settings(limit=limit, supervisor=attrs.evolve(SLOW, **spec))


def nothing_is_broken(log: Log, spec: SupervisorSpec = SLOW, *, limit: int = 20) -> None:
    assert check_events(log.all, spec=spec, limit=limit, over=False) == ()


@pytest.mark.parametrize(
    ("profile", "period"),
    [("test", 30.0), ("development", 120.0), ("staging", 300.0), ("production", 300.0)],
)
async def test_the_sweeper_goes_by_the_profile(
    profile: str, period: float, autojump_clock: MockClock
) -> None:  # R09, A19
    spec = load(Settings, profile=profile, overrides={"supervisor.sweep_jitter": 0.0}).value.supervisor
    async with opened(**attrs.asdict(spec)) as (_, log):
        await trio.sleep(5 * period + 1)
        assert [event.stamp.at for event in log.of(Swept)] == [n * period for n in range(1, 6)]


async def test_a_shorter_period_holds_for_the_sleep_under_way(autojump_clock: MockClock) -> None:  # R09, R20
    async with opened(sweep_period=300.0, sweep_jitter=0.0) as (here, log):
        await trio.sleep(10)
        here.configure(settings(sweep_period=30.0))
        await trio.sleep(90)
        assert [event.stamp.at for event in log.of(Swept)] == [30, 60, 90]
        here.configure(settings(sweep_period=300.0))
        await trio.sleep(300)
        assert [event.stamp.at for event in log.of(Swept)] == [30, 60, 90, 390]
        nothing_is_broken(log)


async def test_what_changed_is_told_and_given_back(autojump_clock: MockClock) -> None:  # R21
    async with opened(5, sweep_period=300.0, sweep_jitter=0.0) as (here, log):
        changes = here.configure(settings(7, sweep_period=30.0, probing=False))
        words = ("limit: 5 > 7", "supervisor.sweep_period: 300.0 > 30.0", "supervisor.probing: True > False")
        assert tuple(map(str, changes)) == words
        [event] = log.of(SettingsChanged)
        assert (event.changes, event.spec) == (words, here.spec)
        assert [(event.user, event.limit) for event in log.of(LimitChanged)] == [(None, 7)]
        assert here.limit == 7


async def test_the_same_settings_change_nothing_and_tell_nothing(autojump_clock: MockClock) -> None:
    async with opened(20, sweep_period=300.0, sweep_jitter=0.0) as (here, log):
        assert here.configure(settings()) == ()
        assert log.of(SettingsChanged) == []
        assert log.of(LimitChanged) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("watchdog", 0.5),
        ("watchdog_process", True),
        ("dead_man", 3.0),
        ("condemned_allowance", 1),
        ("threads_per_user", 3),
    ],
)
async def test_what_is_fixed_is_an_error_before_anything_has_changed(
    option: str, value: object, autojump_clock: MockClock
) -> None:
    async with opened(20, sweep_period=300.0, sweep_jitter=0.0) as (here, log):
        before = here.spec
        with pytest.raises(ValueError, match=rf"^supervisor\.{option}: fixed since open_supervisor"):
            here.configure(settings(3, **{option: value}))
        assert (here.spec, here.limit, log.of(SettingsChanged)) == (before, 20, [])


async def test_a_lower_limit_ends_nobody_and_a_higher_one_admits_who_waits(
    autojump_clock: MockClock,
) -> None:  # R01
    async with opened(3, sweep_period=300.0, sweep_jitter=0.0, slot_wait=100.0) as (here, log):
        crowd = Crowd(here)
        three = await crowd.add("one of three", 3)
        here.configure(settings(2, slot_wait=100.0))
        assert await all_answer(three)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.get, "waits")
            await settle()
            assert "waits" not in crowd.keys
            here.configure(settings(4, slot_wait=100.0))
            await settle()
            assert "waits" in crowd.keys
        nothing_is_broken(log, attrs.evolve(SLOW, slot_wait=100.0), limit=3)


async def test_a_process_limit_may_come_and_go(autojump_clock: MockClock) -> None:  # R01
    async with opened(20, sweep_period=300.0, sweep_jitter=0.0) as (here, log):
        crowd = Crowd(here)
        await crowd.add("a", 3)
        here.configure(settings(process_limit=3))
        refusal = await crowd.refused("one more")
        assert refusal.limit == 3
        here.configure(settings(process_limit=4))
        await crowd.add("b", 1)
        here.configure(settings())
        await crowd.add("c", 5)
        nothing_is_broken(log)


# Probing


async def test_without_probing_nobody_is_asked_and_the_stuck_go_all_the_same(
    autojump_clock: MockClock,
) -> None:  # R22
    async with opened(5, sweep_period=300.0, sweep_jitter=0.0) as (here, log):
        crowd = Crowd(here)
        here.configure(settings(5, probing=False))
        would_fail = await crowd.add("would fail its probe", 3, partial(ProbeRaises, sockets=True))
        wires = [crowd.attach(ref) for ref in would_fail]
        await crowd.add("stuck", 2, WedgedForever, at_work=True)
        await trio.sleep(6)
        await crowd.add("newcomer", 1)
        await settle()
        assert crowd.keys == names("would fail its probe", 3) | names("newcomer", 1)
        assert {wire.statistics().unanswered_pings for wire in wires} == {0}
        here.configure(settings(5))
        report = await here.cleanup("alice")
        assert keys(report.reaped) == names("would fail its probe", 3)
        nothing_is_broken(log, limit=5)


async def test_the_sweep_asks_nobody_without_probing(autojump_clock: MockClock) -> None:  # R22
    async with opened(5, sweep_period=30.0, sweep_jitter=0.0, probing=False) as (here, log):
        crowd = Crowd(here)
        await crowd.add("would fail its probe", 3, ProbeRaises)
        await trio.sleep(100)
        assert log.of(Suspected) == []
        assert len(log.of(Swept)) == 3
        assert len(crowd.keys) == 3


@pytest.mark.parametrize("how", ["cleanup", "sweep", "admission"])
async def test_a_fault_of_the_prober_convicts_nobody_and_is_told(
    how: str, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:  # R22
    def fail(_: object) -> tuple[()]:
        raise RuntimeError("the prober is broken")

    async with opened(5, sweep_period=30.0, sweep_jitter=0.0) as (here, log):
        crowd = Crowd(here)
        healthy = await crowd.add("healthy", 3, Healthy)
        await crowd.add("stuck", 2, WedgedForever, at_work=True)
        await trio.sleep(6)
        monkeypatch.setattr(supervisor._cleanup, "attached_to", fail)
        if how == "cleanup":
            report = await here.cleanup("alice", until=Stage.LIVENESS)
            assert keys(report.reaped) == names("stuck", 2)
        elif how == "admission":
            await crowd.add("newcomer", 1)
            await settle()
        else:
            other = Crowd(here, "bob")
            await other.add("has a probe", 1, ProbeRaises)
            await trio.sleep(30)
        errors = log.of(ProbingFailed)
        assert {str(event.error) for event in errors} == {"the prober is broken"}
        assert {event.user for event in errors} == ({"bob"} if how == "sweep" else {"alice"})
        assert not crowd.keys & names("stuck", 2)
        assert await all_answer(healthy)
