"""Who is in which room, and what reaches whom: every message once, in order, without a gap."""

from __future__ import annotations

from collections import Counter

import attrs

from actors import Connection, Group

from .history import History, Stored
from .protocol import Join, Joined, Message, Presence, TypingNow, encode

# What a newcomer sees of a room, in messages: a screen or two.
BACKLOG = 50

# How many messages one read of the history brings while somebody catches up.
PAGE = 200


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
    """By user: how many of the user's sessions are in."""
    listeners: Group[Listener] = attrs.field(factory=Group[Listener])
    _live: Group[None] = attrs.field(factory=Group[None])
    """Of these, those that hear every message as it comes."""
    _caught_up: list[Listener] = attrs.field(factory=list[Listener])
    """Those that do from the first message on that they have not found in the history."""
    published: int = 0
    """Counts what was published; tells whoever catches up whether he missed anything."""

    def publish(self, seq: int, text: str) -> None:
        """Send a message to all who have caught up so far."""
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

    def whisper(self, text: str, *, by: str) -> None:
        """Send to all but `by` what is worth nothing later: who has anything waiting goes without."""
        self.listeners.broadcast(text, to=lambda wire, listener: listener.user != by and wire.keeps_up)


@attrs.define(eq=False)
class Rooms:
    """All rooms that somebody is in. A service of the server's: managers share nothing else."""

    _rooms: dict[str, Room] = attrs.field(init=False, factory=dict[str, Room])

    def publish(self, stored: Stored) -> int:
        """Send a message that has just been committed to all who listen, and say how many those are.

        In order of seq.
        """
        room = self._rooms.get(stored.room)
        if room is None:
            return 0
        room.publish(stored.seq, encode(as_message(stored)))
        return len(room.listeners)

    def enter(self, name: str, user: str) -> None:
        """One more session of `user` is in the room."""
        room = self._rooms.setdefault(name, Room(name))
        room.members[user] += 1
        if room.members[user] == 1:
            room.tell(encode(Presence(name, user, "online")))

    def leave(self, name: str, user: str) -> None:
        """One session of `user` less is in the room."""
        room = self._rooms[name]
        room.members[user] -= 1
        if not room.members[user]:
            del room.members[user]
            room.tell(encode(Presence(name, user, "offline")))
        self._forget_if_empty(room)

    def typing(self, name: str, user: str) -> None:
        """Tell the others in the room that `user` types; dropped first when somebody is slow."""
        self._rooms[name].whisper(encode(TypingNow(name, user)), by=user)

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
        """Send `joined`, then what came after `since`, and from then on everything as it comes.

        Nothing is missed or doubled between the history and what is live: it is live only once a
        read began and ended with nothing published in between. Ends early when the connection
        left, or joined again. Raises ConnectionClosed, StorageError.
        """
        latest = await history.last_seq(join.room)
        room = self._rooms.get(join.room)
        if room is None or listener.connection not in room.listeners:
            return  # left again meanwhile
        if join.since is None:
            listener.seq = max(0, latest - BACKLOG)
        listener.connection.send_nowait(encode(Joined(join.room, sorted(room.members), latest)))
        while self._room_of(join.room, listener) is room:
            mark = room.published
            page = await history.after(join.room, listener.seq, limit=PAGE)
            for stored in page:
                await listener.connection.wait_sendable()
                if self._room_of(join.room, listener) is not room:
                    return
                listener.connection.send_nowait(encode(as_message(stored)))
                listener.seq = stored.seq
            if len(page) < PAGE and room.published == mark and self._room_of(join.room, listener) is room:
                room.begin_live(listener)
                return

    def _room_of(self, name: str, listener: Listener) -> Room | None:
        """The room, while this is the connection's listener there."""
        room = self._rooms.get(name)
        return room if room is not None and room.listeners.get(listener.connection) is listener else None

    def _forget_if_empty(self, room: Room) -> None:
        if not room.members and not len(room.listeners):
            self._rooms.pop(room.name, None)


def as_message(stored: Stored) -> Message:
    """A stored message as it goes over the wire."""
    return Message(stored.room, stored.seq, stored.user, stored.text, stored.at, stored.id)
