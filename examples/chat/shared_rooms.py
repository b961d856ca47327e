"""Rooms over all nodes of a cluster: each follows the room's log, and knows who is in it anywhere."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import attrs
import msgspec
import trio

from supervisor.cluster import (
    GAP,
    Cluster,
    EngineDown,
    EngineUnknown,
    Entry,
    Follower,
    Presence,
    Rewritten,
    Topic,
    Truncated,
)

from .mending import Mending
from .rooms import Reach, Room
from .shared_history import UNREADABLE, log_of, stored_of

_log = logging.getLogger(__name__)

# Who types, and is not told of yet. More is not worth telling.
TYPISTS = 64


class _Typing(msgspec.Struct, frozen=True, array_like=True):
    """What nodes tell each other: `by` is who says it, so that it does not hear itself."""

    by: str
    room: str
    user: str


@attrs.define(eq=False)
class _Here:
    """One room that somebody is in here."""

    room: Room
    presence: Presence
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    farewell: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    """What is said when nobody is in it any more, however long the engine is away."""
    over: trio.Event = attrs.field(factory=trio.Event)
    """Set once it is said, or the room is open again."""
    after: int | None = None
    """All up to here was published here; None: nothing was asked yet."""


@attrs.define(eq=False)
class SharedRooms(Reach):
    """What becomes of rooms beyond this process; made by `open_shared_rooms`."""

    _cluster: Cluster
    _nursery: trio.Nursery
    _typists: trio.MemorySendChannel[_Typing]
    _mending: Mending
    _me: str = attrs.field(init=False, factory=lambda: secrets.token_hex(8))
    _here: dict[str, _Here] = attrs.field(init=False, factory=dict[str, _Here])
    _left: dict[str, _Here] = attrs.field(init=False, factory=dict[str, _Here])
    """Rooms whose farewell is not said yet, for as long as the session lasts that people were in them by."""

    def open(self, room: Room) -> None:
        presence = Presence(self._cluster.engine, f"room:{room.name}", self._cluster, self._cluster.spec)
        here = self._here[room.name] = _Here(room, presence)
        left = self._left.pop(room.name, None)
        self._nursery.start_soon(self._keep, here, left, name=f"room {room.name}")

    def close(self, name: str) -> None:
        here = self._left[name] = self._here.pop(name)
        here.scope.cancel()

    def enter(self, name: str, user: str) -> None:
        here = self._here[name]
        here.presence.enter(user)
        here.room.present(here.presence.who)

    def leave(self, name: str, user: str) -> None:
        self._here[name].presence.leave(user)

    def typing(self, name: str, user: str) -> None:
        try:
            self._typists.send_nowait(_Typing(self._me, name, user))
        except trio.WouldBlock:
            return  # who types goes on typing

    # One room

    async def _keep(self, here: _Here, left: _Here | None) -> None:
        if left is not None:  # two at once would tell the engine opposites; this one will see whom it has
            left.farewell.cancel()
            await left.over.wait()
        with here.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._mending.until_done, here.presence.run)
                nursery.start_soon(self._mending.until_done, partial(self._follow, here))
                await self._show_presence(here)
        with here.farewell:
            await self._mending.until_done(here.presence.farewell)
        if self._left.get(here.room.name) is here:
            del self._left[here.room.name]
        here.over.set()

    async def _show_presence(self, here: _Here) -> None:
        while True:
            here.room.present(here.presence.who)
            await here.presence.wait_changed()

    async def _follow(self, here: _Here) -> None:
        async with log_of(self._cluster, here.room.name).follow(after=here.after) as follower:
            here.after = follower.position
            await here.presence.looked.wait()
            here.room.present(here.presence.who)
            here.room.followed.set()
            await self._publish(here, follower)

    async def _publish(self, here: _Here, follower: Follower) -> None:
        room = here.room
        while True:
            match await follower.receive():
                case Entry() as entry:
                    _publish(room, entry)
                    here.after = entry.position
                case Rewritten(back_to):
                    _log.warning("room %s: the engine has lost what came after %d", room.name, back_to)
                    room.begin_anew(back_to)
                case Truncated():
                    _log.warning("room %s: messages went before this node could read them", room.name)
                    room.begin_anew(0)

    # Who types

    async def tell_who_types(self, typists: trio.MemoryReceiveChannel[_Typing]) -> None:
        topic = self._topic()
        async for typing in typists:
            try:
                await topic.publish(msgspec.json.encode(typing).decode())
            except (EngineDown, EngineUnknown):
                continue  # a moment later it is worth nothing

    async def hear_who_types(self) -> None:
        decoder = msgspec.json.Decoder(_Typing)
        async with self._topic().listen() as subscription:
            while True:
                message = await subscription.receive()
                if message is GAP:
                    continue
                try:
                    typing = decoder.decode(message)
                except UNREADABLE:
                    _log.warning("who types: a message of another node cannot be read, and is skipped")
                    continue
                here = self._here.get(typing.room)
                if here is not None and typing.by != self._me:
                    here.room.show_typing(typing.user)

    def _topic(self) -> Topic:
        return Topic(self._cluster.engine, "chat:typing")


def _publish(room: Room, entry: Entry) -> None:
    stored = stored_of(room.name, entry)
    if stored is None:
        _log.warning("room %s: entry %d cannot be read, and is skipped", room.name, entry.position)
    else:
        room.publish(stored)


@asynccontextmanager
async def open_shared_rooms(cluster: Cluster) -> AsyncGenerator[SharedRooms]:
    """The reach of this process's rooms, for as long as the block lasts."""
    send, receive = trio.open_memory_channel[_Typing](TYPISTS)
    mending = Mending()
    async with trio.open_nursery() as nursery:
        rooms = SharedRooms(cluster, nursery, send, mending)
        nursery.start_soon(mending.until_done, partial(rooms.tell_who_types, receive))
        nursery.start_soon(mending.until_done, rooms.hear_who_types)
        yield rooms
        nursery.cancel_scope.cancel()
