"""Group: connections, of many users, that hear the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Generic, TypeVar

import attrs

from ._connection import CLOSE_ERROR, Connection, Frame
from ._errors import ConnectionClosed
from ._outbox import Outbox

T = TypeVar("T")


@attrs.define(eq=False)
class Group(Generic[T]):
    """Connections that hear the same, each with a note of yours about it: its user, say.

    A connection leaves by itself when it begins to close. What goes wrong with one of them is
    nobody else's trouble: who is too slow is cut off, and the others hear everything.
    """

    _members: dict[Connection, T] = attrs.field(init=False, factory=dict[Connection, T])
    _outboxes: dict[Outbox, Connection] = attrs.field(init=False, factory=dict[Outbox, Connection])
    """Of the same, in the same order."""

    def add(self, connection: Connection, note: T) -> None:
        """Have it hear what is said from now on; a second time: with another note.

        Raises:
          ConnectionClosed: it is ending already, and would never leave.
        """
        if connection.closed is not None:
            raise ConnectionClosed(connection.closed.code, connection.closed.reason)
        self._members[connection] = note
        self._outboxes[connection.outbox] = connection
        connection.call_at_close(self, lambda _: self.discard(connection))

    def discard(self, connection: Connection) -> None:
        """It hears no more; nothing happens if it did not."""
        if self._outboxes.pop(connection.outbox, None) is not None:
            del self._members[connection]
            connection.forget_at_close(self)

    def broadcast(self, message: str | Frame, *, to: Callable[[Connection, T], bool] | None = None) -> None:
        """Send to all, or to those that `to` says; framed once, without waiting for anybody.

        What `to` raises leaves, and nobody hears anything. Raises as Frame does.
        """
        frame = message if isinstance(message, Frame) else Frame(message)
        wires = self._outboxes
        if to is not None:
            wires = {wire.outbox: wire for wire, note in self._members.items() if to(wire, note)}
        send_to_all(wires, frame)

    def get(self, connection: Connection) -> T | None:
        """Its note, or None where it is no member."""
        return self._members.get(connection)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._members

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._members))

    def __len__(self) -> int:
        return len(self._members)


def send_to_all(wires: Mapping[Outbox, Connection], frame: Frame) -> None:
    """Send where that works. As a rule all take the same bytes, and nothing but outboxes is touched."""
    data, framing = frame.usual
    for outbox in list(wires):
        if framing is not None and outbox.framing is framing and outbox.offer(data):
            continue
        wire = wires.get(outbox)  # one who is told of another's end may have taken it out
        if wire is not None:
            send_or_close(wire, frame)
            data, framing = frame.usual


def send_or_close(connection: Connection, frame: Frame) -> None:
    """Send where that works; a connection that fails in any other way than by being slow is closed."""
    try:
        connection.send_nowait(frame)
    except ConnectionClosed:
        pass
    except Exception as error:  # noqa: BLE001  # the others are to hear it all the same
        with suppress(Exception):
            connection.close(CLOSE_ERROR, f"its wire failed: {error!r}")
