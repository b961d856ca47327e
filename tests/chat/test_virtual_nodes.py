"""One chat on two nodes: whoever is on either says and hears the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from examples.chat.shared_history import STORE_WITHIN
from supervisor.cluster import EngineUnknown, Reply, Script
from tests.cluster.simulated import Path as WirePath
from tests.cluster.simulated import SimulatedWire

from .nodes import LEASE, open_nodes, two_nodes
from .support import Frame
from .virtual import Guest, VirtualChat

A_MOMENT = 0.5


def texts(frames: list[Frame]) -> list[str]:
    return [frame["text"] for frame in frames if frame["type"] == "message"]


async def in_room(chat: VirtualChat, user: str, session: str = "tab", room: str = "r") -> Guest:
    guest = await chat.enter(user, session)
    await guest.join(room)
    return guest


async def heard(guest: Guest) -> list[Frame]:
    """All that came until now."""
    await trio.sleep(A_MOMENT)
    return await guest.before_pong()


async def test_what_is_said_on_one_node_is_heard_on_both_in_one_order(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        alice, bob = await in_room(one, "alice"), await in_room(two, "bob")
        for number in range(4):
            await alice.send("say", room="r", text=f"a{number}", id=f"a{number}")
            await bob.send("say", room="r", text=f"b{number}", id=f"b{number}")
        by_alice, by_bob = await heard(alice), await heard(bob)
        assert texts(by_alice) == texts(by_bob)
        assert sorted(texts(by_alice)) == sorted(f"{who}{n}" for who in "ab" for n in range(4))
        seqs = {frame["id"]: frame["seq"] for frame in by_alice if frame["type"] == "message"}
        acks = {f["id"]: f["seq"] for f in (*by_alice, *by_bob) if f["type"] == "ack"}
        assert acks == seqs
        assert sorted(seqs.values()) == list(seqs.values())


async def test_a_newcomer_finds_on_either_node_what_was_said(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        alice = await in_room(one, "alice")
        first = await alice.say("r", "first", "1")
        last = await alice.say("r", "second", "2")
        bob = await two.enter("bob", "tab")
        assert (await bob.join("r"))["seq"] == last
        assert texts(await heard(bob)) == ["first", "second"]
        await bob.join("r", since=first)
        assert texts(await heard(bob)) == ["second"]


async def test_the_same_id_of_one_user_is_one_message_on_whatever_node(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        here, there = await in_room(one, "alice", "here"), await in_room(two, "alice", "there")
        assert await here.say("r", "once", "id") == await there.say("r", "again", "id")
        bob = await in_room(two, "bob")
        assert texts(await heard(bob)) == ["once"]


async def test_who_comes_and_goes_and_types_is_told_on_both(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        alice = await in_room(one, "alice")
        bob = await two.enter("bob", "tab")
        assert (await bob.join("r"))["members"] == ["alice", "bob"]
        assert (await alice.until("presence"))["user"] == "bob"
        await bob.send("typing", room="r")
        assert (await alice.until("typing"))["user"] == "bob"
        assert [frame for frame in await heard(bob) if frame["type"] == "typing"] == []
        await bob.send("leave", room="r")
        assert (await alice.until("presence"))["state"] == "offline"


async def test_one_user_on_two_nodes_leaves_with_his_last_session(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        alice = await in_room(one, "alice")
        bobs = [await in_room(chat, "bob", name) for chat, name in ((one, "here"), (two, "there"))]
        came = [f["state"] for f in await heard(alice) if f["type"] == "presence"]
        assert came == ["online"]
        await bobs[0].send("leave", room="r")
        assert [f for f in await heard(alice) if f["type"] == "presence"] == []
        await bobs[1].send("leave", room="r")
        assert [f["state"] for f in await heard(alice) if f["type"] == "presence"] == ["offline"]


async def test_the_members_of_a_node_that_is_cut_off_go_within_a_lease_and_a_beat(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (nodes, one, two):
        alice, bob = await in_room(one, "alice"), await in_room(two, "bob")
        await heard(alice)
        nodes.wires["two"].path = WirePath.BLACK_HOLE
        with trio.fail_after(LEASE * 1.25 + A_MOMENT):
            assert (await alice.until("presence"))["state"] == "offline"
        assert await bob.closed() == (1012, "session ended: fenced")


async def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_doubled(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (nodes, one, two):
        alice, bob = await in_room(one, "alice"), await in_room(two, "bob")
        nodes.wires["one"].replies_to_lose = 2
        await alice.say("r", "once", "1")
        assert texts(await heard(bob)) == ["once"]


async def test_an_engine_that_is_away_for_a_moment_delays_the_ack(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (nodes, one, two):
        alice, bob = await in_room(one, "alice"), await in_room(two, "bob")
        nodes.engine.stop()
        await alice.send("say", room="r", text="meanwhile", id="1")
        await trio.sleep(LEASE / 3)
        nodes.engine.start()
        await alice.until("ack", id="1")
        assert texts(await heard(bob)) == ["meanwhile"]
        await heard(alice)
        assert texts(alice.heard) == ["meanwhile"]


async def test_who_waits_too_long_is_told_and_sends_the_same_again(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is said is not answered: the lease is renewed, so the session lives on."""
    run = SimulatedWire.run

    async def without_appends(
        wire: SimulatedWire, script: Script, keys: Sequence[str], args: Sequence[str | int]
    ) -> Reply:
        answer = await run(wire, script, keys, args)
        if script.name == "append":
            raise EngineUnknown("simulated", "its answer was lost")
        return answer

    async with two_nodes(tmp_path) as (_, one, two):
        alice, bob = await in_room(one, "alice"), await in_room(two, "bob")
        with monkeypatch.context() as while_it_lasts:
            while_it_lasts.setattr(SimulatedWire, "run", without_appends)
            began = trio.current_time()
            await alice.send("say", room="r", text="late", id="1")
            assert (await alice.until("error", id="1"))["code"] == "storage"
            assert STORE_WITHIN <= trio.current_time() - began <= STORE_WITHIN + 1
        await alice.say("r", "late", "1")
        assert texts(await heard(bob)) == ["late"]


async def test_while_nobody_can_be_asked_nobody_is_let_in_and_told_so(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (nodes, one, _):
        nodes.engine.stop()
        await trio.sleep(2 * LEASE)
        async with one.visit("alice", "tab") as guest:
            code, reason = await guest.closed()
        assert code == 1013
        assert reason.startswith("The servers cannot agree at the moment. Retry in")
        nodes.engine.start()
        await trio.sleep(LEASE)
        await one.enter("alice", "tab")


async def test_an_engine_that_lost_everything_begins_anew_and_says_so(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (nodes, one, two):
        alice = await in_room(one, "alice")
        lost = await alice.say("r", "lost", "1")
        nodes.engine.stop()
        nodes.engine.start(with_data=False)
        assert await alice.closed() == (1012, "session ended: fenced")
        await trio.sleep(2 * LEASE)
        alice = await one.enter("alice", "tab")
        assert (await alice.join("r", since=lost))["seq"] == 0
        bob = await in_room(two, "bob")
        await bob.say("r", "new", "1")
        assert texts(await heard(alice)) == ["new"]


async def test_who_hears_a_log_rewritten_is_told_to_begin_anew(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (nodes, one, two):
        alice, bob = await in_room(one, "alice"), await in_room(two, "bob")
        kept = await alice.say("r", "kept", "1")
        snapshot = nodes.engine.snapshot()
        await alice.say("r", "lost", "2")
        assert texts(await heard(bob)) == ["kept", "lost"]
        nodes.engine.rewind(snapshot)
        new = await alice.say("r", "new", "3")
        assert (await bob.until("joined"))["seq"] == kept
        assert texts(await heard(bob)) == ["new"]
        assert (await bob.join("r", since=kept))["seq"] == new


async def test_the_assistant_finds_what_was_said_on_another_node(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (_, one, two):
        alice, bob = await in_room(one, "alice"), await in_room(two, "bob")
        await alice.say("r", "The build is green on Tuesdays.", "1")
        await alice.say("r", "Nothing about it.", "2")
        await bob.send("ask", text="when is the build green?", id="q")
        answer = await bob.until("agent_completed")
        assert answer["sources"][0]["text"] == "The build is green on Tuesdays."


async def test_a_logout_reaches_the_other_nodes_and_those_that_start_later(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with two_nodes(tmp_path) as (nodes, one, two):
        guest = await two.enter("alice", "tab")
        login = one.server.edge.logins.verify(guest.token)
        one.server.edge.logins.log_out(login)
        assert await one.server.edge.sessions.logged_out(login)
        assert await guest.closed() == (4001, "logged out")
        late = await nodes.start("late")
        await trio.sleep(A_MOMENT)
        async with late.visit("alice", "tab", token=guest.token) as again:
            assert (await again.closed())[0] == 1008


async def test_a_logout_that_cannot_be_told_is_owned_up_to(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with two_nodes(tmp_path) as (nodes, one, _):
        guest = await one.enter("alice", "tab")
        login = one.server.edge.logins.verify(guest.token)
        nodes.engine.stop()
        assert not await one.server.edge.sessions.logged_out(login)
        nodes.engine.start()


@pytest.mark.parametrize("seed", range(3))
async def test_a_crowd_on_three_nodes_hears_the_same(
    seed: int, tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_nodes(tmp_path, seed=seed) as nodes:
        chats = [await nodes.start(name) for name in ("one", "two", "three")]
        await trio.sleep(LEASE + 1)
        guests = [await in_room(chat, f"user {number}") for number, chat in enumerate(3 * chats)]
        for each in range(3):
            for number, guest in enumerate(guests):
                await guest.send("say", room="r", text=f"{number}.{each}", id=f"{number}.{each}")
        stories = [texts(await heard(guest)) for guest in guests]
        assert all(story == stories[0] for story in stories)
        assert len(stories[0]) == 3 * len(guests)
