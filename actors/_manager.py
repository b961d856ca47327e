"""UserManager: the actor that holds one session of a user, with its connections."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import trio

from ._actor import Actor
from ._cell import ActorCell, Attached, Detached
from ._connection import Connection, Frame
from ._errors import ActorStopped, ConnectionClosed, TooManyConnections
from ._goodbye import goodbye
from ._group import send_to_all
from ._lifecycle import Exit, accepts_mail
from ._ref import ActorRef

M = TypeVar("M")


class UserManager(Actor[M]):
    """An actor that holds the connections of one session; subclass it like Actor.

    The edge attaches connections with `attach`. How many there are is evidence of the runtime:
    without one for longer than the attach grace, the manager counts as disconnected. When the
    manager ends, however it ends, they are closed.
    """

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Those attached now, in order of arrival."""
        return attached_to(self.ref)

    def broadcast(self, message: str | Frame) -> None:
        """Send to all connections of this session, without blocking; one that is too slow is cut off.

        Raises as Frame does.
        """
        frame = message if isinstance(message, Frame) else Frame(message)
        send_to_all({wire.outbox: wire for wire in self.connections}, frame)

    def bind(self, cell: ActorCell) -> None:
        super().bind(cell)
        cell.pulse.connections = 0


@contextmanager
def attach(ref: ActorRef[Any], connection: Connection) -> Generator[None]:
    """While inside, `connection` belongs to the manager behind `ref`.

    Raises, before anything happened:
      ConnectionClosed: the connection is ending already, and so proves nothing.
      ActorStopped: the manager is dead or dying.
      TooManyConnections: its spec allows no more.
      TypeError: that actor is no UserManager.
      ValueError: the connection is attached to it already.
    """
    cell = ref.cell
    if connection.closed is not None:
        raise ConnectionClosed(connection.closed.code, connection.closed.reason)
    if not accepts_mail(cell.pulse.state):
        raise ActorStopped(cell.name, cell.exit_due)
    if cell.pulse.connections is None:
        raise TypeError(f"{cell.name!r} holds no connections: make its class a UserManager")
    if connection in cell.held:
        raise ValueError(f"{connection!r} is attached to {cell.name!r} already")
    if cell.pulse.connections >= cell.connection_limit:
        raise TooManyConnections(cell.name, cell.connection_limit)
    cell.call_at_end(connection, partial(_close, connection))
    connection.call_at_close(cell, partial(_detach, cell, connection))
    connection.call_at_message(cell, cell.pulse.heard)
    cell.pulse.connected(trio.current_time())
    cell.observe(Attached(cell.pulse.connections))
    try:
        yield
    finally:
        _detach(cell, connection, "its handler returned")


def attached_to(ref: ActorRef[Any]) -> tuple[Connection, ...]:
    """The connections attached to the manager behind `ref`, in order of arrival."""
    return tuple(held for held in ref.cell.held if isinstance(held, Connection))


def _detach(cell: ActorCell, connection: Connection, why: str) -> None:
    if not cell.forget_at_end(connection):
        return
    connection.forget_at_close(cell)
    connection.forget_at_message(cell)
    cell.pulse.disconnected(trio.current_time())
    assert cell.pulse.connections is not None
    cell.observe(Detached(cell.pulse.connections, why))


def _close(connection: Connection, exit: Exit) -> None:
    connection.close(*goodbye(exit))
