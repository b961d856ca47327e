"""What is done: cleanups, stops, limits, probing; each is told."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisor import CleanedUp, Limit, LimitChanged, SettingsChanged, Terminal, Trigger
from supervisor.testing import Healthy, Shielded, SlowStart, WedgedForever
from tests.supervisor.harness import BUDGET, Crowd, all_answer, names

from .kit import Site, site, trouble

CLEANUP = {"user": "alice", "until": "liveness", "dry_run": False}


# Cleanup


async def test_a_dry_run_says_who_would_go_and_touches_nobody(autojump_clock: MockClock) -> None:
    async with site() as here:
        await trouble(here)
        before = here.supervisor.explain("alice").holders
        report = (await here.client.post("cleanup", CLEANUP | {"dry_run": True})).json
        assert report["dry_run"]
        assert (report["user"], report["reaped"], report["kept"], report["failed"]) == ("alice", 2, 2, 0)
        assert report["summary"] == "cleanup would remove 2, kept 2, failed 0"
        [garbage, liveness] = report["stages"]
        assert (garbage["stage"], garbage["reaped_total"], garbage["kept_total"]) == ("garbage", 0, 4)
        assert {one["key"] for one in liveness["reaped"]} == names("stuck", 2)
        assert [one.incarnation for one in here.supervisor.explain("alice").holders] == [
            one.incarnation for one in before
        ]


async def test_a_cleanup_removes_whom_the_evidence_speaks_against(autojump_clock: MockClock) -> None:
    async with site() as here:
        await trouble(here)
        await trouble(here, "bob")
        report = (await here.client.post("cleanup", CLEANUP)).json
        assert (report["dry_run"], report["reaped"], report["failed"]) == (False, 3, 0)
        assert {one["user"] for stage in report["stages"] for one in stage["reaped"]} == {"alice"}
        assert {one.key for one in here.supervisor.explain("alice").holders} == {"healthy-0"}
        assert [event.trigger for event in here.log.of(CleanedUp)][-1] is Trigger.REQUEST
        stuck = {one.key for one in here.supervisor.explain("bob").holders}
        assert stuck >= names("stuck", 2)


async def test_a_cleanup_of_all_has_each_stage_once(autojump_clock: MockClock) -> None:
    async with site() as here:
        for user in ("alice", "bob", "carol"):
            await trouble(here, user)
        report = (await here.client.post("cleanup", {"dry_run": False})).json
        assert [stage["stage"] for stage in report["stages"]] == ["garbage", "liveness"]
        assert report["reaped"] == sum(stage["reaped_total"] for stage in report["stages"]) >= 6
        assert report["stages"][0]["before"] == 12
        assert report["stages"][1]["after"] == 12 - report["reaped"]


async def test_the_garbage_stage_ends_nobody_who_is_stuck(autojump_clock: MockClock) -> None:
    async with site() as here:
        await trouble(here)
        report = (await here.client.post("cleanup", CLEANUP | {"until": "garbage"})).json
        assert [stage["stage"] for stage in report["stages"]] == ["garbage"]
        assert report["reaped"] == 0


async def test_one_that_ignores_its_cancellation_is_told_as_failed(autojump_clock: MockClock) -> None:
    async with site() as here:
        await Crowd(here.supervisor).add("shielded", 1, Shielded, at_work=True)
        await trio.sleep(BUDGET + 1)
        report = (await here.client.post("cleanup", CLEANUP)).json
        assert (report["reaped"], report["failed"]) == (0, 1)
        [failed] = report["stages"][1]["failed"]
        assert (failed["key"], failed["health"]) == ("shielded-0", "unresponsive")


async def test_nobody_is_evicted_by_hand(autojump_clock: MockClock) -> None:
    async with site() as here:
        await trouble(here)
        answer = await here.client.post("cleanup", CLEANUP | {"until": "evict"})
        assert answer.status == 409
        assert "the healthy make room for newcomers only" in answer.error
        assert len(here.supervisor.explain("alice").holders) == 4


@pytest.mark.parametrize("until", ["takeover", "everything", "", "GARBAGE"])
async def test_there_are_no_other_stages(until: str, autojump_clock: MockClock) -> None:
    async with site() as here:
        answer = await here.client.post("cleanup", CLEANUP | {"until": until})
        assert (answer.status, answer.error) == (
            400,
            f"until must be garbage, liveness or evict, not {until!r}",
        )


async def test_of_a_user_who_is_not_here_there_is_nothing_to_clean(autojump_clock: MockClock) -> None:
    async with site() as here:
        report = (await here.client.post("cleanup", CLEANUP)).json
        assert (report["user"], report["stages"]) == ("alice", [])


# Stop


def stop(key: str | None, incarnation: int | None = None, user: str = "alice") -> dict[str, Any]:
    return {"user": user, "key": key, "incarnation": incarnation}


async def test_one_is_stopped_and_how_it_ended_is_told(autojump_clock: MockClock) -> None:
    async with site() as here:
        first, other = await Crowd(here.supervisor).add("tab", 2)
        facts = (await here.client.post("stop", stop("tab-0", 1))).json
        assert facts == {
            "stopped": 1,
            "ended": [{"key": "tab-0", "incarnation": 1, "node": "", "exit": "stopped"}],
            "condemned": 0,
            "problem": "",
        }
        assert first.exit is not None
        assert await all_answer([other])


async def test_all_of_a_user_are_stopped_and_nobody_elses(autojump_clock: MockClock) -> None:
    async with site() as here:
        await Crowd(here.supervisor).add("tab", 3)
        others = await Crowd(here.supervisor, "bob").add("tab", 3)
        facts = (await here.client.post("stop", stop(None))).json
        assert (facts["stopped"], len(facts["ended"])) == (3, 3)
        assert await all_answer(others)
        assert here.supervisor.standing("alice") is None


async def test_one_that_is_stuck_is_ended_after_its_grace(autojump_clock: MockClock) -> None:
    async with site() as here:
        await Crowd(here.supervisor).add("stuck", 1, WedgedForever, at_work=True)
        began = trio.current_time()
        facts = (await here.client.post("stop", stop("stuck-0"))).json
        assert (facts["stopped"], len(facts["ended"]), facts["condemned"]) == (1, 1, 0)
        assert 1 < trio.current_time() - began < 15


async def test_one_that_ignores_it_is_told_to_run_on(autojump_clock: MockClock) -> None:
    async with site() as here:
        await Crowd(here.supervisor).add("shielded", 1, Shielded, at_work=True)
        await Crowd(here.supervisor).add("healthy", 1)
        facts = (await here.client.post("stop", stop(None))).json
        assert (facts["stopped"], len(facts["ended"]), facts["condemned"]) == (2, 2, 1)
        answer = await here.client.post("stop", stop("shielded-0"))
        assert answer.status == 409
        assert answer.error.startswith("it is condemned")


async def test_who_ends_late_does_not_hide_who_has_ended(autojump_clock: MockClock) -> None:
    async with site() as here:
        await Crowd(here.supervisor).add("slow", 1, WedgedForever, at_work=True, stop_grace=60.0)
        await Crowd(here.supervisor).add("tab", 2)
        told = (await here.client.post("stop", {"user": "alice"})).json
        assert told["stopped"] == 3
        assert sorted(one["key"] for one in told["ended"]) == ["tab-0", "tab-1"]


async def test_a_stop_is_waited_for_but_not_for_ever(autojump_clock: MockClock) -> None:
    async with site() as here:
        await Crowd(here.supervisor).add("slow", 1, WedgedForever, at_work=True, stop_grace=100.0)
        began = trio.current_time()
        facts = (await here.client.post("stop", stop("slow-0"))).json
        assert trio.current_time() - began == 15
        assert facts == {"stopped": 1, "ended": [], "condemned": 0, "problem": ""}
        answer = await here.client.post("stop", stop("slow-0"))
        assert answer.status == 409
        assert "is stopping already" in answer.error
        await trio.sleep(90)
        assert len(here.log.of(Terminal)) == 1


async def test_who_is_not_there_is_not_found(autojump_clock: MockClock) -> None:
    async with site() as here:
        await Crowd(here.supervisor).add("tab", 1)
        for asked, sentence in (
            (stop("other"), "'alice' has no manager under 'other'; it may have ended already"),
            (stop(None, user="bob"), "'bob' has no manager; it may have ended already"),
            (stop("tab-0", user="bob"), "'bob' has no manager under 'tab-0'; it may have ended already"),
        ):
            answer = await here.client.post("stop", asked)
            assert (answer.status, answer.error) == (404, sentence)


async def test_another_incarnation_is_left_alone(autojump_clock: MockClock) -> None:
    async with site() as here:
        refs = await Crowd(here.supervisor).add("tab", 1)
        answer = await here.client.post("stop", stop("tab-0", 7))
        assert (answer.status, answer.error) == (409, "under 'tab-0' lives another incarnation, 1")
        assert await all_answer(refs)


async def test_an_incarnation_without_its_key_stops_nobody(autojump_clock: MockClock) -> None:
    async with site() as here:
        refs = await Crowd(here.supervisor).add("tab", 3)
        answer = await here.client.post("stop", stop(None, 1))
        assert answer.status == 400
        assert await all_answer(refs)


async def test_one_that_starts_is_said_to_start(autojump_clock: MockClock) -> None:
    async with site() as here, trio.open_nursery() as nursery:
        nursery.start_soon(Crowd(here.supervisor).get, "newborn", partial(SlowStart, 5))
        await trio.sleep(1)
        answer = await here.client.post("stop", stop("newborn"))
        assert answer.status == 409
        assert "under 'newborn' is starting" in answer.error


# Limits and probing


async def test_a_limit_is_set_for_one_and_told(autojump_clock: MockClock) -> None:
    async with site(5) as here:
        facts = (await here.client.post("limit", {"user": "alice", "limit": 2})).json
        assert facts == {"user": "alice", "limit": 2, "clustered": False}
        assert here.supervisor.own_limits == {"alice": 2}
        assert [(event.user, event.limit) for event in here.log.of(LimitChanged)] == [("alice", 2)]
        crowd = Crowd(here.supervisor)
        await crowd.add("tab", 2)
        assert (await crowd.refused("third")).limit == 2


async def test_a_limit_is_set_for_all_and_seen_at_once(autojump_clock: MockClock) -> None:
    async with site(5) as here:
        assert (await here.client.get("overview")).json["limit"] == 5
        assert (await here.client.post("limit", {"limit": 9})).json == {
            "user": None,
            "limit": 9,
            "clustered": False,
        }
        assert here.supervisor.limit == 9
        assert (await here.client.get("overview")).json["limit"] == 9


async def test_a_limit_below_zero_is_none(autojump_clock: MockClock) -> None:
    async with site(5) as here:
        answer = await here.client.post("limit", {"user": "alice", "limit": -1})
        assert answer.status == 400
        assert "must be a whole number of slots, 0 or more, not -1" in answer.error
        assert here.supervisor.own_limits == {}


async def test_a_limit_that_is_a_function_is_not_overwritten(autojump_clock: MockClock) -> None:
    async with site(lambda _: 3) as here:
        answer = await here.client.post("limit", {"limit": 9})
        assert answer.status == 409
        assert callable(here.supervisor.limit)
        assert (await here.client.post("limit", {"user": "alice", "limit": 9})).status == 200


def five(_: str) -> int:
    return 5


@pytest.mark.parametrize("limit", [5, five])
async def test_probing_is_switched_and_told(limit: Limit, autojump_clock: MockClock) -> None:
    async with site(limit) as here:
        assert (await here.client.get("overview")).json["probing"] is True
        off = (await here.client.post("probing", {"on": False})).json
        assert off == {"probing": False, "changes": ["supervisor.probing: True > False"]}
        assert (await here.client.get("overview")).json["probing"] is False
        again = (await here.client.post("probing", {"on": False})).json
        assert again == {"probing": False, "changes": []}
        assert (await here.client.post("probing", {"on": True})).json["probing"] is True
        assert [event.changes for event in here.log.of(SettingsChanged)] == [
            ("supervisor.probing: True > False",),
            ("supervisor.probing: False > True",),
        ]
        assert here.supervisor.limit == limit


async def test_an_act_goes_on_when_whoever_asked_has_gone(autojump_clock: MockClock) -> None:
    async def ask(here: Site) -> None:
        await here.client.post("cleanup", CLEANUP)

    async with site() as here:
        await Crowd(here.supervisor).add("shielded", 1, Shielded, at_work=True)
        await trio.sleep(BUDGET + 1)
        with trio.move_on_after(0.01):
            await ask(here)
        await trio.sleep(1)
        assert len(here.supervisor.explain("alice").condemned) == 1


async def test_a_healthy_manager_survives_every_cleanup(autojump_clock: MockClock) -> None:
    async with site() as here:
        refs = await Crowd(here.supervisor).add("healthy", 5, Healthy)
        for until in ("garbage", "liveness"):
            await here.client.post("cleanup", {"until": until, "dry_run": False})
        assert await all_answer(refs)
