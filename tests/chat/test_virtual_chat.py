"""The whole chat in virtual time: what the network does to its clients, to the second."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from examples.chat.session import Wedge
from supervisor import ConnectionDetached, Started, Terminal

from .virtual import (
    CONNECTION,
    FOUND_DEAD,
    HEALTH,
    SLOT_FREE,
    VirtualChat,
    is_welcome,
    open_virtual_chat,
)

BIG = "x" * 4000

# Seconds from a refusal to the next attempt.
ASKS_EVERY = 0.5


async def test_a_half_open_client_is_found_and_its_slot_is_free_after_the_grace(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        ghost, other = await chat.enter("alice", "ghost"), await chat.enter("alice", "other")
        await trio.sleep(7)
        ghost.link.silence()
        since = trio.current_time()
        detached = await chat.until(ConnectionDetached, "ghost")
        assert "silent for" in detached.why
        assert detached.stamp.at - since <= FOUND_DEAD
        await trio.sleep(SLOT_FREE)
        [ended] = chat.happened(Terminal)
        assert (ended.key, ended.exit.reason.value) == ("ghost", "disconnected")
        assert HEALTH.attach_grace <= ended.stamp.at - detached.stamp.at <= SLOT_FREE
        assert await other.before_pong() == []


async def test_a_half_open_clients_slot_is_free_as_soon_as_it_is_wanted(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path, limit=2) as chat:
        ghost, other = await chat.enter("alice", "ghost"), await chat.enter("alice", "other")
        ghost.link.silence()
        wanted = await wanted_until_let_in(chat, "new")
        # Who was heard within `ping_timeout` is not asked; then two pings; and alice asks in steps.
        assert wanted <= 2 * CONNECTION.ping_timeout + CONNECTION.second_chance + 2 * ASKS_EVERY
        assert chat.ended() == {"ghost": "disconnected"}
        assert chat.keys("alice") == {"other", "new"}
        assert await other.before_pong() == []


async def wanted_until_let_in(chat: VirtualChat, session: str) -> float:
    """How long it took alice to be let in, who asks again and again."""
    began = trio.current_time()
    while True:
        async with chat.visit("alice", session) as guest:
            if await is_welcome(guest):
                return trio.current_time() - began
        await trio.sleep(ASKS_EVERY)


async def test_a_reader_that_stalls_is_cut_off_and_nobody_else_loses_a_message(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        alice, stalled = await chat.enter("alice", "tab"), await chat.enter("bob", "stalled")
        others = [alice, *[await chat.enter(name, "tab") for name in ("carol", "dave")]]
        for guest in (stalled, *others):
            await guest.join("r")
        stalled.link.down.stall()
        for number in range(120):
            await alice.send("say", room="r", text=BIG, id=str(number))
            await trio.sleep(0.05)
        detached = await chat.until(ConnectionDetached, "stalled")
        assert "4008" in detached.why
        for guest in others:
            said = await guest.messages(120)
            assert [message["seq"] for message in said] == list(range(1, 121))
        assert chat.happened(ConnectionDetached) == [detached]
        assert await stalled.closed() == (1006, ""), "it learns of the reset"


async def test_a_client_that_hangs_up_without_a_goodbye_is_gone_at_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path, limit=1) as chat:
        guest = await chat.enter("alice", "tab")
        await guest.stream.aclose()
        began = trio.current_time()
        await chat.until(ConnectionDetached, "tab")
        assert trio.current_time() - began <= 0.05
        async with chat.visit("alice", "new") as new:
            assert await is_welcome(new)
        assert chat.ended() == {"tab": "disconnected"}


async def test_a_message_cut_in_the_middle_was_never_said_and_can_be_said_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path, capacity=2048) as chat:
        bob = await chat.enter("bob", "tab")
        alice = await chat.enter("alice", "tab")
        for guest in (bob, alice):
            await guest.join("r")
        await alice.send("say", room="r", text=BIG, id="1")
        assert 0 < 2048 - alice.link.up.room < len(BIG) / 2 + 100, "the first half has arrived"
        alice.link.cut()
        assert [frame["type"] for frame in await bob.before_pong()] == ["presence"]
        assert (await alice.closed())[0] == 1006
        again = await chat.enter("alice", "tab")
        await again.join("r")
        assert await again.say("r", BIG, "1") == 1
        [said] = await bob.messages(1)
        assert (said["seq"], said["id"], said["text"]) == (1, "1", BIG)
        assert await bob.before_pong() == []
        assert len(chat.happened(Started)) == 2, "it resumed its session"


@pytest.mark.parametrize(("delay", "cut"), [(2.95, False), (3.05, True)])
async def test_who_takes_six_seconds_to_answer_a_ping_is_just_in_time(
    delay: float, cut: bool, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The first ping goes out at 20 s, the second, at 22 s, gives four seconds more."""
    async with open_virtual_chat(tmp_path) as chat:
        guest = await chat.enter("alice", "tab")
        guest.link.delay(delay)
        await trio.sleep(600)
        assert bool(chat.happened(ConnectionDetached)) == cut
        if not cut:
            assert await guest.before_pong() == []


async def test_five_wedged_sessions_of_twenty_make_room_after_their_budget_and_only_they(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        guests = [await chat.enter("alice", f"tab-{number}") for number in range(20)]
        wedged = {guest.session for guest in guests[::4]}
        for session in wedged:
            ref = chat.supervisor.lookup("alice", session)
            assert ref is not None
            ref.tell_nowait(Wedge())
        async with chat.visit("alice", "too early") as early:
            assert not await is_welcome(early)
        await trio.sleep(HEALTH.budget)
        began = trio.current_time()
        await chat.enter("alice", "new")
        assert trio.current_time() - began <= 0.2
        assert chat.ended() == dict.fromkeys(wedged, "unresponsive")
        for guest in guests:
            if guest.session in wedged:
                assert (await guest.closed())[0] == 1011
            else:
                assert await guest.before_pong() == []
