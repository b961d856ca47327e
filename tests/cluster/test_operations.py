"""What an operator is shown of a cluster by any of its nodes: nodes, engine, and where a user lives."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from supervisor.cluster import OnLeaseLost
from supervisor.operations import Operations, operations_app
from tests.operations import contract
from tests.operations.kit import HOSTILE, Client, site, strictly

from .troubles import ALICE, fill, full
from .world import LEASE, World, open_world


@attrs.frozen
class Watched:
    """A cluster, and somebody who looks at its first node."""

    world: World
    client: Client

    async def ask(self, path: str, **query: str) -> Any:
        answer = await self.client.get(path, **query)
        assert answer.status == 200, answer.body
        return answer.json


@asynccontextmanager
async def watched(nodes: int = 3, **options: Any) -> AsyncGenerator[Watched]:
    async with open_world(nodes, **options) as world:
        yield Watched(world, Client(operations_app(Operations(world.nodes[0].supervisor))))


async def test_the_nodes_are_told_with_their_leases_and_figures(autojump_clock: MockClock) -> None:
    async with watched() as here:
        await fill(here.world, number=4)
        await trio.sleep(LEASE / 2)
        told = await here.ask("nodes")
        assert contract.mistakes(told, contract.NODES) == []
        assert [node["name"] for node in told["nodes"]] == ["n0", "n1", "n2"]
        assert [node["is_me"] for node in told["nodes"]] == [True, False, False]
        assert [node["address"] for node in told["nodes"]] == ["wss://n0", "wss://n1", "wss://n2"]
        assert {node["lease"] for node in told["nodes"]} == {LEASE}
        assert all(0 < node["expires_in"] <= LEASE for node in told["nodes"])
        assert [node["figures"]["managers"] for node in told["nodes"]] == [1, 1, 1]
        assert told["problem"] is None
        assert told["cluster"]["state"] == "up"


async def test_where_a_user_lives_is_told_by_a_node_where_nobody_of_him_is(
    autojump_clock: MockClock,
) -> None:
    async with watched() as here:
        await here.world.spawn(1, ALICE, "tab")
        await here.world.spawn(2, ALICE, "phone")
        told = await here.ask("where", name=ALICE)
        assert contract.mistakes(told, contract.WHERE) == []
        assert {one["key"]: (one["node"], one["here"]) for one in told["managers"]} == {
            "tab": ("n1", False),
            "phone": ("n2", False),
        }
        assert {one["health"] for one in told["managers"]} == {"healthy"}
        assert (told["total"], told["problem"]) == (2, None)
        assert not (await here.ask("user", name=ALICE))["here"]


async def test_who_lives_here_is_told_with_this_nodes_name(autojump_clock: MockClock) -> None:
    async with watched() as here:
        await fill(here.world)
        told = await here.ask("where", name=ALICE)
        assert {one["key"]: (one["node"], one["here"]) for one in told["managers"]} == {
            "tab-0": ("n0", True),
            "tab-1": ("n1", False),
            "tab-2": ("n2", False),
        }
        assert (await here.ask("where", name="nobody"))["managers"] == []


async def test_one_on_a_node_that_does_not_answer_is_unknown_and_says_why(autojump_clock: MockClock) -> None:
    async with watched() as here:
        await fill(here.world)
        here.world.nodes[2].wire.deafen()
        told = await here.ask("where", name=ALICE)
        by_key = {one["key"]: one for one in told["managers"]}
        assert (by_key["tab-2"]["health"], by_key["tab-2"]["node"]) == ("unknown", "n2")
        assert "n2 does not answer" in by_key["tab-2"]["evidence"]
        assert by_key["tab-1"]["health"] == "healthy"


async def test_while_the_engine_is_away_those_here_are_told_and_the_problem(
    autojump_clock: MockClock,
) -> None:
    async with watched(on_lease_lost=OnLeaseLost.KEEP) as here:
        await fill(here.world)
        here.world.engine.stop()
        told = await here.ask("where", name=ALICE)
        assert [one["key"] for one in told["managers"]] == ["tab-0"]
        assert "the engine has stopped" in told["problem"]
        told = await here.ask("nodes")
        assert contract.mistakes(told, contract.NODES) == []
        assert (told["nodes"], told["cluster"]["state"]) == ([], "down")
        assert "the engine has stopped" in told["problem"]


async def test_the_overview_has_the_cluster_and_its_warning(autojump_clock: MockClock) -> None:
    async with watched(on_lease_lost=OnLeaseLost.KEEP) as here:
        await full(here.world)
        told = await here.ask("overview")
        assert contract.mistakes(told, contract.OVERVIEW) == []
        assert told["cluster"] == told["cluster"] | {
            "node": "n0",
            "state": "up",
            "nodes": 3,
            "slots": 1,
            "limits_may_be_exceeded": False,
            "lets_in": True,
        }
        assert (told["counts"]["owners_asked"], told["warnings"]) == (6, [])
        here.world.engine.stop()
        await trio.sleep(LEASE + 1.5)
        told = await here.ask("overview")
        assert told["ready"]["ok"]
        assert told["warnings"] == ["no lease in the cluster (its engine is down): limits may be exceeded"]
        assert told["cluster"]["limits_may_be_exceeded"]


async def test_while_the_engines_data_is_new_its_state_is_warming(autojump_clock: MockClock) -> None:
    async with watched(1, warm=False) as here:
        told = await here.ask("overview")
        assert told["cluster"]["state"] == "warming"
        assert not told["ready"]["ok"]
        await trio.sleep(LEASE)
        assert (await here.ask("overview"))["cluster"]["state"] == "up"


async def test_a_refusal_says_on_which_node_each_holder_lives(autojump_clock: MockClock) -> None:
    async with watched() as here:
        await full(here.world)
        await trio.sleep(0.5)
        told = await here.ask("refusals")
        assert contract.mistakes(told, contract.REFUSALS) == []
        assert len(told["refusals"]) == 3
        for refusal in told["refusals"]:
            nodes = {holder["key"]: holder["node"] for holder in refusal["holders"]}
            assert nodes == {"tab-0": "", "tab-1": "n1", "tab-2": "n2"}


async def test_what_happened_to_the_node_is_among_what_was_done(autojump_clock: MockClock) -> None:
    async with watched() as here:
        here.world.nodes[0].wire.cut()
        await trio.sleep(LEASE)
        here.world.nodes[0].wire.mend()
        await trio.sleep(1)
        told = await here.ask("events", acts="1", last="100")
        assert [line["event"].removeprefix("supervisor.") for line in told["events"]] == [
            "engine.away",
            "lease.lost",
            "engine.up",
            "node.joined",
        ]


# The engine takes UTF-8.
@pytest.mark.parametrize("name", [name for name in HOSTILE if "\ud800" not in name])
async def test_names_are_any_strings(autojump_clock: MockClock, name: str) -> None:
    async with watched(2) as here:
        await here.world.spawn(1, name, name)
        answer = await here.client.get("where", name=name)
        [one] = strictly(answer.body.decode())["managers"]
        assert (one["user"], one["key"], one["node"]) == (name, name, "n1")


@pytest.mark.parametrize("path", ["nodes", "where?name=alice"])
async def test_without_a_cluster_it_is_said_that_there_is_none(autojump_clock: MockClock, path: str) -> None:
    async with site() as here:
        name, _, query = path.partition("?")
        asked = dict([query.split("=")]) if query else {}
        answer = await here.client.get(name, **asked)
        assert answer.status == 404
        assert answer.json == {"error": "this process is no node of a cluster: all that it knows lives here"}
        overview = (await here.client.get("overview")).json
        assert (overview["cluster"], overview["warnings"]) == (None, [])


async def test_whose_whereabouts_must_be_said(autojump_clock: MockClock) -> None:
    async with watched(1) as here:
        answer = await here.client.get("where")
        assert (answer.status, answer.json) == (400, {"error": "whose? Say ?name=NAME"})
