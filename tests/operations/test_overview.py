"""The overview, made once a second from a survey while somebody looks; and the history."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import math
import os
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisor import Stage
from supervisor._supervisor import SURVEY_SHARE
from supervisor.operations import Operations, _operations
from supervisor.testing import Healthy, Shielded, WedgedForever
from tests.supervisor.harness import BUDGET, Crowd

from .kit import NEVER, site, trouble

# The overview


async def test_the_first_overview_has_a_survey(autojump_clock: MockClock) -> None:
    async with site() as here:
        await trouble(here)
        survey = (await here.client.get("overview")).json["survey"]
        assert survey["health"] == {"unresponsive": 2, "healthy": 1, "busy": 1, "condemned": 1}
        assert (survey["users"], survey["managers"]) == (1, 4)
        assert [(one["user"], one["key"]) for one in survey["stuck"]] == [
            ("alice", "stuck-0"),
            ("alice", "stuck-1"),
        ]
        assert [one["key"] for one in survey["condemned"]] == ["shielded-0"]
        assert survey["stuck_users"] == [{"user": "alice", "stuck": 2, "held": 4, "limit": 4}]
        assert survey["fullest"] == [
            {"user": "alice", "held": 4, "limit": 4, "condemned": 1, "waiting": 0},
        ]
        assert all("WedgedForever.work" in one["where"] for one in survey["stuck"])
        assert "shielded at" in survey["condemned"][0]["cause"]


async def test_surveys_are_made_only_while_somebody_looks(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[float] = []
    async with site() as here:
        survey = here.supervisor.survey
        shares: list[float] = []

        async def counted(*, share: float = SURVEY_SHARE) -> object:
            made.append(trio.current_time())
            shares.append(share)
            return await survey(share=share)

        monkeypatch.setattr(here.supervisor, "survey", counted)
        await trio.sleep(1000)
        assert made == []
        await here.client.get("overview")
        await trio.sleep(1000)
        assert 1000 <= made[0] <= 1001
        assert len(made) < 10
        assert (made[-1] - made[0]) <= 14
        await here.client.get("overview")
        assert made[-1] >= 2000, "what was seen a quarter of an hour ago is not shown"
        assert (shares[0], shares[1], shares[-1]) == (0.1, SURVEY_SHARE, 0.1), (
            "who begins to look is not to wait"
        )


async def test_an_overview_does_not_wait_for_a_survey_that_takes_long(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site() as here:
        monkeypatch.setattr(here.supervisor, "survey", trio.sleep_forever)
        began = trio.current_time()
        assert (await here.client.get("overview")).json["survey"] is None
        assert trio.current_time() == began + 1


async def test_an_overview_says_what_this_is_and_how_it_does(autojump_clock: MockClock) -> None:
    async with site(7, process_limit=50) as here:
        await trio.sleep(90)
        facts = (await here.client.get("overview")).json
        assert facts["pid"] == os.getpid()
        assert 90 <= facts["uptime"] <= 91
        assert facts["sweep_period"] == NEVER
        assert (facts["limit"], facts["process_limit"], facts["probing"]) == (7, 50, True)
        assert facts["live"] == facts["ready"] == {"ok": True, "problems": []}
        assert facts["lag"] == {"now": 0.0, "worst": 0.0}
        assert facts["spawn"] == {"p50": None, "p99": None}
        assert facts["rates"] == dict.fromkeys(facts["rates"], 0)
        assert facts["at_limit"] == {"total": 0, "users": []}


async def test_the_numbers_are_those_of_the_supervisor(autojump_clock: MockClock) -> None:
    async with site() as here:
        await trouble(here)
        await trio.sleep(2)
        facts, numbers = (await here.client.get("overview")).json, here.supervisor.counts()
        counts = facts["counts"]
        assert (counts["managers"], counts["zombies"], counts["managers_created"]) == (4, 1, 5)
        assert counts["events"] == numbers.events
        assert counts["refusals"] == {"limit": 1}
        assert counts["average_managers_per_user"] == 4.0
        assert counts["stages"]["garbage"]["runs"] == numbers.stages[Stage.GARBAGE].runs
        assert counts["spawned"]["counts"] == list(numbers.spawned.counts)
        assert facts["rates"]["managers_created"] == 5
        assert facts["at_limit"] == {
            "total": 1,
            "users": [{"user": "alice", "held": 4, "limit": 4, "condemned": 1, "waiting": 0}],
        }


async def test_the_version_is_looked_up_once(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a search of the disk, and there is an overview each second."""
    asked: list[str] = []

    def look_up(name: str) -> str:
        asked.append(name)
        return "1.2.3"

    monkeypatch.setattr(_operations, "version", look_up)
    _operations._version.cache_clear()
    async with site() as here:
        for _ in range(3):
            assert (await here.client.get("overview")).json["version"] == "1.2.3"
            await trio.sleep(1.5)
    assert asked == ["trouper"]
    _operations._version.cache_clear()


async def test_users_at_the_limit_are_named_up_to_twenty(autojump_clock: MockClock) -> None:
    async with site(1) as here:
        for number in range(25):
            await Crowd(here.supervisor, f"user-{number}").add("tab", 1)
        await trio.sleep(2)
        at_limit = (await here.client.get("overview")).json["at_limit"]
        assert at_limit["total"] == 25
        assert [one["user"] for one in at_limit["users"]] == [f"user-{number}" for number in range(20)]


async def test_a_late_loop_is_told_now_and_for_a_minute(autojump_clock: MockClock) -> None:
    async with site() as here:
        await trio.sleep(5.1)
        autojump_clock.jump(3)  # as if nobody had run
        await trio.sleep(1)
        lag = (await here.client.get("overview")).json["lag"]
        assert lag["worst"] == pytest.approx(3 - 0.15, abs=0.3)
        await trio.sleep(50)
        lag = (await here.client.get("overview")).json["lag"]
        assert (lag["now"], lag["worst"] > 2) == (0.0, True)
        await trio.sleep(20)
        assert (await here.client.get("overview")).json["lag"]["worst"] == 0.0


async def test_limits_that_are_functions_and_no_numbers_are_told_as_null(autojump_clock: MockClock) -> None:
    async with site(lambda _: 3) as here:
        facts = (await here.client.get("overview")).json
        assert (facts["limit"], facts["process_limit"]) == (None, None)


@pytest.mark.parametrize("window", [0.0, -1.0, math.nan, math.inf])
async def test_an_alert_window_that_is_none_is_an_error_at_once(
    window: float, autojump_clock: MockClock
) -> None:
    async with site() as here:
        with pytest.raises(ValueError, match="an alert window is some seconds"):
            Operations(here.supervisor, alert_window=window)


# History


async def test_the_history_has_a_point_a_second_and_ends_now(autojump_clock: MockClock) -> None:
    async with site() as here:
        await trio.sleep(10.5)
        await Crowd(here.supervisor).add("tab", 3)
        await trio.sleep(10)
        history = (await here.client.get("history")).json
        assert history["step"] == 1.0
        assert history["ends_ago"] == pytest.approx(0.5)
        series = history["series"]
        assert {len(points) for points in series.values()} == {21}, "the first is of its beginning"
        assert series["managers"] == [0] * 11 + [3] * 10
        assert series["created"] == [0] * 11 + [3] + [0] * 9
        assert series["spawn_p99"] == [None] * 11 + [0.0001] + [None] * 9


async def test_the_history_is_ten_minutes_long(autojump_clock: MockClock) -> None:
    async with site() as here:
        await trio.sleep(1000)
        history = (await here.client.get("history")).json
        assert {len(points) for points in history["series"].values()} == {600}


async def test_an_overview_is_made_once_a_second_however_many_look(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site() as here:
        counted, fitness = 0, here.supervisor.fitness

        def count() -> object:
            nonlocal counted
            counted += 1
            return fitness()

        monkeypatch.setattr(here.supervisor, "fitness", count)
        await here.client.get("overview")
        await trio.sleep(1)
        counted = 0
        for _ in range(100):
            await here.client.get("overview")
            await trio.sleep(0.1)
        assert counted <= 11


async def test_a_manager_that_left_while_stuck_is_not_seen_any_more(autojump_clock: MockClock) -> None:
    async with site() as here:
        crowd = Crowd(here.supervisor)
        await crowd.add("stuck", 3, WedgedForever, at_work=True)
        await crowd.add("shielded", 1, partial(Shielded, seconds=30.0), at_work=True)
        await crowd.add("healthy", 1, Healthy)
        await trio.sleep(BUDGET + 1)
        assert len((await here.client.get("overview")).json["survey"]["stuck"]) == 4
        await here.supervisor.cleanup("alice")
        await trio.sleep(5)
        survey = (await here.client.get("overview")).json["survey"]
        assert survey["health"] == {"healthy": 1, "condemned": 1}
        await trio.sleep(40)
        await here.client.get("overview")
        await trio.sleep(5)
        assert (await here.client.get("overview")).json["survey"]["health"] == {"healthy": 1}


async def test_who_is_stuck_at_the_limit_is_told_however_long_a_survey_of_all_takes(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(3) as here:
        survey = here.supervisor.survey

        async def slowly(**how: Any) -> object:
            found = await survey(**how)
            if "users" not in how:
                await trio.sleep(100)
            return found

        monkeypatch.setattr(here.supervisor, "survey", slowly)
        for _ in range(22):  # the first of all is complete then
            await here.client.get("overview")
            await trio.sleep(5)
        await Crowd(here.supervisor).add("stuck", 3, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 4)
        told = (await here.client.get("overview")).json["survey"]
        assert [one["key"] for one in told["stuck"]] == ["stuck-0", "stuck-1", "stuck-2"]
        assert told["stuck_users"] == [{"user": "alice", "stuck": 3, "held": 3, "limit": 3}]
        assert told["health"] == {}, "of everybody together it is the last whole survey that tells"
