"""The whole chat over long virtual times and a network at its worst: nothing is lost, or random."""

from __future__ import annotations

import io
import math
import random
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from supervisor import ConnectionDetached, Refused
from supervisor.__main__ import main as judge
from supervisor.testing import run

from .virtual import FOUND_DEAD, SLOT_FREE, Guest, VirtualChat, facts_of, is_welcome, open_virtual_chat

MINUTE = 60.0

# How long the server may take to learn of an end that reached it: the way there, in seconds.
TOLD = 0.1


@attrs.define(eq=False)
class Tab:
    """One client of alice's that comes and goes, never in the same way twice."""

    name: str
    chat: VirtualChat
    dice: random.Random
    gone_by: dict[str, float]
    """By session: from when on the server must know that its client is gone."""
    number: int = 0
    waited: list[float] = attrs.field(init=False, factory=list[float])
    """For each visit, how long it took to be let in."""

    async def come_and_go(self, until: float) -> None:
        while trio.current_time() < until:
            wants = trio.current_time()
            self.number += self.dice.randrange(2)  # the same session again, or a new one
            while not await self.visit():
                await trio.sleep(self.dice.uniform(0.1, 1))
            self.waited.append(trio.current_time() - wants)
            await trio.sleep(self.dice.uniform(0, 0.5))

    async def visit(self) -> bool:
        """Come in, say something, and go in one of five ways; was it let in?"""
        session = f"{self.name}-{self.number}"
        # Perhaps an earlier connection of the session is a ghost that was not found so far.
        gone_by = self.gone_by.get(session, 0.0)
        self.gone_by[session] = math.inf
        async with self.chat.visit("alice", session) as guest:
            welcome = await is_welcome(guest)
            if welcome:
                await guest.join(session)
                await guest.say(session, "here I am", f"{session} {trio.current_time()}")
                await trio.sleep(self.dice.uniform(0, 3))
                patience = await self.go(guest)
                gone_by = max(gone_by, trio.current_time() + patience)
        self.gone_by[session] = gone_by
        return welcome

    async def go(self, guest: Guest) -> float:
        """Gives how long it may take the server to learn of it."""
        match self.dice.randrange(5):
            case 0:
                await guest.stream.aclose()
            case 1:
                guest.link.cut()
            case 2:
                guest.stream.abort()
            case 3:
                guest.link.silence()
                return FOUND_DEAD
            case _:
                pass  # with a goodbye, as the end of the block says one
        return TOLD


async def hammer(folder: Path, seed: int, *, duration: float = 10 * MINUTE) -> tuple[list[Tab], Any]:
    """Three tabs of one user with three slots; gives them, and all that happened.

    Its journal is in `folder`, and the log of it is judged.
    """
    journal = io.BytesIO()
    tabs, facts = await _hammer(folder, seed, duration, journal)
    (folder / "chat.jsonl").write_bytes(journal.getvalue())
    return tabs, facts


async def _hammer(folder: Path, seed: int, duration: float, journal: io.BytesIO) -> tuple[list[Tab], Any]:
    async with open_virtual_chat(folder, limit=3, journal=journal) as chat:
        gone_by: dict[str, float] = {}
        dice = [random.Random(f"{seed} {number}") for number in range(3)]  # noqa: S311  # dice, not secrets
        tabs = [Tab(f"tab-{number}", chat, each, gone_by) for number, each in enumerate(dice)]
        async with trio.open_nursery() as watch:
            watch.start_soon(watch_refusals, chat, gone_by)
            async with trio.open_nursery() as nursery:
                for tab in tabs:
                    nursery.start_soon(tab.come_and_go, duration)
            watch.cancel_scope.cancel()
        await trio.sleep(FOUND_DEAD + SLOT_FREE)
        assert (chat.keys("alice"), chat.network.links) == (set(), ()), "a ghost"
        assert (len(chat.server.edge.logins), len(chat.server.edge.rates)) == (0, 1)
        for number in range(3):
            await chat.enter("alice", f"afterwards {number}")
        return tabs, facts_of(chat.log)


async def watch_refusals(chat: VirtualChat, gone_by: dict[str, float]) -> None:
    """Nobody may be refused because of one whom the server had to know to be gone."""
    with chat.supervisor.events() as news:
        async for event in news:
            holders = event.refusal.holders if isinstance(event, Refused) else ()
            for holder in holders:
                assert trio.current_time() <= gone_by[holder.key], f"refused because of a ghost: {holder}"


@pytest.mark.parametrize("seed", range(3))
def test_three_clients_that_reconnect_for_ten_minutes_are_never_locked_out(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tabs, _ = run(hammer, tmp_path, seed, seed=seed)
    for tab in tabs:
        assert len(tab.waited) >= 100, "it came and went all the time"
        assert max(tab.waited) <= FOUND_DEAD, "as long as a ghost can pass for somebody alive"
    assert judge(["check", str(tmp_path / "chat.jsonl")]) == 0
    said = capsys.readouterr().out
    assert said.endswith("\nNothing was broken.\n"), said
    assert "It has no end" not in said


def test_the_same_seed_gives_the_same_log(tmp_path: Path) -> None:
    def log(name: str, seed: int) -> Any:
        folder = tmp_path / name
        folder.mkdir()
        return run(hammer_a_minute, folder, seed=seed)

    assert log("once", 1) == log("again", 1)
    assert log("once more", 1) != log("otherwise", 2)


async def hammer_a_minute(folder: Path) -> Any:
    """The dice of the tabs are the same: only Trio's decide."""
    return (await hammer(folder, 0, duration=MINUTE))[1]


async def chat_for_an_hour(folder: Path) -> None:
    async with open_virtual_chat(folder) as chat:
        guests = [await chat.enter(f"user {number}", "tab") for number in range(20)]
        for guest in guests:
            await guest.join("r")
        for minute in range(60):
            await guests[minute % 20].send("say", room="r", text="still here", id=str(minute))
            await trio.sleep(MINUTE)
        for guest in guests:
            said = await guest.messages(60)
            assert [message["seq"] for message in said] == list(range(1, 61))
        assert chat.happened(ConnectionDetached) == []
        assert trio.current_time() >= 60 * MINUTE


def test_twenty_clients_chat_for_an_hour(tmp_path: Path) -> None:
    run(chat_for_an_hour, tmp_path)
