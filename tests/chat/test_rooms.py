"""Between the history and what is live nothing is missed, and nothing comes twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import Connection
from examples.chat.history import Draft, History, Stored, open_history
from examples.chat.protocol import Join
from examples.chat.rooms import Rooms
from supervisor.testing import MemoryTransport

ROOM = "trio"


@attrs.define(eq=False)
class Visitor:
    """Has entered the room, and says what it has heard there."""

    transport: MemoryTransport
    connection: Connection

    @property
    def heard(self) -> list[int]:
        """The seq of each message, in order."""
        came = [msgspec.json.decode(text) for text in self.transport.sent]
        return [message["seq"] for message in came if message["type"] == "message"]


@attrs.define(eq=False)
class House:
    """Rooms on a real history, which tells of a commit only when the test does."""

    rooms: Rooms
    history: History
    committed: list[Stored]
    nursery: trio.Nursery

    async def say(self, text: str) -> Stored:
        """It is on the disk, and nobody has heard it."""
        stored: list[object] = []
        await self.history.submit(Draft(room=ROOM, user="bob", text=text, id=text), stored.append)
        while not stored:
            await trio.sleep(0.001)
        return self.committed[-1]

    async def visit(self) -> Visitor:
        transport = MemoryTransport()
        connection = Connection("memory", transport)
        self.nursery.start_soon(connection.run, _listen)
        self.rooms.enter(ROOM, "alice")
        return Visitor(transport, connection)

    async def join(self, visitor: Visitor, *, since: int) -> None:
        """Until it has caught up."""
        join = Join(ROOM, since)
        listener = self.rooms.listen(join, "alice", visitor.connection)
        await self.rooms.catch_up(join, listener, self.history)
        await wait_all_tasks_blocked()


async def _listen(connection: Connection) -> None:
    while True:
        await connection.receive()


@asynccontextmanager
async def house(folder: Path) -> AsyncGenerator[House]:
    committed: list[Stored] = []
    with trio.fail_after(20):
        async with (
            open_history(folder / "chat.sqlite3", publish=committed.append) as history,
            trio.open_nursery() as nursery,
        ):
            yield House(Rooms(), history, committed, nursery)
            nursery.cancel_scope.cancel()


async def test_what_was_found_in_the_history_does_not_come_again_when_it_is_published(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        late = await here.say("committed, and not yet published")
        visitor = await here.visit()
        await here.join(visitor, since=0)
        assert visitor.heard == [late.seq]
        here.rooms.publish(late)
        here.rooms.publish(await here.say("and one more"))
        await wait_all_tasks_blocked()
        assert visitor.heard == [late.seq, late.seq + 1]


@pytest.mark.parametrize("live", [False, True])
async def test_one_that_joins_again_begins_anew(live: bool, tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        visitor = await here.visit()
        await here.join(visitor, since=0)
        first = await here.say("first")
        if live:
            here.rooms.publish(first)
        await here.join(visitor, since=0)
        assert visitor.heard == [first.seq] * (1 + live), "again, as was asked for"
        if not live:
            here.rooms.publish(first)
        second = await here.say("second")
        here.rooms.publish(second)
        await wait_all_tasks_blocked()
        assert visitor.heard[-1:] == [second.seq]
        assert visitor.heard.count(second.seq) == 1
        assert visitor.heard.count(first.seq) == 1 + live


async def test_while_it_catches_up_anew_nothing_comes_twice(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        visitor = await here.visit()
        await here.join(visitor, since=0)
        here.rooms.publish(await here.say("makes it live"))
        second = await here.say("said while it asks the history again")
        here.rooms.listen(join := Join(ROOM, 1), "alice", visitor.connection)
        here.rooms.publish(second)
        await wait_all_tasks_blocked()
        assert visitor.heard == [1], "it finds it in the history"
        await here.join(visitor, since=join.since or 0)
        assert visitor.heard == [1, second.seq]


async def test_who_has_left_hears_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        caught_up, live = await here.visit(), await here.visit()
        await here.join(live, since=0)
        here.rooms.publish(await here.say("first"))
        await here.join(caught_up, since=0)
        for visitor in (caught_up, live):
            here.rooms.unlisten(ROOM, visitor.connection)
        here.rooms.publish(await here.say("second"))
        await wait_all_tasks_blocked()
        assert (caught_up.heard, live.heard) == ([1], [1])
