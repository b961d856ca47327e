"""What the chat stands on over a cluster; the only way to `supervisor.cluster`, and so to what that needs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import attrs
import trio

from supervisor import Backend, LocalNode, Supervisor
from supervisor.cluster import Cluster, ClusterError, ClusterSpec, OnLeaseLost, open_cluster

from .blocking import RunBlocking
from .ground import EngineError, Ground, NodeSpec
from .history import CLOSE_DEADLINE
from .logins import Logins
from .rooms import Rooms
from .shared_history import SharedHistory, open_shared_history
from .shared_rooms import open_shared_rooms
from .shared_sessions import SharedSessions


@attrs.frozen
class _StoringFirst:
    """The cluster, but its lease is given back only once the history has stored what was submitted.

    It is a supervisor's backend, and so is cancelled when all managers have stopped: nobody submits any more.
    """

    _cluster: Cluster
    _history: SharedHistory
    _lease: trio.CancelScope = attrs.field(init=False, factory=lambda: trio.CancelScope(shield=True))
    """Ended by nothing but the end of `serve`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    async def serve(self, node: LocalNode, *, task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC128  # passed on
        """As `Backend.serve`; cancelled, it takes no longer than CLOSE_DEADLINE more."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hold_lease, node, task_status)
            try:
                await trio.sleep_forever()
            finally:
                self._history.close()
                with trio.move_on_after(CLOSE_DEADLINE, shield=True):
                    await self._history.wait_over()
                self._lease.cancel()

    async def _hold_lease(self, node: LocalNode, joined: trio.TaskStatus[None]) -> None:  # noqa: ASYNC128  # passed on
        with self._lease:
            await self._cluster.serve(node, task_status=joined)


@attrs.frozen
class SharedGround:
    """An engine, and other nodes."""

    cluster: Cluster
    rooms: Rooms
    history: SharedHistory

    @property
    def backend(self) -> Backend:
        # It passes on all that a Backend has, which a type checker cannot see.
        return cast("Backend", _StoringFirst(self.cluster, self.history))

    def sessions(self, supervisor: Supervisor, logins: Logins) -> SharedSessions:
        sessions = SharedSessions(supervisor, self.cluster, logins)
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
