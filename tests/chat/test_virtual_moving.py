"""A session is where its client is: it moves from node to node, and the limit counts it once."""

from __future__ import annotations

from pathlib import Path

import trio
from trio.testing import MockClock

from examples.chat.protocol import CLOSE_MOVED
from tests.cluster.simulated import Path as WirePath

from .nodes import LEASE, two_nodes
from .virtual import VirtualChat, is_welcome

MOVED = (CLOSE_MOVED, "this session goes on elsewhere")


async def live_on(one: VirtualChat, two: VirtualChat, user: str) -> tuple[set[str], set[str]]:
    return one.keys(user), two.keys(user)


async def test_a_session_moves_to_the_node_that_its_client_comes_to(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        here = await one.enter("alice", "tab")
        await here.join("r")
        seq = await here.say("r", "said before", "1")
        there = await two.enter("alice", "tab")
        assert await here.closed() == MOVED
        assert await live_on(one, two, "alice") == (set(), {"tab"})
        assert (await there.join("r", since=seq))["seq"] == seq
        await there.say("r", "said after", "2")
        assert [f["text"] for f in there.heard if f["type"] == "message"] in (["said after"], [])


async def test_a_session_whose_client_is_gone_moves_too(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        here = await one.enter("alice", "tab")
        here.link.silence()
        await two.enter("alice", "tab")
        assert await live_on(one, two, "alice") == (set(), {"tab"})


async def test_two_tabs_with_one_session_end_with_one_of_them(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        outcomes: list[object] = []

        async def come(chat: VirtualChat) -> None:
            async with chat.visit("alice", "tab") as guest:
                with trio.move_on_after(30):
                    outcomes.append(await guest.closed())
                    return
                outcomes.append("stays")

        async with trio.open_nursery() as nursery:
            for chat in (one, two):
                nursery.start_soon(come, chat)
        assert len(outcomes) == 2
        here, there = await live_on(one, two, "alice")
        assert not (here & there), "one key has one manager"


async def test_a_node_that_does_not_answer_keeps_its_session_for_a_lease_at_most(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (nodes, one, two):
        await one.enter("alice", "tab")
        nodes.wires["one"].path = WirePath.BLACK_HOLE
        with trio.fail_after(2 * LEASE):
            while True:
                async with two.visit("alice", "tab") as guest:
                    if await is_welcome(guest):
                        break
                await trio.sleep(0.2)


async def test_the_welcome_names_the_sessions_on_all_nodes(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        await one.enter("alice", "here")
        there = await two.enter("alice", "there")
        assert sorted(there.heard[0]["sessions"]) == ["here", "there"]


async def test_who_is_refused_learns_who_holds_the_slots_and_where(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path, limit=2) as (_, one, two):
        for session in ("a", "b"):
            await one.enter("alice", session)
        async with two.visit("alice", "c") as guest:
            code, reason = await guest.closed()
        assert (code, "2 of 2 slots held on all servers" in reason) == (1013, True), reason
        refusal = two.server.edge.refusals.of("alice", within=60)
        assert refusal is not None
        assert {(holder.key, holder.node) for holder in refusal.holders} == {("a", "one"), ("b", "one")}


async def test_a_session_is_ended_from_another_node(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        guest = await one.enter("alice", "here")
        sessions = two.server.edge.sessions
        assert await sessions.stop("alice", "here")
        assert await guest.closed() == (1001, "session ended: stopped")
        assert not await sessions.stop("alice", "here")
        assert not await sessions.stop("alice", "never")


async def test_a_drill_on_another_node_makes_the_session_hang_and_its_slot_comes_back(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path, limit=1) as (_, one, two):
        await one.enter("alice", "here")
        assert await two.server.edge.sessions.wedge("alice", "here")
        assert not await two.server.edge.sessions.wedge("alice", "never")
        await trio.sleep(10)
        await two.enter("alice", "there")
        assert one.ended() == {"here": "unresponsive"}


async def test_all_nodes_say_who_holds_the_slots(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        await one.enter("alice", "here")
        await two.enter("alice", "there")
        sessions = two.server.edge.sessions
        holders = await sessions.holders("alice")
        assert {(h.key, sessions.node_of(h)["node"]) for h in holders} == {("here", "one"), ("there", "two")}
