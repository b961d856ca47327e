"""ChatSession: the manager of one session. What a user's tab says ends up here, in order."""

from __future__ import annotations

from contextlib import aclosing, suppress
from functools import partial

import attrs
import trio

from actors import Connection, ConnectionClosed, UserManager

from .assistant import answer
from .history import Draft, History, StorageError, Stored
from .limits import Limits
from .protocol import (
    Ack,
    Ask,
    ClientMessage,
    Error,
    Hello,
    Join,
    Leave,
    Ping,
    Pong,
    Say,
    ServerMessage,
    Typing,
    encode,
)
from .rooms import Listener, Rooms


@attrs.frozen
class Said:
    """What a client said, and on which connection of the session."""

    connection: Connection
    message: ClientMessage


@attrs.frozen
class Wedge:
    """A drill: hang, as a bug would."""


@attrs.frozen
class ChatServices:
    """What all sessions share."""

    rooms: Rooms
    history: History
    limits: Limits


class ChatSession(UserManager[Said | Wedge]):
    """One session of one user: the rooms it is in, the questions it has asked."""

    def __init__(self, user: str, services: ChatServices) -> None:
        self._user = user
        self._rooms = services.rooms
        self._history = services.history
        self._limits = services.limits
        self._joined: set[str] = set()
        self._asking = 0

    async def on_start(self) -> None:
        # Also when this session is condemned and `on_stop` never comes.
        self.ref.cell.call_at_end(self, lambda _: self._leave_all())

    async def handle(self, message: Said | Wedge) -> None:
        match message:
            case Said(connection, said):
                await self._hear(connection, said)
            case Wedge():
                await trio.sleep_forever()

    async def _hear(self, connection: Connection, said: ClientMessage) -> None:
        match said:
            case Join():
                self._join(connection, said)
            case Leave():
                self._leave(said.room)
            case Say():
                await self._say(connection, said)
            case Ask():
                self._ask(connection, said)
            case Typing():
                self._typing(connection, said)
            case Ping():
                _reply(connection, Pong())
            case Hello():
                _reply(connection, Error("already_here", "You have said hello already."))

    def _typing(self, connection: Connection, typing: Typing) -> None:
        if typing.room in self._joined:
            self._rooms.typing(typing.room, self._user)
        else:
            _reply(connection, _not_joined(typing.room))

    def _join(self, connection: Connection, join: Join) -> None:
        if connection.closed is not None:
            return
        if join.room not in self._joined:
            if len(self._joined) >= self._limits.rooms:
                sentence = f"You are in {self._limits.rooms} rooms already, the limit; leave one first."
                _reply(connection, Error("too_many_rooms", sentence))
                return
            self._joined.add(join.room)
            self._rooms.enter(join.room, self._user)
        # A long history to a slow client takes its time: not within the budget of one message.
        listener = self._rooms.listen(join, self._user, connection)
        self.start_soon(self._catch_up, connection, join, listener)

    async def _catch_up(self, connection: Connection, join: Join, listener: Listener) -> None:
        with suppress(ConnectionClosed):
            try:
                await self._rooms.catch_up(join, listener, self._history)
            except StorageError:
                _reply(connection, Error("storage", "The history could not be read; join again."))

    def _leave(self, room: str) -> None:
        if room not in self._joined:
            return
        self._joined.remove(room)
        for connection in self.connections:
            self._rooms.unlisten(room, connection)
        self._rooms.leave(room, self._user)

    def _leave_all(self) -> None:
        for room in list(self._joined):
            self._leave(room)

    async def _say(self, connection: Connection, say: Say) -> None:
        if say.room not in self._joined:
            _reply(connection, _not_joined(say.room, say.id))
            return
        draft = Draft(room=say.room, user=self._user, text=say.text, id=say.id)
        await self._history.submit(draft, partial(_acknowledge, connection, say))

    def _ask(self, connection: Connection, ask: Ask) -> None:
        if self._asking >= self._limits.questions:
            sentence = f"{self._limits.questions} of your questions are open already; wait for an answer."
            _reply(connection, Error("too_many_questions", sentence, ask.id))
            return
        self._asking += 1
        self.start_soon(self._answer, connection, ask)

    async def _answer(self, connection: Connection, ask: Ask) -> None:
        try:
            async with aclosing(answer(ask, rooms=frozenset(self._joined), history=self._history)) as events:
                async for event in events:
                    self.broadcast(encode(event))
        except StorageError:
            _reply(connection, Error("storage", "The history could not be searched.", ask.id))
        finally:
            self._asking -= 1


def _acknowledge(connection: Connection, say: Say, outcome: Stored | StorageError) -> None:
    """Called after the commit; a client that has gone meanwhile sends the same id again."""
    if isinstance(outcome, Stored):
        _reply(connection, Ack(say.id, outcome.room, outcome.seq))
    else:
        _reply(connection, Error("storage", "It could not be stored; send it again.", say.id))


def _reply(connection: Connection, message: ServerMessage) -> None:
    with suppress(ConnectionClosed):
        connection.send_nowait(encode(message))


def _not_joined(room: str, id: str | None = None) -> Error:
    return Error("not_joined", f"You are not in {room!r}; join it first.", id)
