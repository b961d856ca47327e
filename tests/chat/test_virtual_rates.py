"""Who floods is closed with 1008, by what one connection or one user may; nobody else feels it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import trio
import trio_websocket
from trio.testing import MockClock

from examples.chat.limits import Limits

from .virtual import CONNECTION, Guest, VirtualChat, open_virtual_chat

TOO_FAST = (1008, "too many messages: all of your tabs together may send 20 a second")
LIMITS = Limits()


async def pings(guest: Guest, count: int) -> None:
    """Send so many at once, or as many as it is let."""
    with suppress(trio_websocket.ConnectionClosed):
        for _ in range(count):
            await guest.send("ping")


def pongs(guest: Guest) -> int:
    return sum(frame["type"] == "pong" for frame in guest.heard)


async def tabs_of(chat: VirtualChat, user: str, count: int) -> list[Guest]:
    return [await chat.enter(user, f"{user}'s {number}") for number in range(count)]


async def test_tabs_that_are_each_within_their_limit_are_together_held_to_the_users(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        tabs = await tabs_of(chat, "alice", 6)
        bob = await chat.enter("bob", "tab")
        each = CONNECTION.burst - 5
        for tab in tabs[:4]:
            await pings(tab, each)
        await trio.sleep(0.1)
        spoke = tabs[4]
        await pings(spoke, each)
        assert await spoke.closed() == TOO_FAST
        answered = pongs(spoke) + 4 * each
        assert LIMITS.burst <= answered <= LIMITS.burst + LIMITS.rate
        for tab in (*tabs[:4], tabs[5]):
            assert tab.socket.closed is None, "only who spoke too much is closed"
        await trio.sleep(1)
        assert [frame["type"] for frame in await tabs[5].before_pong()] == []
        assert await bob.before_pong() == []
        assert chat.ended() == {}


async def test_who_is_closed_for_it_resumes_his_session(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_virtual_chat(tmp_path, limits=Limits(rate=20, burst=40)) as chat:
        flooder = await chat.enter("alice", "tab")
        await flooder.join("r")
        await pings(flooder, 90)
        assert await flooder.closed() == TOO_FAST
        await trio.sleep(1)
        again = await chat.enter("alice", "tab")
        assert again.heard[0]["resumed"] is True
        assert await again.say("r", "sorry", "1") == 1


async def test_coming_back_on_new_wires_brings_no_fresh_bucket(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path, limits=Limits(rate=20, burst=40)) as chat:
        began, answered = trio.current_time(), 0
        for _ in range(10):
            async with chat.visit("alice", "tab") as guest:
                await guest.until("welcome")
                await pings(guest, 90)
                assert await guest.closed() == TOO_FAST
                answered += pongs(guest)
        assert answered <= 40 + 20 * (trio.current_time() - began) + 1
        await trio.sleep(40 / 20 + 1)
        async with chat.visit("bob", "tab") as bob:
            await bob.until("welcome")
        assert len(chat.server.edge.rates) <= 2


async def test_a_steady_talker_within_the_rate_is_never_closed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        tabs = await tabs_of(chat, "alice", 4)
        for _ in range(300):
            for tab in tabs:
                await pings(tab, 1)
            await trio.sleep(len(tabs) / LIMITS.rate)
        for tab in tabs:
            for _ in range(300):
                await tab.until("pong")
            assert await tab.before_pong() == []
