"""What is shown: users in pages, one user, events, refusals; whatever their names."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from supervisor import SpawnRefused
from supervisor.testing import WedgedForever
from tests.supervisor.harness import BUDGET, Crowd

from .kit import HOSTILE, site, trouble

# Users


async def test_users_come_in_pages(autojump_clock: MockClock) -> None:
    async with site() as here:
        for number in range(7):
            await Crowd(here.supervisor, f"user-{number}").add("tab", number + 1)
        pages = [(await here.client.get("users", start=start, count=3)).json for start in (0, 3, 6)]
        assert [page["next"] for page in pages] == [3, 6, None]
        assert [page["total"] for page in pages] == [7, 7, 7]
        seen = [one["user"] for page in pages for one in page["users"]]
        assert seen == [f"user-{number}" for number in range(7)]
        last = {"user": "user-6", "held": 7, "limit": 20, "condemned": 0, "waiting": 0}
        assert pages[-1]["users"] == [last]
        assert (await here.client.get("users", start=4, count=3)).json["next"] is None


async def test_beyond_the_last_page_there_is_nobody(autojump_clock: MockClock) -> None:
    async with site() as here:
        await Crowd(here.supervisor).add("tab", 1)
        assert (await here.client.get("users", start=5)).json == {
            "users": [],
            "next": None,
            "total": 1,
            "clustered": False,
        }


async def test_users_are_found_by_a_part_of_their_names(autojump_clock: MockClock) -> None:
    async with site() as here:
        for user in ("Anna", "hanNAh", "bob", "STRASSE"):
            await Crowd(here.supervisor, user).add("tab", 1)
        found = (await here.client.get("users", search="NNA")).json
        assert [one["user"] for one in found["users"]] == ["Anna", "hanNAh"]
        assert found["total"] == 2
        assert [one["user"] for one in (await here.client.get("users", search="straße")).json["users"]] == [
            "STRASSE"
        ]
        assert (await here.client.get("users", search="nobody")).json["users"] == []


async def test_only_those_at_the_limit_are_shown_if_so_asked(autojump_clock: MockClock) -> None:
    async with site(2) as here:
        for user, tabs in (("one", 1), ("two", 2), ("another", 2)):
            await Crowd(here.supervisor, user).add("tab", tabs)
        found = (await here.client.get("users", at_limit=1)).json
        assert [one["user"] for one in found["users"]] == ["two", "another"]
        found = (await here.client.get("users", at_limit=1, search="t", count=1)).json
        assert ([one["user"] for one in found["users"]], found["next"]) == (["two"], 1)
        assert (await here.client.get("users", at_limit=0)).json["total"] == 3


async def test_no_page_has_more_than_two_hundred(autojump_clock: MockClock) -> None:
    async with site() as here:
        for number in range(203):
            await Crowd(here.supervisor, f"user-{number}").add("tab", 1)
        page = (await here.client.get("users", count=100_000)).json
        assert (len(page["users"]), page["next"], page["total"]) == (200, 200, 203)


async def test_a_search_through_many_names_lets_others_run(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = tuple(f"user-{number}" for number in range(10_500))
    async with site() as here:
        monkeypatch.setattr(type(here.supervisor), "users", property(lambda _: many))
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count_turns)
            assert (await here.operations.users(search="user-9"))["total"] == 1 + 10 + 100 + 1000
            assert turns >= 5
            nursery.cancel_scope.cancel()


# One user


async def test_a_user_is_explained_manager_by_manager(autojump_clock: MockClock) -> None:
    async with site() as here:
        await trouble(here)
        facts = (await here.client.get("user", name="alice")).json
        by_key = {one["key"]: one for one in facts["managers"]}
        assert {key: one["health"] for key, one in by_key.items()} == {
            "stuck-0": "unresponsive",
            "stuck-1": "unresponsive",
            "healthy-0": "healthy",
            "busy-0": "busy",
        }
        assert (by_key["healthy-0"]["connections"], by_key["stuck-0"]["connections"]) == (1, None)
        assert 0 < by_key["busy-0"]["until_in"] < BUDGET
        assert by_key["stuck-0"]["until_in"] is None
        assert by_key["stuck-0"]["phase"] == "in handle"
        assert by_key["stuck-0"]["phase_for"] == pytest.approx(BUDGET + 0.5)
        assert by_key["stuck-0"]["age"] == pytest.approx(BUDGET + 0.5)
        for key in ("stuck-0", "busy-0"):
            assert by_key[key]["where"].endswith("in WedgedForever.work")
            assert by_key[key]["stack"][-1] == by_key[key]["where"]
        assert (by_key["healthy-0"]["where"], by_key["healthy-0"]["stack"]) == ("", [])
        [condemned] = facts["condemned"]
        assert condemned["cause"].startswith("shielded at ")
        assert {name: facts[name] for name in ("here", "limit", "own_limit", "held", "would_admit")} == {
            "here": True,
            "limit": 4,
            "own_limit": True,
            "held": 4,
            "would_admit": True,
        }
        assert facts["dry_run"]["dry_run"]
        assert [one["key"] for one in facts["dry_run"]["stages"][1]["reaped"]] == ["stuck-0", "stuck-1"]


async def test_of_a_user_who_is_not_here_it_is_said_what_is_known(autojump_clock: MockClock) -> None:
    async with site(5) as here:
        facts = (await here.client.get("user", name="nobody")).json
        assert (facts["here"], facts["limit"], facts["own_limit"]) == (False, 5, False)
        assert facts["managers"] == facts["condemned"] == []


async def test_without_a_name_it_is_asked_whose(autojump_clock: MockClock) -> None:
    async with site() as here:
        answer = await here.client.get("user")
        assert (answer.status, answer.error) == (400, "whose? Say ?name=NAME")


@pytest.mark.parametrize("user", HOSTILE)
async def test_names_are_whatever_users_call_themselves(user: str, autojump_clock: MockClock) -> None:
    async with site() as here:
        crowd = Crowd(here.supervisor, user)
        await crowd.get(user, WedgedForever)
        await trio.sleep(2)
        overview = (await here.client.get("overview")).json
        assert [one["user"] for one in overview["survey"]["fullest"]] == [user]
        assert (await here.client.get("users")).json["users"][0]["user"] == user
        lines = (await here.client.get("events")).json["events"]
        assert {line["user"] for line in lines if line["key"] is not None} == {user}
        assert (await here.client.get("dump")).json["tasks"] > 3
        if "\ud800" not in user:  # no address has one
            assert (await here.client.get("user", name=user)).json["managers"][0]["key"] == user
        done = await here.client.post("stop", {"user": user, "key": user})
        assert [one["key"] for one in done.json["ended"]] == [user]


# Events and refusals


async def test_the_last_events_are_told_as_the_log_tells_them_oldest_first(autojump_clock: MockClock) -> None:
    async with site() as here:
        await trio.sleep(1)
        await Crowd(here.supervisor).add("tab", 1)
        await trio.sleep(2)
        lines = (await here.client.get("events")).json["events"]
        assert [(line["event"], line["user"], line["key"]) for line in lines] == [
            ("supervisor.slot.reserved", "alice", "tab-0"),
            ("supervisor.spawn.started", "alice", "tab-0"),
        ]
        assert [line["seq"] for line in lines] == [event.stamp.seq for event in here.log.all]
        assert [line["level"] for line in lines] == ["DEBUG", "INFO"]
        assert [line["ago"] for line in lines] == [2.0, 2.0]
        assert lines[1]["text"] == "alice/tab-0#1 runs, 0 s after it was asked for"
        assert [line["event"] for line in (await here.client.get("events", last=1)).json["events"]] == [
            "supervisor.spawn.started"
        ]
        assert (await here.client.get("events", last=0)).json["events"] == []


async def test_refusals_are_told_with_their_proof_newest_first(autojump_clock: MockClock) -> None:
    async with site(2) as here:
        crowd = Crowd(here.supervisor)
        await crowd.add("busy", 2, WedgedForever, at_work=True)
        await trio.sleep(1)
        refusals = [await crowd.refused(key) for key in ("first", "second")]
        await trio.sleep(3)
        told = (await here.client.get("refusals")).json["refusals"]
        assert [one["key"] for one in told] == ["second", "first"]
        for one, refusal in zip(told, reversed(refusals), strict=True):
            assert (one["user"], one["reason"], one["limit"], one["live"]) == ("alice", "limit", 2, 2)
            assert one["sentence"] == refusal.sentence
            assert one["retry_after"] == refusal.retry_after
            assert one["ago"] == pytest.approx(3, abs=0.2)
            assert [stage["stage"] for stage in one["stages"]] == ["garbage", "liveness"]
            assert [holder["key"] for holder in one["holders"]] == ["busy-0", "busy-1"]
            for holder in one["holders"]:
                assert holder["health"] == "busy"
                assert holder["until_in"] == pytest.approx(BUDGET - 1, abs=0.2), "as of the refusal"
                assert [why.split(":")[0] for why in holder["kept"]] == ["garbage", "liveness"]


async def test_refusals_are_told_briefly_since_a_number_and_each_with_its_proof(
    autojump_clock: MockClock,
) -> None:
    async with site(1) as here:
        crowd = Crowd(here.supervisor)
        await crowd.add("tab", 1)
        for key in ("one", "two"):
            with pytest.raises(SpawnRefused):
                await crowd.get(key)
        await trio.sleep(1)
        whole = (await here.client.get("refusals")).json["refusals"]
        assert [refusal["key"] for refusal in whole] == ["two", "one"]
        brief = (await here.client.get("refusals", brief=1, since=whole[1]["seq"])).json["refusals"]
        assert [refusal["key"] for refusal in brief] == ["two"]
        assert not {"stages", "holders"} & brief[0].keys()
        assert whole[0].keys() - brief[0].keys() == {"stages", "holders"}
        assert (await here.client.get("refusals", seq=whole[1]["seq"])).json["key"] == "one"
        assert (await here.client.get("refusals", seq=10**9)).status == 404
