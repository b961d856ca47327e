"""What was said reaches each recipient once, in order and without a gap, whatever happens to the wires."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trio_websocket

from supervisor import ConnectionDetached
from supervisor.testing import run

from .support import Frame
from .virtual import Guest, VirtualChat, open_virtual_chat

MESSAGES = 120

# How long a client without news waits before it comes back by another wire, in seconds.
IMPATIENCE = 3.0


@attrs.define(eq=False)
class Unlucky:
    """A client whose wire is cut again and again, at any moment; it comes back each time."""

    user: str
    chat: VirtualChat
    dice: random.Random
    heard: list[Frame] = attrs.field(init=False, factory=list[Frame])
    visits: int = attrs.field(init=False, default=0)

    @asynccontextmanager
    async def wire(self) -> AsyncGenerator[Guest]:
        """One more connection, which will not last; the block ends when it does."""
        self.visits += 1
        with trio.move_on_after(10 * IMPATIENCE):
            try:
                async with self.chat.visit(self.user, "tab") as guest, trio.open_nursery() as nursery:
                    nursery.start_soon(self.spoil, guest)
                    yield guest
                    nursery.cancel_scope.cancel()
            except* (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.TooSlowError):
                pass
        await trio.sleep(self.dice.uniform(0, 0.5))

    async def spoil(self, guest: Guest) -> None:
        """Some time after it came, have its wire go, in one of four ways."""
        await trio.sleep(self.dice.expovariate(1.0))
        match self.dice.randrange(4):
            case 0:
                guest.link.cut()
            case 1:
                guest.stream.abort()
            case 2:
                guest.link.silence()
            case _:
                guest.link.delay(self.dice.uniform(0, 1))

    async def follow(self, room: str, last: int) -> None:
        """Read until message `last`, coming back from where it was."""
        while len(self.heard) < last:
            async with self.wire() as guest:
                await guest.send("join", room=room, since=len(self.heard))
                while len(self.heard) < last:
                    with trio.fail_after(IMPATIENCE):
                        frame = await guest.next()
                    if frame["type"] == "message":
                        self.heard.append(frame)

    async def tell(self, room: str, count: int) -> None:
        """Say so many things, each until there is an ack for it."""
        said = 0
        while said < count:
            async with self.wire() as guest:
                await guest.send("join", room=room)
                while said < count:
                    with trio.fail_after(IMPATIENCE):
                        await guest.say(room, f"text {said + 1}", f"{said + 1}")
                    said += 1
                    await trio.sleep(self.dice.uniform(0, 0.4))


async def talk(folder: Path, seed: int) -> None:
    """One tells, three follow, each over a wire that is cut all the time; and one over a good wire."""
    async with open_virtual_chat(folder) as chat:
        names = ("alice", "bob", "carol", "dave")
        clients = [Unlucky(name, chat, random.Random(f"{seed} {name}")) for name in names]  # noqa: S311
        teller, *followers = clients
        witness = await chat.enter("witness", "tab")
        await witness.join("r")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(teller.tell, "r", MESSAGES)
            for follower in followers:
                nursery.start_soon(follower.follow, "r", MESSAGES)
        heard = await witness.messages(MESSAGES)
        assert [frame["seq"] for frame in heard] == list(range(1, MESSAGES + 1))
        assert [frame["text"] for frame in heard] == [f"text {n}" for n in range(1, MESSAGES + 1)]
        for follower in followers:
            assert follower.heard == heard, follower.user
        assert min(client.visits for client in clients) >= 5, "they were cut off again and again"
        whys = {event.why.partition(" for ")[0] for event in chat.happened(ConnectionDetached)}
        assert len(whys) >= 2, whys


@pytest.mark.parametrize("seed", range(8))
def test_who_is_cut_off_at_any_moment_and_resumes_has_heard_each_message_once_and_in_order(
    seed: int, tmp_path: Path
) -> None:
    run(talk, tmp_path, seed, seed=seed)
