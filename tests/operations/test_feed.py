"""What happened of late: events that are seen or counted as skipped, refusals, and alerts that stand."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from supervisor import CleanedUp, CleanupReport, EventsLost, Found, LimitChanged, Stamp, Trigger
from supervisor.alerts import Alert, AlertName
from supervisor.operations import _monitor
from supervisor.operations._recent import MOST_ALERTS, MOST_AT_ONCE, MOST_EVENTS, WINDOWS, Alerts, Feed
from supervisor.testing import CrashesInHandle, WedgedForever
from tests.supervisor.harness import Crowd

from .kit import site


def event(seq: int) -> Found:
    return Found(Stamp(seq, float(seq)), "alice", "tab", 1)


def skipped(lines: list[dict[str, Any]]) -> int:
    """How many the lines say are missing."""
    return sum(line["skipped"] for line in lines if "skipped" in line)


def numbers(lines: list[dict[str, Any]]) -> list[int]:
    return [line["seq"] for line in lines if "seq" in line]


def test_what_was_seen_is_not_told_again() -> None:
    feed = Feed()
    feed.add(map(event, range(1, 4)))
    assert numbers(feed.lines_since(0, 9.0)) == [1, 2, 3]
    assert numbers(feed.lines_since(2, 9.0)) == [3]
    assert feed.lines_since(3, 9.0) == []


def test_of_many_the_last_are_told_and_the_others_counted() -> None:
    feed = Feed()
    feed.add(map(event, range(1, 251)))
    first, *lines = feed.lines_since(0, 999.0)
    assert first == {"skipped": 150}
    assert numbers(lines) == list(range(151, 251))
    assert lines[0]["ago"] == 999.0 - 151


def test_what_was_done_is_still_told_when_much_has_happened_since() -> None:
    feed = Feed()
    nobody, at = CleanupReport("alice", ()), Stamp(2, 2.0)
    feed.add([LimitChanged(Stamp(1, 1.0), "alice", 3), CleanedUp(at, nobody, Trigger.REQUEST)])
    feed.add([CleanedUp(Stamp(3, 3.0), nobody, Trigger.ADMISSION)])  # in vain, as with every refusal
    feed.add(map(event, range(4, 5_000)))
    assert 1 not in numbers(feed.lines(0.0, most=10_000))
    assert numbers(feed.acts(9.0, most=100)) == [1], "nobody was removed by the others"
    assert [line["ago"] for line in feed.acts(9.0, most=1)] == [8.0]
    assert feed.acts(9.0, most=0) == []


async def test_a_cleanup_that_found_somebody_is_an_act(autojump_clock: MockClock) -> None:
    async with site() as here:
        await Crowd(here.supervisor).add("stuck", 2, WedgedForever, at_work=True)
        await trio.sleep(60)
        await here.supervisor.cleanup("alice")
        await trio.sleep(1)
        told = (await here.client.get("events", acts=1, last=100)).json["events"]
        assert [line["event"] for line in told] == [
            "supervisor.reap.stuck",
            "supervisor.reap.stuck",
            "supervisor.cleanup.complete",
        ]
        assert all("WedgedForever.work" in line["text"] for line in told[:2])


def test_a_page_that_was_away_for_long_is_told_how_many_it_missed() -> None:
    feed = Feed()
    feed.add(map(event, range(1, 5_001)))
    assert skipped(feed.lines_since(0, 0.0)) == 5_000 - MOST_AT_ONCE
    assert numbers(feed.lines(0.0, most=10_000)) == list(range(5_001 - MOST_EVENTS, 5_001))


def test_what_happened_before_anybody_looked_was_not_missed() -> None:
    feed = Feed(1_000)
    assert feed.lines_since(feed.last, 0.0) == []
    feed.add([event(1_001)])
    assert numbers(feed.lines_since(1_000, 0.0)) == [1_001]
    assert skipped(feed.lines_since(1_000, 0.0)) == 0


steps = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3), st.booleans()), max_size=30)


@settings(deadline=None)
@given(steps)
def test_seen_and_skipped_together_are_what_happened(steps: list[tuple[int, int, bool]]) -> None:
    """Events come in bursts, a few of them are lost on the way, and a page asks now and then."""
    feed, next_number = Feed(), count(1)
    seen, told, missed, last = 0, list[int](), 0, 0
    for burst, lost, asks in [*steps, (1, 0, True)]:
        for _ in range(lost):
            next(next_number)
        news = [event(next(next_number)) for _ in range(burst)]
        feed.add([*([EventsLost(lost)] if lost else []), *news])
        last = news[-1].stamp.seq if news else last
        if asks:
            lines = feed.lines_since(seen, 0.0)
            assert all("skipped" not in line for line in lines[1:])
            assert len(numbers(lines)) <= MOST_AT_ONCE
            seen, told, missed = feed.last, [*told, *numbers(lines)], missed + skipped(lines)
            assert len(told) + missed == last == seen
    assert told == sorted(set(told))


async def test_it_is_so_for_a_running_supervisor(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_monitor, "CAPACITY", 30)  # fewer than happen in a beat
    async with site(1_000) as here:
        start = here.operations.last_event
        seen, told = start, 0
        for number in range(20):
            await Crowd(here.supervisor, f"user-{number}").add("tab", 7 * number)
            await trio.sleep(0.3)
            seen, lines = here.operations.lines_since(seen)
            told += len(numbers(lines)) + skipped(lines)
        await trio.sleep(1)
        seen, lines = here.operations.lines_since(seen)
        told += len(numbers(lines)) + skipped(lines)
        assert start + told == seen == here.supervisor.counts().events == here.log.all[-1].stamp.seq


async def test_a_page_that_opens_late_is_not_told_that_it_missed_the_beginning(
    autojump_clock: MockClock,
) -> None:
    async with site() as here:
        assert here.operations.last_event == here.supervisor.counts().events > 0
        await Crowd(here.supervisor).add("tab", 1)  # before any task of the operations has run
        await trio.sleep(1)
        lines = (await here.client.get("events")).json["events"]
        assert [line["event"] for line in lines] == ["supervisor.slot.reserved", "supervisor.spawn.started"]


async def test_only_the_last_hundred_refusals_are_kept(autojump_clock: MockClock) -> None:
    async with site(1) as here:
        crowd = Crowd(here.supervisor)
        await crowd.add("busy", 1, WedgedForever, at_work=True, budget=1_000.0, ceiling=1_000.0)
        for number in range(103):
            await crowd.refused(f"key-{number}")
        await trio.sleep(1)
        told = [one["key"] for one in here.operations.refusals()["refusals"]]
        assert told == [f"key-{number}" for number in range(102, 2, -1)]


# Alerts


def alert(user: str | None = None, name: AlertName = AlertName.REPEATED_REFUSALS) -> Alert:
    return Alert(name, "it is so", user)


def test_an_alert_stands_until_it_was_not_told_again_for_some_windows() -> None:
    alerts = Alerts(60.0)
    alerts.add(alert("alice"), 100.0)
    alerts.add(alert("alice"), 160.0)
    told = {"name": "TrouperRepeatedRefusals", "summary": "it is so", "user": "alice"}
    assert alerts.shown(200.0) == [told | {"ago": 100.0}], "since it was told first"
    assert alerts.shown(160.0 + WINDOWS * 60.0) == [told | {"ago": 210.0}]
    assert alerts.shown(161.0 + WINDOWS * 60.0) == []
    alerts.add(alert("alice"), 400.0)
    assert alerts.shown(410.0) == [told | {"ago": 10.0}], "it is a new one"


def test_alerts_of_several_users_and_kinds_stand_beside_each_other_newest_first() -> None:
    alerts = Alerts(60.0)
    for at, user in enumerate(("alice", "bob", None)):
        alerts.add(alert(user), float(at))
    alerts.add(alert("alice", AlertName.REPEATED_FAILURES), 3.0)
    alerts.add(alert("alice"), 4.0)
    assert [(one["name"], one["user"]) for one in alerts.shown(5.0)] == [
        ("TrouperRepeatedFailures", "alice"),
        ("TrouperRepeatedRefusals", None),
        ("TrouperRepeatedRefusals", "bob"),
        ("TrouperRepeatedRefusals", "alice"),
    ]


def test_fifty_alerts_are_shown_at_most() -> None:
    alerts = Alerts(60.0)
    for number in range(80):
        alerts.add(alert(f"user-{number}"), float(number))
    assert [one["user"] for one in alerts.shown(80.0)] == [
        f"user-{number}" for number in range(79, 79 - MOST_ALERTS, -1)
    ]


def test_alerts_that_nobody_looks_at_are_forgotten_all_the_same() -> None:
    alerts = Alerts(60.0)
    for number in range(10_000):
        alerts.add(alert(f"user-{number}"), 60.0 * number)
    assert len(alerts._standing) <= WINDOWS + 1


async def test_an_alert_is_shown_while_there_is_reason_for_it(autojump_clock: MockClock) -> None:
    async with site(alert_window=10.0) as here:
        for _ in range(4):
            await Crowd(here.supervisor).add("crashes", 5, CrashesInHandle, at_work=True)
            await trio.sleep(10)
        [shown] = (await here.client.get("overview")).json["alerts"]
        assert (shown["name"], shown["user"]) == ("TrouperRepeatedFailures", "alice")
        assert shown["summary"] == "'alice' had managers fail 5 times."
        assert 20 < shown["ago"] <= 41
        await trio.sleep(40)
        assert (await here.client.get("overview")).json["alerts"] == []
