"""Who is said to be there, who types, and whose question it was: per user, and per session."""

from __future__ import annotations

from pathlib import Path

import trio
from trio.testing import MockClock

from .support import Frame
from .virtual import FOUND_DEAD, HEALTH, SLOT_FREE, Guest, VirtualChat, open_virtual_chat

BIG = "x" * 4000


async def in_room(chat: VirtualChat, user: str, session: str) -> Guest:
    guest = await chat.enter(user, session)
    await guest.join("r")
    return guest


async def presence(guest: Guest) -> list[tuple[str, str]]:
    """Who came and who went, since it was asked last."""
    return [(frame["user"], frame["state"]) for frame in told(await guest.before_pong(), "presence")]


def told(frames: list[Frame], type: str) -> list[Frame]:
    return [frame for frame in frames if frame["type"] == type]


async def test_one_of_two_tabs_that_is_closed_is_nobodys_news(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        alice = await in_room(chat, "alice", "tab")
        one, two = [await in_room(chat, "bob", name) for name in ("one", "two")]
        assert await presence(alice) == [("bob", "online")]
        await one.close()
        await trio.sleep(SLOT_FREE)
        assert chat.ended() == {"one": "disconnected"}
        assert await presence(alice) == []
        await two.close()
        await trio.sleep(HEALTH.attach_grace - 1)
        assert await presence(alice) == [], "he might still come back"
        await trio.sleep(SLOT_FREE)
        assert await presence(alice) == [("bob", "offline")]


async def test_a_tab_that_vanishes_and_comes_back_within_its_grace_does_not_flicker(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        alice = await in_room(chat, "alice", "tab")
        bob = await in_room(chat, "bob", "tab")
        assert await presence(alice) == [("bob", "online")]
        for _ in range(20):
            bob.link.cut()
            await trio.sleep(HEALTH.attach_grace - 0.5)
            bob = await chat.enter("bob", "tab")
            assert bob.heard[0]["resumed"] is True
            await bob.join("r", since=0)
        bob.link.silence()
        await trio.sleep(FOUND_DEAD + 1)
        await in_room(chat, "bob", "tab")
        assert await presence(alice) == []
        assert chat.ended() == {}


async def test_a_user_whose_only_tab_has_vanished_is_told_to_be_gone_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        alice = await in_room(chat, "alice", "tab")
        bob = await in_room(chat, "bob", "tab")
        bob.link.silence()
        await trio.sleep(FOUND_DEAD + SLOT_FREE + 1)
        assert await presence(alice) == [("bob", "online"), ("bob", "offline")]


async def test_who_reads_slowly_hears_what_was_said_but_not_who_typed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path, capacity=2048) as chat:
        alice, slow, quick = [await in_room(chat, name, "tab") for name in ("alice", "slow", "quick")]
        await alice.send("typing", room="r")
        await alice.before_pong()
        for guest in (slow, quick):
            assert len(told(await guest.before_pong(), "typing")) == 1, "nothing is in the way"
        slow.link.down.stall()
        for number in range(5):
            await alice.say("r", BIG, f"{number}")
        for _ in range(20):
            await alice.send("typing", room="r")
            await trio.sleep(0.1)
        slow.link.resume()
        heard = await slow.before_pong()
        assert [frame["seq"] for frame in told(heard, "message")] == [1, 2, 3, 4, 5]
        assert told(heard, "typing") == []
        assert len(told(await quick.before_pong(), "typing")) == 20


AGENT = {"agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"}


async def test_the_steps_of_an_answer_reach_all_tabs_of_the_asking_session_and_nobody_else(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        asks, same, other = [await in_room(chat, "alice", name) for name in ("tab", "tab", "other")]
        bob = await in_room(chat, "bob", "tab")
        await bob.say("r", "the cake is in the kitchen", "1")
        await asks.send("ask", text="where is the cake?", id="q")
        for guest in (asks, same):
            await guest.until("agent_completed", id="q")
            assert {frame["type"] for frame in guest.heard if frame.get("id") == "q"} == AGENT
        for guest in (other, bob):
            await guest.before_pong()
            assert not AGENT & {frame["type"] for frame in guest.heard}


async def test_each_message_is_judged_by_what_its_own_session_may(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        bob, alice = await in_room(chat, "bob", "tab"), await in_room(chat, "alice", "tab")
        other, eve = await chat.enter("alice", "other"), await chat.enter("eve", "tab")
        await presence(bob)
        for outsider in (other, eve):
            await outsider.send("say", room="r", text="let me in", id="1")
            await outsider.send("typing", room="r")
            errors = await outsider.before_pong()
            assert [(error["code"], error.get("id")) for error in errors] == [
                ("not_joined", "1"),
                ("not_joined", None),
            ]
        await alice.send("leave", room="r")
        await alice.send("say", room="r", text="one last word", id="2")
        await alice.send("typing", room="r")
        codes = [frame["code"] for frame in told(await alice.before_pong(), "error")]
        assert codes == ["not_joined", "not_joined"]
        assert [frame["type"] for frame in await bob.before_pong()] == ["presence"]
        assert await bob.say("r", "the first word here", "1") == 1
