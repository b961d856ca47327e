"""Who is in which room, and what reaches whom: every message once, in order, without a gap."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import attrs
import trio

from actors import Connection, Group

from .history import History, Stored
from .protocol import Join, Joined, Message, Presence, TypingNow, encode

# What a newcomer sees of a room, in messages: a screen or two.
BACKLOG = 50

# How many messages one read of the history brings while somebody catches up.
PAGE = 200


class Reach(Protocol):
    """What becomes of a room beyond this process. None of it blocks."""

    def open(self, room: Room) -> None:
        """Somebody here is in it now. Sets `room.followed` once nothing that is said anywhere is missed."""
        ...

    def close(self, name: str) -> None:
        """Nobody here is in it any more."""
        ...

    def enter(self, name: str, user: str) -> None:
        """The first session of `user` is in it here."""
        ...

    def leave(self, name: str, user: str) -> None:
        """The last session of `user` has left it here."""
        ...

    def typing(self, name: str, user: str) -> None:
        """Somebody here types in it."""
        ...


@attrs.frozen
class NoReach(Reach):
    """One process has it all."""

    def open(self, room: Room) -> None:
        room.followed.set()

    def close(self, name: str) -> None: ...

    def enter(self, name: str, user: str) -> None: ...

    def leave(self, name: str, user: str) -> None: ...

    def typing(self, name: str, user: str) -> None: ...


@attrs.define(eq=False)
class Listener:
    """One connection's view of one room: behind at first, live once it has caught up."""

    connection: Connection
    user: str
    seq: int
    """The last message that it found in the history."""


@attrs.define(eq=False)
class Room:
    """One room, while somebody is in it."""

    name: str
    members: Counter[str] = attrs.field(factory=Counter[str])
    """By user: how many of the user's sessions are in, here."""
    everywhere: frozenset[str] = frozenset()
    """Who is in it by any process, as far as that is known; empty where there is but one."""
    shown: set[str] = attrs.field(factory=set[str])
    """Who is in it, as the listeners have been told."""
    followed: trio.Event = attrs.field(factory=trio.Event)
    """Set once everything that is said in it is published here."""
    listeners: Group[Listener] = attrs.field(factory=Group[Listener])
    _live: Group[None] = attrs.field(factory=Group[None])
    """Of these, those that hear every message as it comes."""
    _caught_up: list[Listener] = attrs.field(factory=list[Listener])
    """Those that do from the first message on that they have not found in the history."""
    published: int = 0
    """Counts what was published; tells whoever catches up whether he missed anything."""

    def publish(self, stored: Stored) -> None:
        """Send a message to all who have caught up so far."""
        seq, text = stored.seq, encode(as_message(stored))
        self.published += 1
        for listener in self._caught_up[:]:
            if seq > listener.seq:
                self._caught_up.remove(listener)
                self._live.add(listener.connection, None)
        self._live.broadcast(text)

    def begin_live(self, listener: Listener) -> None:
        """It has found all in the history so far; what is not in there it hears as it comes."""
        self._caught_up.append(listener)

    def discard(self, connection: Connection) -> None:
        """It is sent nothing more."""
        self.listeners.discard(connection)
        self._live.discard(connection)
        self._caught_up = [each for each in self._caught_up if each.connection is not connection]

    def tell(self, text: str) -> None:
        """Send to all who listen."""
        self.listeners.broadcast(text)

    def show(self, user: str) -> None:
        """Tell of a user whether he is in it, if that is news."""
        is_in = user in self.members or user in self.everywhere
        if is_in and user not in self.shown:
            self.shown.add(user)
            self.tell(encode(Presence(self.name, user, "online")))
        elif not is_in and user in self.shown:
            self.shown.remove(user)
            self.tell(encode(Presence(self.name, user, "offline")))

    def present(self, everywhere: frozenset[str]) -> None:
        """Who is in it by any process now."""
        changed = sorted(self.everywhere ^ everywhere)
        self.everywhere = everywhere
        for user in changed:
            self.show(user)

    def show_typing(self, user: str) -> None:
        """Tell the others who listen here."""
        self.whisper(encode(TypingNow(self.name, user)), by=user)

    def joined(self, seq: int) -> Joined:
        """What a newcomer is told."""
        return Joined(self.name, sorted(self.shown), seq)

    def begin_anew(self, seq: int) -> None:
        """What came after `seq` is in the history no more: who sees this drops it, and joins again."""
        for connection in self.listeners:
            listener = self.listeners.get(connection)
            if listener is not None:
                listener.seq = min(listener.seq, seq)
        self.tell(encode(self.joined(seq)))

    def whisper(self, text: str, *, by: str) -> None:
        """Send to all but `by` what is worth nothing later: who has anything waiting goes without."""
        self.listeners.broadcast(text, to=lambda wire, listener: listener.user != by and wire.keeps_up)


@attrs.define(eq=False)
class Rooms:
    """All rooms that somebody is in. A service of the server's: managers share nothing else."""

    _reach: Reach = attrs.field(factory=NoReach)
    _rooms: dict[str, Room] = attrs.field(init=False, factory=dict[str, Room])

    def publish(self, stored: Stored) -> int:
        """Send a message that has just been committed to all who listen, and say how many those are.

        In order of seq.
        """
        room = self._rooms.get(stored.room)
        if room is None:
            return 0
        room.publish(stored)
        return len(room.listeners)

    def enter(self, name: str, user: str) -> None:
        """One more session of `user` is in the room."""
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = Room(name)
            self._reach.open(room)
        room.members[user] += 1
        if room.members[user] == 1:
            self._reach.enter(name, user)
            room.show(user)

    def leave(self, name: str, user: str) -> None:
        """One session of `user` less is in the room."""
        room = self._rooms[name]
        room.members[user] -= 1
        if not room.members[user]:
            del room.members[user]
            self._reach.leave(name, user)
            room.show(user)
        self._forget_if_empty(room)

    def typing(self, name: str, user: str) -> None:
        """Tell the others in the room that `user` types; dropped first when somebody is slow."""
        self._rooms[name].show_typing(user)
        self._reach.typing(name, user)

    def listen(self, join: Join, user: str, connection: Connection) -> Listener:
        """Note that the connection is to hear of the room; `catch_up` brings it up to date."""
        room, name = self._rooms[join.room], join.room
        listener = Listener(connection, user, join.since or 0)
        room.discard(connection)  # it may be there already, and begins anew
        room.listeners.add(connection, listener)
        connection.call_at_close((self, name), lambda _: self.unlisten(name, connection))
        return listener

    def unlisten(self, name: str, connection: Connection) -> None:
        """The connection is sent nothing more of this room."""
        connection.forget_at_close((self, name))
        room = self._rooms.get(name)
        if room is not None:
            room.discard(connection)
            self._forget_if_empty(room)

    async def catch_up(self, join: Join, listener: Listener, history: History) -> None:
        """Send `joined`, what came after `since`, or else the latest, and then everything as it comes.

        Nothing is missed or doubled between the history and what is live: it is live only once a
        read began and ended with nothing published in between. Ends early when the connection
        left, or joined again. Raises ConnectionClosed, StorageError.
        """
        room = self._rooms.get(join.room)
        if room is not None and not room.followed.is_set():
            await room.followed.wait()
        latest = await history.last(join.room, count=1 if join.since is not None else BACKLOG)
        room = self._rooms.get(join.room)
        if room is None or listener.connection not in room.listeners:
            return  # left again meanwhile
        seq = latest[-1].seq if latest else 0
        listener.connection.send_nowait(encode(room.joined(seq)))
        if join.since is None and not await self._bring(room, listener, latest):
            return
        while self._room_of(join.room, listener) is room:
            mark = room.published
            page = await history.after(join.room, listener.seq, limit=PAGE)
            if not await self._bring(room, listener, page):
                return
            if len(page) < PAGE and room.published == mark and self._room_of(join.room, listener) is room:
                room.begin_live(listener)
                return

    async def _bring(self, room: Room, listener: Listener, page: list[Stored]) -> bool:
        """Send a page as fast as it is read there; False: nobody is there any more."""
        for stored in page:
            await listener.connection.wait_sendable()
            if self._room_of(room.name, listener) is not room:
                return False
            listener.connection.send_nowait(encode(as_message(stored)))
            listener.seq = stored.seq
        return True

    def _room_of(self, name: str, listener: Listener) -> Room | None:
        """The room, while this is the connection's listener there."""
        room = self._rooms.get(name)
        return room if room is not None and room.listeners.get(listener.connection) is listener else None

    def _forget_if_empty(self, room: Room) -> None:
        if not room.members and not len(room.listeners) and self._rooms.get(room.name) is room:
            del self._rooms[room.name]
            self._reach.close(room.name)


def as_message(stored: Stored) -> Message:
    """A stored message as it goes over the wire."""
    return Message(stored.room, stored.seq, stored.user, stored.text, stored.at, stored.id)
