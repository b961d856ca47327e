"""open_supervisor: a supervisor for as long as a block lasts, and an orderly end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager

import attrs
import trio

from ._backend import Backend
from ._dead_man import dead_man_switch
from ._eviction import EvictionPolicy
from ._handlers import HandlerNursery
from ._limits import check_limit
from ._quota import LocalQuota
from ._spec import DEFAULT_LIMIT, Limit, SupervisorSpec
from ._stream import Events
from ._supervisor import Supervisor
from .logs import open_log
from .watchdog import watching

# What connection handlers may take at shutdown, after their managers are gone: a goodbye, in seconds.
HANDLER_GRACE = 0.5


@asynccontextmanager
async def open_supervisor(
    limit: Limit = DEFAULT_LIMIT,
    *,
    spec: SupervisorSpec | None = None,
    evict: EvictionPolicy | None = None,
    cluster: Backend | None = None,
) -> AsyncGenerator[Supervisor]:
    """A supervisor for as long as the block lasts; at its end every manager is stopped.

    `limit` is a number of slots per user, or a function of the user, sync or async. The sweeper
    runs before the block is entered. `evict` chooses which healthy manager makes room for another one
    of its user: LeastRecentlyActive, LowestPriority, or a function. Without, none ever does. Over a
    `cluster` (`supervisor.cluster.open_cluster`) the limits hold over all its nodes.

    The block ends when everything in it has: each manager gets its stop grace, also when the
    block is cancelled, and then is cancelled. Only a condemned manager can hold the block up;
    a ShutdownHeld event then says which, and where it hangs; and after the spec's `dead_man`
    seconds, counted from the moment the block is left, the process exits with its stacks on stderr.
    """
    if not callable(limit):
        check_limit(limit, None)
    spec = SupervisorSpec() if spec is None else spec
    _check(spec, evict)
    failure: BaseException | None = None
    host = _Host(limit, spec, evict, cluster)
    with ExitStack() as until_ended:
        async with trio.open_nursery() as outer:
            outer.start_soon(host.run)  # noqa: ASYNC113  # `ready` is waited for, cancellably
            outer.start_soon(host.watch_for_cancellation)  # noqa: ASYNC113  # in time for what follows
            try:
                await host.ready.wait()
                yield host.supervisor
            except BaseException as error:  # noqa: ASYNC103  # raised below, outside of the nursery
                if _is_cancellation(error):
                    raise
                failure = error
            finally:
                until_ended.enter_context(dead_man_switch(spec.dead_man))
                host.leave()
    if failure is not None:
        raise failure


def _check(spec: object, evict: object) -> None:
    if not isinstance(spec, SupervisorSpec):
        raise TypeError(f"spec must be a SupervisorSpec, not {spec!r}")
    if evict is not None and not callable(evict):
        raise TypeError(f"evict must be a policy, such as LeastRecentlyActive(), or None, not {evict!r}")


def _is_cancellation(error: BaseException) -> bool:
    """Does it have to pass through the nursery, for Trio's sake?"""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return isinstance(error, trio.Cancelled | GeneratorExit) or any(map(_is_cancellation, inner))


@attrs.define(eq=False, repr=False)
class _Host:
    """Where everything of a supervisor runs: shielded, so that its end is an orderly one."""

    limit: Limit
    spec: SupervisorSpec
    evict: EvictionPolicy | None
    backend: Backend | None
    ready: trio.Event = attrs.field(init=False, factory=trio.Event)
    over: trio.Event = attrs.field(init=False, factory=trio.Event)
    _supervisor: Supervisor | None = attrs.field(init=False, default=None)

    @property
    def supervisor(self) -> Supervisor:
        assert self._supervisor is not None, "asked before it was ready"
        return self._supervisor

    def leave(self) -> None:
        """The block is over: start nothing new from this moment on, and end."""
        self._stop_accepting()
        self.over.set()

    async def watch_for_cancellation(self) -> None:
        """Start nothing new once the block is cancelled, whatever it still does until it is left."""
        try:
            await self.over.wait()
        except trio.Cancelled:  # noqa: ASYNC103  # what it waited for; the block itself passes it on
            self._stop_accepting()

    def _stop_accepting(self) -> None:
        if self._supervisor is not None:
            self._supervisor.stop_accepting()

    async def run(self) -> None:
        with open_log() as log:
            await self._run(Events(log))

    async def _run(self, events: Events) -> None:
        quota = LocalQuota(self.spec.process_limit, self.spec.fair_from)
        try:
            watched = watching(events, self.spec.watchdog, process=self.spec.watchdog_process)
            # Not bounded by a deadline, but by what it waits for: stop graces, then cancellation.
            with watched, trio.CancelScope(shield=True):
                async with trio.open_nursery() as root, trio.open_nursery() as handlers:
                    await self._host(root, handlers, events, quota)
        finally:
            events.close()

    async def _host(
        self, root: trio.Nursery, handlers: trio.Nursery, events: Events, quota: LocalQuota
    ) -> None:
        handler_nursery = HandlerNursery(handlers, events)
        self._supervisor = Supervisor(
            root,
            handler_nursery,
            events,
            limit=self.limit,
            spec=self.spec,
            quota=quota,
            evict=self.evict,
            backend=self.backend,
        )
        await self._supervisor.serve()
        self.ready.set()
        await self.over.wait()
        await self._supervisor.shut_down()
        with trio.move_on_after(HANDLER_GRACE):
            await handler_nursery.wait_idle()
        handlers.cancel_scope.cancel()
        root.cancel_scope.cancel()
