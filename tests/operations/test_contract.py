"""Matching the contract: each answer has exactly the keys that its clients were promised."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisor.testing import CrashesInHandle
from tests.supervisor.harness import Crowd

from . import contract
from .kit import Client, Site, site, trouble

CLEANUP = {"user": "alice", "until": "liveness", "dry_run": True}
STOP = {"user": "alice", "key": "healthy-0", "incarnation": None}


async def everything(client: Client) -> dict[str, Any]:
    """All that can be asked, by the name of its contract; those who act come last."""
    answers = {
        "OVERVIEW": await client.get("overview"),
        "HISTORY": await client.get("history"),
        "EVENTS": await client.get("events", last=1_000),
        "USERS": await client.get("users"),
        "EXPLANATION": await client.get("user", name="alice"),
        "REFUSALS": await client.get("refusals"),
        "DUMP": await client.get("dump"),
        "REPORT": await client.post("cleanup", CLEANUP),
        "STOPPED": await client.post("stop", STOP),
        "LIMIT": await client.post("limit", {"user": None, "limit": 3}),
        "PROBING": await client.post("probing", {"on": False}),
    }
    assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(answers, 200)
    return {name: answer.json for name, answer in answers.items()}


async def happenings(here: Site) -> None:
    """So much that no list of any answer is empty, but for those of a supervisor that is well."""
    await trouble(here)
    crashes = Crowd(here.supervisor, "bob")
    await crashes.add("crashes", 5, CrashesInHandle, at_work=True)
    await trio.sleep(61)  # an alert is told of them
    await trouble(here, "carol")


async def test_each_answer_has_exactly_the_keys_of_the_contract(autojump_clock: MockClock) -> None:
    async with site() as here:
        await happenings(here)
        for name, facts in (await everything(here.client)).items():
            assert contract.mistakes(facts, getattr(contract, name), name) == []


async def test_so_it_is_of_a_supervisor_where_nothing_has_happened(autojump_clock: MockClock) -> None:
    async with site() as here:
        await Crowd(here.supervisor).add("healthy", 1)
        for name, facts in (await everything(here.client)).items():
            assert contract.mistakes(facts, getattr(contract, name), name) == []


async def test_the_lists_that_were_compared_were_not_empty(autojump_clock: MockClock) -> None:
    async with site() as here:
        await happenings(here)
        answers = await everything(here.client)
        overview, user = answers["OVERVIEW"], answers["EXPLANATION"]
        [refusal, _] = answers["REFUSALS"]["refusals"]
        [manager, *_] = overview["survey"]["stuck"]
        lists = {
            "fullest": overview["survey"]["fullest"],
            "condemned": overview["survey"]["condemned"],
            "stuck users": overview["survey"]["stuck_users"],
            "stack": manager["stack"],
            "at limit": overview["at_limit"]["users"],
            "alerts": overview["alerts"],
            "events": answers["EVENTS"]["events"],
            "users": answers["USERS"]["users"],
            "managers": user["managers"],
            "his condemned": user["condemned"],
            "dry run": user["dry_run"]["stages"],
            "reaped": user["dry_run"]["stages"][-1]["reaped"],
            "kept": user["dry_run"]["stages"][0]["kept"],
            "holders": refusal["holders"],
            "why kept": refusal["holders"][0]["kept"],
            "stages": refusal["stages"],
            "ended": answers["STOPPED"]["ended"],
            "changes": answers["PROBING"]["changes"],
            "groups": answers["DUMP"]["groups"],
            "threads": answers["DUMP"]["threads"],
            "series": answers["HISTORY"]["series"]["managers"],
        }
        assert [name for name, those in lists.items() if not those] == []


@pytest.mark.parametrize(
    "facts",
    [
        {"user": "alice"},
        {"user": "alice", "limit": 1, "more": 2},
        {"user": "alice", "limit": [1]},
        {"user": "alice", "limit": {"value": 1}},
        [],
    ],
)
def test_a_mistake_is_found(facts: object) -> None:
    [mistake] = contract.mistakes(facts, contract.LIMIT)
    assert mistake.startswith("$")
