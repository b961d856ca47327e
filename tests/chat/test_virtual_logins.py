"""A login ends when its token does, to the second: also for connections that are there already."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import trio
import trio_websocket
from trio.testing import MockClock

from examples.chat.limits import Limits
from examples.chat.session import Wedge
from supervisor import ConnectionDetached, Started

from .virtual import EPOCH, Guest, VirtualChat, open_virtual_chat

EXPIRED = (4001, "log in again: the token has expired")


async def expired_at(chat: VirtualChat, guest: Guest) -> float:
    """When the server let go of the only connection of that session, which was told why."""
    detached = await chat.until(ConnectionDetached, guest.session)
    assert await guest.closed() == EXPIRED
    return detached.stamp.at


async def test_a_connection_is_closed_at_the_moment_that_its_token_expires(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        began = trio.current_time()
        tokens = [chat.issue("alice", age=age) for age in (100, 1000)]
        soon, later = [await chat.enter("alice", f"{n}", token=token) for n, token in enumerate(tokens)]
        bob = await chat.enter("bob", "tab")
        assert await expired_at(chat, soon) == pytest.approx(began + 100, abs=1e-3)
        assert await later.before_pong() == []
        assert chat.ended() == {}, "the session is left to its grace"
        assert await expired_at(chat, later) == pytest.approx(began + 1000, abs=1e-3)
        assert await bob.before_pong() == []


async def test_one_login_does_not_last_longer_because_it_is_used(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        began = trio.current_time()
        token = chat.issue("alice", age=600)
        busy = await chat.enter("alice", "busy", token=token)
        await trio.sleep(500)
        late = await chat.enter("alice", "late", token=token)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chatter, busy)
            for guest in (late, busy):
                assert await expired_at(chat, guest) == pytest.approx(began + 600, abs=1e-3)
            nursery.cancel_scope.cancel()
        async with chat.visit("alice", "late", token=token) as again:
            assert await again.closed() == (1008, "the token is expired; log in again")


async def chatter(guest: Guest) -> None:
    with suppress(trio_websocket.ConnectionClosed):
        while True:
            await guest.send("ping")
            await trio.sleep(1)


async def test_also_one_that_waits_for_a_session_that_hangs_is_closed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_virtual_chat(tmp_path) as chat:
        began = trio.current_time()
        guest = await chat.enter("alice", "tab", token=chat.issue("alice", age=4))
        ref = chat.supervisor.lookup("alice", "tab")
        assert ref is not None
        ref.tell_nowait(Wedge())
        for number in range(80):  # more than its mailbox holds
            await guest.send("say", room="r", text="hello?", id=f"{number}")
        assert await expired_at(chat, guest) == pytest.approx(began + 4, abs=1e-3)


async def test_what_lasts_longer_on_paper_than_the_server_issues_is_as_good_as_it_says(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A token of the command line, for a script, say: its end is in it, and signed."""
    async with open_virtual_chat(tmp_path, limits=Limits(token_age=60)) as chat:
        issued = chat.server.edge.logins.tokens.issue("alice")
        assert chat.server.edge.logins.verify(issued).ends_at == EPOCH + trio.current_time() + 60
        guest = await chat.enter("alice", "tab", token=chat.issue("alice", age=600))
        await trio.sleep(120)
        assert await guest.before_pong() == []


async def test_a_logout_reaches_whoever_is_still_on_the_way_in(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """All slots are taken by sessions that hang: alice waits for one, and is logged out meanwhile."""
    async with open_virtual_chat(tmp_path, limit=1) as chat:
        await wedged(chat, "tab")
        token = chat.issue("alice")
        async with chat.visit("alice", "tab", token=token) as guest:
            await trio.sleep(0.05)
            logins = chat.server.edge.logins
            logins.log_out(logins.verify(token))
            assert await guest.closed() == (4001, "logged out")


async def wedged(chat: VirtualChat, session: str) -> None:
    """A session that is stopping and takes its grace for it."""
    await chat.enter("alice", session)
    ref = chat.supervisor.lookup("alice", session)
    assert ref is not None
    ref.tell_nowait(Wedge())
    await trio.sleep(0.1)
    ref.stop()
    assert len(chat.happened(Started)) == 1


async def test_no_login_that_is_over_is_remembered(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_virtual_chat(tmp_path, limits=Limits(revoked=5)) as chat:
        logins = chat.server.edge.logins
        for number in range(20):
            async with chat.visit("alice", f"{number}", token=chat.issue("alice", age=60)) as guest:
                await guest.until("welcome")
                logins.log_out(logins.verify(guest.token))
                assert await guest.closed() == (4001, "logged out")
        await trio.sleep(1)
        assert len(logins) == 0
        assert len(logins.revoked) <= 5
