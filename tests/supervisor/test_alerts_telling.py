"""How an alert is told: once until it has cooled down, and whoever hears it harms nobody."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisor import HandlerFailed
from supervisor._counts import Tally
from supervisor.alerts import Alert, AlertName, Failures, Thresholds, Window, evaluate, watch_alerts

from .harness import PLAIN, Crowd, opened, settle
from .test_alerts import WINDOW, Watched, fail_to_start, watched


async def test_an_alert_is_told_once_until_it_has_cooled_down(autojump_clock: MockClock) -> None:
    async with watched(limit=1, cool_down=10 * WINDOW) as on_duty:
        await Crowd(on_duty.supervisor).add("tab", 1)
        for _ in range(11):
            await on_duty.window()
        assert on_duty.names == [AlertName.USERS_AT_LIMIT]
        await on_duty.window()
        assert on_duty.names == [AlertName.USERS_AT_LIMIT] * 2


async def test_each_user_cools_down_alone(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        for user in ("alice", "bob"):
            await fail_to_start(on_duty.supervisor, user, 5)
            await on_duty.window()
        assert [alert.user for alert in on_duty.told] == ["alice", "bob"]


async def test_a_hook_that_raises_harms_nobody_and_is_told_as_an_event(autojump_clock: MockClock) -> None:
    heard: list[Alert] = []

    async def raises(alert: Alert) -> None:
        heard.append(alert)
        raise OSError("no mail server")

    async with watched(on_alert=raises) as on_duty:
        for user in ("alice", "bob"):
            await fail_to_start(on_duty.supervisor, user, 5)
            await on_duty.window()
        assert [alert.user for alert in heard] == ["alice", "bob"]
        failed = on_duty.log.of(HandlerFailed)
        assert [event.name for event in failed] == ["on_alert TrouperRepeatedFailures"] * 2
        assert isinstance(failed[0].error, OSError)
        assert (await on_duty.supervisor.get_or_spawn("alice", "tab", PLAIN)).created


async def test_a_hook_that_hangs_is_given_up_and_keeps_no_other_alert_waiting(
    autojump_clock: MockClock,
) -> None:
    heard: list[Alert] = []

    async def hangs(alert: Alert) -> None:
        heard.append(alert)
        await trio.sleep_forever()

    async with watched(on_alert=hangs) as on_duty:
        for user in ("alice", "bob"):
            await fail_to_start(on_duty.supervisor, user, 5)
        await on_duty.window()
        assert {alert.user for alert in heard} == {"alice", "bob"}
        await on_duty.window()
        failed = on_duty.log.of(HandlerFailed)
        assert [type(event.error) for event in failed] == [trio.TooSlowError] * 2


async def test_the_watch_ends_with_its_supervisor(autojump_clock: MockClock) -> None:
    async def hear(alert: Alert) -> None:
        raise AssertionError(alert)

    with trio.fail_after(WINDOW):
        async with trio.open_nursery() as nursery, opened() as (supervisor, _):
            nursery.start_soon(watch_alerts, supervisor, hear)
            await settle()


async def test_a_window_of_no_time_is_refused(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, log):
        with pytest.raises(ValueError, match="a window is some seconds, not 0"):
            await watch_alerts(supervisor, Watched(supervisor, log).hear, window=0)


@pytest.mark.parametrize(
    "wrong",
    [{"success": 1.1}, {"spawn_seconds": 0.3}, {"failures": 0}, {"growth": 1.0}, {"growth_windows": 2}],
)
def test_thresholds_without_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Thresholds(**wrong)


def test_a_sweeper_that_never_started_is_told() -> None:
    never = Tally().counts()
    alerts = evaluate(Window((never, never), Failures(), Thresholds()))
    assert [alert.name for alert in alerts] == [AlertName.SWEEPER_NOT_RUNNING]


async def test_no_more_than_ten_users_are_named_at_once(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        for number in range(15):
            await fail_to_start(on_duty.supervisor, f"user {number}", 5)
        await on_duty.window()
        assert len(on_duty.told) == 10
