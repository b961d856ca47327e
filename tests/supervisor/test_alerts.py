"""Alerts within the process: each fires, each stays silent, and telling of one harms nobody."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock

from supervisor import SpawnFailed, Supervisor
from supervisor.alerts import Alert, AlertName, Thresholds, watch_alerts
from supervisor.testing import Shielded, SlowStart, StartRaises, WedgedForever, advance
from supervisor.testing._machine import crash_next_sweep

from .harness import BUDGET, CANCEL_GRACE, Crowd, Log, opened, settle

WINDOW = 60.0
SWEEP = 30.0


@attrs.define(eq=False)
class Watched:
    """A supervisor with somebody on duty."""

    supervisor: Supervisor
    log: Log
    told: list[Alert] = attrs.field(factory=list[Alert])

    async def hear(self, alert: Alert) -> None:
        self.told.append(alert)

    @property
    def names(self) -> list[AlertName]:
        return [alert.name for alert in self.told]

    async def window(self) -> None:
        """To the end of the window, and until all is told."""
        await trio.sleep(WINDOW)


@asynccontextmanager
async def watched(
    limit: int = 5,
    *,
    on_alert: Callable[[Alert], Awaitable[None]] | None = None,
    thresholds: Thresholds | None = None,
    cool_down: float = 600.0,
    allowance: int | None = None,
) -> AsyncGenerator[Watched]:
    """Half a second later than the watch, so that `window()` ends after it has looked."""
    async with (
        opened(limit, sweep_period=SWEEP, sweep_jitter=0.0, condemned_allowance=allowance) as (
            supervisor,
            log,
        ),
        trio.open_nursery() as nursery,
    ):
        on_duty = Watched(supervisor, log)

        async def watch() -> None:
            hear = on_alert or on_duty.hear
            await watch_alerts(supervisor, hear, thresholds=thresholds, window=WINDOW, cool_down=cool_down)

        nursery.start_soon(watch)
        await settle(0.5)
        yield on_duty
        nursery.cancel_scope.cancel()


async def test_nothing_is_told_while_all_is_well(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        for number in range(10):
            await Crowd(on_duty.supervisor, f"user {number}").add("tab", 4)
            await trio.sleep(3 * WINDOW)
            await on_duty.supervisor.stop_user(f"user {number}")
        assert on_duty.told == []


# The sweeper


async def test_a_sweeper_that_crashed_and_is_not_back_is_told(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        for _ in range(8):  # the last one costs a minute: a window ends in it
            crash_next_sweep(on_duty.supervisor)
        for _ in range(10):
            await on_duty.window()
        assert on_duty.names == [AlertName.SWEEPER_CRASHED, AlertName.SWEEPER_NOT_RUNNING]


async def test_a_sweeper_that_crashed_and_is_back_is_told_only_as_crashed(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        crash_next_sweep(on_duty.supervisor)
        await on_duty.window()
        assert on_duty.names == [AlertName.SWEEPER_CRASHED]
        assert on_duty.told[0].summary == "The background cleanup crashed, 1 times."
        for _ in range(20):
            await on_duty.window()
        assert len(on_duty.told) == 1


# Making room


async def ask_in_vain(supervisor: Supervisor, user: str, times: int) -> None:
    crowd = Crowd(supervisor, user)
    for _ in range(times):
        await crowd.refused("one-more")


async def test_a_user_who_is_refused_again_and_again_is_told_by_name(autojump_clock: MockClock) -> None:
    async with watched(limit=1, thresholds=Thresholds(least_cleanups=1000)) as on_duty:
        await Crowd(on_duty.supervisor, "bob").add("tab", 1)
        await ask_in_vain(on_duty.supervisor, "bob", 5)
        await on_duty.supervisor.stop_user("bob")
        await on_duty.window()
        (alert,) = on_duty.told
        assert (alert.name, alert.user) == (AlertName.REPEATED_REFUSALS, "bob")
        assert str(alert) == "TrouperRepeatedRefusals: 'bob' was refused 5 times."


async def test_many_users_refused_now_and_then_are_not_repeated_refusals(autojump_clock: MockClock) -> None:
    async with watched(limit=1, thresholds=Thresholds(least_cleanups=1000)) as on_duty:
        for number in range(5):
            await Crowd(on_duty.supervisor, f"user {number}").add("tab", 1)
            await ask_in_vain(on_duty.supervisor, f"user {number}", 4)
            await on_duty.supervisor.stop_user(f"user {number}")
        await on_duty.window()
        assert on_duty.told == []


async def fail_to_start(supervisor: Supervisor, user: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(SpawnFailed):
            await Crowd(supervisor, user).get("tab", StartRaises)


async def test_a_user_whose_managers_fail_again_and_again_is_told_by_name(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        await fail_to_start(on_duty.supervisor, "bob", 5)
        await on_duty.window()
        (alert,) = on_duty.told
        assert (alert.name, alert.user) == (AlertName.REPEATED_FAILURES, "bob")


async def test_failures_of_many_users_or_of_several_windows_are_not_repeated_ones(
    autojump_clock: MockClock,
) -> None:
    async with watched() as on_duty:
        for number in range(5):
            await fail_to_start(on_duty.supervisor, f"user {number}", 4)
        await on_duty.window()
        await fail_to_start(on_duty.supervisor, "user 1", 4)
        await on_duty.window()
        assert on_duty.told == []


async def test_slow_spawns_are_told(autojump_clock: MockClock) -> None:
    async with watched(limit=200) as on_duty:
        await Crowd(on_duty.supervisor).add("tab", 98)
        await Crowd(on_duty.supervisor).add("slow", 1, lambda: SlowStart(0.6))
        await on_duty.window()
        assert on_duty.names == [AlertName.SPAWN_SLOW]
        assert on_duty.told[0].summary == "1 of 99 spawns took more than 0.5 s."


async def test_one_slow_spawn_of_a_hundred_is_not_told_nor_are_many_that_are_not_slow_enough(
    autojump_clock: MockClock,
) -> None:
    async with watched(limit=200) as on_duty:
        await Crowd(on_duty.supervisor).add("tab", 99, lambda: SlowStart(0.4))
        await Crowd(on_duty.supervisor).add("slow", 1, lambda: SlowStart(0.6))
        await on_duty.window()
        assert on_duty.told == []


# Who is here

FEW = Thresholds(growth_windows=6, growth_least=10)


async def test_managers_that_become_ever_more_are_told(autojump_clock: MockClock) -> None:
    async with watched(limit=100, thresholds=FEW) as on_duty:
        for number in range(10):
            await Crowd(on_duty.supervisor).add(f"tab-{number}", 3)
            await on_duty.window()
        assert on_duty.names == [AlertName.GROWTH_WITHOUT_BOUND]
        assert on_duty.told[0].summary == "30 managers, 12 of them at first; ever more."


@pytest.mark.parametrize(
    "arrivals",
    [
        pytest.param([12, 6, 6, 6, 6, 0, 0, 0, 0], id="up, and then level"),
        pytest.param([3, 3, 3, 3, 3, 3, 3], id="from nothing"),
        pytest.param([30, 1, 1, 1, 1, 1, 1, 1, 1], id="by little"),
        pytest.param([1] * 9, id="few"),
    ],
)
async def test_other_growth_is_not_told(arrivals: list[int], autojump_clock: MockClock) -> None:
    async with watched(limit=100, thresholds=FEW) as on_duty:
        for number, arriving in enumerate(arrivals):
            await Crowd(on_duty.supervisor).add(f"tab-{number}", arriving)
            await on_duty.window()
        assert on_duty.told == []


async def test_one_that_ignores_its_cancellation_is_told(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        await Crowd(on_duty.supervisor).add("stuck", 1, Shielded, at_work=True)
        await trio.sleep(2 * SWEEP + BUDGET + CANCEL_GRACE)
        assert on_duty.supervisor.counts().zombies == 1
        await on_duty.window()
        await on_duty.window()
        assert on_duty.names == [AlertName.ZOMBIES]


async def test_one_that_ends_when_it_is_cancelled_is_not_told(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        await Crowd(on_duty.supervisor).add("stuck", 1, WedgedForever, at_work=True)
        for _ in range(3):
            await on_duty.window()
        assert on_duty.supervisor.counts().managers_cleaned_up == 1
        assert on_duty.told == []


async def test_a_user_who_stays_at_the_limit_is_told(autojump_clock: MockClock) -> None:
    async with watched(limit=2) as on_duty:
        await Crowd(on_duty.supervisor).add("tab", 2)
        await on_duty.window()
        assert on_duty.told == [], "not yet: only now"
        await on_duty.window()
        assert on_duty.names == [AlertName.USERS_AT_LIMIT]


async def test_a_user_near_the_limit_is_not_told(autojump_clock: MockClock) -> None:
    async with watched(limit=2) as on_duty:
        await Crowd(on_duty.supervisor).add("tab", 1)
        for _ in range(3):
            await on_duty.window()
        assert on_duty.told == []


async def test_a_loop_that_stood_still_is_told(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        advance(2.0)
        await on_duty.window()
        assert on_duty.names == [AlertName.LOOP_STALLED]


async def test_a_loop_that_was_late_a_little_is_not_told(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        advance(0.9)
        await on_duty.window()
        assert on_duty.supervisor.counts().stalls == 1
        assert on_duty.told == []
