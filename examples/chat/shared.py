"""What the chat stands on over a cluster; the only way to `supervisor.cluster`, and so to what that needs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import attrs

from supervisor import Supervisor
from supervisor.cluster import Cluster, ClusterError, ClusterSpec, OnLeaseLost, open_cluster

from .blocking import RunBlocking
from .ground import EngineError, Ground, NodeSpec
from .history import History
from .logins import Logins
from .rooms import Rooms
from .shared_history import open_shared_history
from .shared_rooms import open_shared_rooms
from .shared_sessions import SharedSessions


@attrs.frozen
class SharedGround:
    """An engine, and other nodes."""

    backend: Cluster
    rooms: Rooms
    history: History

    def sessions(self, supervisor: Supervisor, logins: Logins) -> SharedSessions:
        sessions = SharedSessions(supervisor, self.backend, logins)
        sessions.answer()
        supervisor.background.start_soon(sessions.hear_logouts)
        return sessions


@asynccontextmanager
async def open_shared(spec: NodeSpec, *, run: RunBlocking) -> AsyncGenerator[Ground]:
    """A node's ground, for as long as the block lasts.

    Raises EngineError: the engine is not there, or what the spec says does not fit.
    """
    async with AsyncExitStack() as stack:
        cluster = await _join(spec, stack)
        history = await stack.enter_async_context(open_shared_history(cluster, run=run))
        reach = await stack.enter_async_context(open_shared_rooms(cluster))
        yield SharedGround(cluster, Rooms(reach), history)


async def _join(spec: NodeSpec, stack: AsyncExitStack) -> Cluster:
    lost = OnLeaseLost.KEEP if spec.keep else OnLeaseLost.STOP
    problems: list[BaseException] = []
    try:
        cluster = ClusterSpec(lease=spec.lease, name=spec.name, address=spec.address, on_lease_lost=lost)
        return await stack.enter_async_context(open_cluster(spec.engine, cluster))
    except* (ClusterError, ValueError) as errors:
        problems.append(errors)
    raise EngineError(_words(problems[0]))


def _words(error: BaseException) -> str:
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return _words(inner[0]) if inner else str(error)
