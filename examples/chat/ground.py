"""What the chat stands on: one file and one process, or the engine of a cluster and many."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import attrs

from supervisor import Backend, Supervisor

from .blocking import RunBlocking
from .history import History, open_history
from .logins import Logins
from .rooms import Rooms
from .sessions import Sessions, SessionsHere


class EngineError(Exception):
    """The engine of the cluster cannot be used; the sentence says which, and why."""


@attrs.frozen(kw_only=True)
class NodeSpec:
    """How this process is to be a node of a cluster."""

    engine: Any
    """The URL of the engine, or a wire to it."""
    name: str = ""
    """What people call it; empty: host and process id."""
    address: str = ""
    """Where its WebSockets are; empty: it does not say."""
    lease: float = 15.0
    """Seconds; the same on all nodes."""
    keep: bool = False
    """Go on without a lease, at the price of the limit."""


class Ground(Protocol):
    """What the chat stands on."""

    @property
    def rooms(self) -> Rooms: ...

    @property
    def history(self) -> History: ...

    @property
    def backend(self) -> Backend | None:
        """For `open_supervisor`."""
        ...

    def sessions(self, supervisor: Supervisor, logins: Logins) -> Sessions:
        """The sessions of all users, once there is a supervisor."""
        ...


@attrs.frozen
class OwnGround:
    """One file, one process."""

    rooms: Rooms
    history: History
    backend: None = None

    def sessions(self, supervisor: Supervisor, logins: Logins) -> Sessions:  # noqa: ARG002  # nobody else's
        return SessionsHere(supervisor)


def open_ground(
    database: Path, node: NodeSpec | None, *, run: RunBlocking
) -> AbstractAsyncContextManager[Ground]:
    """The ground for as long as the block lasts; at its end, what was said is stored."""
    if node is None:
        return _open_own(database, run)
    from .shared import open_shared  # noqa: PLC0415  # it needs an extra that one process does not

    return open_shared(node, run=run)


@asynccontextmanager
async def _open_own(database: Path, run: RunBlocking) -> AsyncGenerator[Ground]:
    rooms = Rooms()
    async with open_history(database, publish=rooms.publish, run=run) as history:
        yield OwnGround(rooms, history)
