"""Membership: this node's lease of the cluster, taken, renewed and lost; what runs under it ends with it.

The lease is the deadline of a cancel scope: when it is over, Trio itself cancels all that runs in it,
whatever our own code is doing. That it is a scope's deadline is this project's idea; that a lease is
judged by the holder's own clock, from before it asked, is Gray and Cheriton's ("Leases", 1989).
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Awaitable, Callable

import attrs
import trio

from supervisor import ClusterUnavailable, EngineChanged, LocalNode, NodeJoined
from supervisor import LeaseLost as LeaseLostEvent

from ._engine import Dead, Engine
from ._errors import ClusterError, LeaseLost
from ._nodes import about
from ._spec import ClusterSpec, OnLeaseLost


def boottime() -> float:
    """Seconds since this machine started, also those for which it slept; Trio's clock stops meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@attrs.define(eq=False)
class Session:
    """One lease, from its opening to its end. A node that loses it begins another one."""

    id: str
    until: float
    """Till when it holds for us, on Trio's clock."""
    boot_until: float
    """The same on the machine's clock."""
    warm_at: float
    """From then on somebody may be admitted, on Trio's clock."""
    live: frozenset[str] = frozenset()
    """The sessions that were alive when it was last renewed."""
    fence: int = 0
    """That of the last beat: slots that were admitted before have a lower one."""
    managers: int = 0
    """How many lived here when it was last to be renewed."""


@attrs.define(eq=False)
class Membership:
    """Keeps a lease for as long as it runs."""

    _engine: Engine
    _spec: ClusterSpec
    name: str
    _serve: Callable[[str], Awaitable[None]]
    """What runs as long as a session does, besides what lives here."""
    _others: Callable[[frozenset[str]], None]
    """Told who is alive when that has changed."""
    _boottime: Callable[[], float] = boottime
    now: Session | None = attrs.field(init=False, default=None)
    """The one that holds; None: there is none."""
    ground: trio.Nursery | None = attrs.field(init=False, default=None)
    """Where everything runs that ends with the lease."""
    _why: str = attrs.field(init=False, default="it has not joined yet")
    """Why there is none."""
    _changed: trio.Event = attrs.field(init=False, factory=trio.Event)
    """Set, and made anew, when a session begins or ends, or when other nodes come and go."""
    _standing: str = attrs.field(init=False, default="up")
    _listeners: list[Callable[[Session | None], None]] = attrs.field(
        init=False, factory=list[Callable[["Session | None"], None]]
    )

    # Asking

    @property
    def keeps(self) -> bool:
        """Does everything live on when the lease is lost?"""
        return self._spec.on_lease_lost is OnLeaseLost.KEEP

    @property
    def holds(self) -> bool:
        """Does the lease hold in this moment, by both clocks?"""
        now = self.now
        return now is not None and trio.current_time() < now.until and self._boottime() < now.boot_until

    @property
    def why(self) -> str:
        """Why there is none, in words that name no user; or why there was none before."""
        return self._why

    def check(self, session: str | None = None) -> str:
        """The session in whose name something may be done now. Raises LeaseLost: none, or another one."""
        if self.now is None or not self.holds or session not in (None, self.now.id):
            raise LeaseLost(self.name)
        return self.now.id

    def call(self, listener: Callable[[Session | None], None]) -> None:
        """Have it called, synchronously, when a session begins (with it) or has ended (with None)."""
        self._listeners.append(listener)

    async def joined(self, until: float) -> Session:
        """The session, once there is one. Raises ClusterUnavailable: there was none until then."""
        while not self.holds or self.now is None:
            if trio.current_time() >= until:
                raise ClusterUnavailable(f"{self.name} has no lease: {self._why}", self._spec.beat)
            with trio.move_on_at(until):
                await self.wait_changed()
        return self.now

    async def wait_changed(self) -> None:
        """Until a session begins or ends, or other nodes have come or gone."""
        await self._changed.wait()

    # Keeping it

    async def run(self, node: LocalNode, *, task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC128  # passed on
        """Hold a lease until cancelled, one after the other. Started when there is one, or none for long."""
        try:
            async with trio.open_nursery() as tenancies:
                tenancies.start_soon(self._watch_engine, node)
                tenancies.start_soon(self._tell_in_time, task_status.started)
                while True:
                    session = await self._open()
                    over = trio.Event()
                    tenancies.start_soon(self._hold, session, node, tenancies, over)
                    await over.wait()
                    if self.keeps:  # else the engine would count them for both
                        await self._close_at_last(session)
        finally:
            self.ground = None

    async def _tell_in_time(self, started: Callable[[], None]) -> None:
        with trio.move_on_after(self._spec.lease):
            while self.now is None:
                await self.wait_changed()
        started()

    async def _open(self) -> Session:
        """Begin a session, trying until it works."""
        spec = self._spec
        said = about(self.name, spec.address, spec.lease)
        name = self._new_name()
        while True:
            sent, sent_boot = trio.current_time(), self._boottime()
            try:
                opened = await self._engine.open(name, spec.lease, said)
            except ClusterError as error:
                self._why = str(error)
                await trio.sleep(spec.retry)
                continue
            if isinstance(opened, Dead):  # it was opened, and has expired before we heard of it
                name = self._new_name()
                continue
            good_for = spec.lease - spec.safety
            return Session(name, sent + good_for, sent_boot + good_for, trio.current_time() + opened.warming)

    def _new_name(self) -> str:
        return f"{self.name}-{uuid.uuid4().hex}"

    async def _hold(
        self, session: Session, node: LocalNode, tenancies: trio.Nursery, over: trio.Event
    ) -> None:
        """Everything runs in here: when the lease is over Trio cancels it, and nothing of ours has to run."""
        why, lost, ended = "it was not renewed in time", False, trio.Event()
        try:
            with trio.CancelScope(deadline=session.until) as lease:
                async with trio.open_nursery() as ground:
                    ground.start_soon(self._serve, session.id)
                    try:
                        self._begin(session, node, tenancies if self.keeps else ground)
                        why = await self._renew(session, lease, node)
                        lease.cancel()
                    finally:
                        lost = lease.cancel_called
                        self._end(session, why, node, lost=lost)
                        if lost and not self.keeps:
                            tenancies.start_soon(node.fence, f"{self.name} has lost its lease: {why}")
                            tenancies.start_soon(self._close_when_over, session, ended)
                        over.set()
        finally:  # nothing of it runs any more
            ended.set()
            if not lost:
                await self._close(session)  # noqa: ASYNC102  # it bounds itself

    def _begin(self, session: Session, node: LocalNode, ground: trio.Nursery) -> None:
        session.live = frozenset({session.id})
        self.now, self.ground = session, ground
        node.tell(NodeJoined, self.name, session.id, max(0.0, session.warm_at - trio.current_time()))
        self._tell(session)

    def _end(self, session: Session, why: str, node: LocalNode, *, lost: bool) -> None:
        self.now, self._why = None, f"its last one is over: {why}"
        if lost:
            node.tell(LeaseLostEvent, self.name, session.id, why, session.managers, self.keeps)
        if not self.keeps:
            self.ground = None
        self._tell(None)

    def _tell(self, session: Session | None) -> None:
        for listener in self._listeners:
            listener(session)
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _renew(self, session: Session, lease: trio.CancelScope, node: LocalNode) -> str:
        """Beat until that is in vain, and say why it is."""
        spec, due = self._spec, trio.current_time() + self._spec.beat
        why = ""
        while True:
            while trio.current_time() < due:
                await trio.sleep(min(spec.retry, due - trio.current_time()))
                if self._boottime() >= session.boot_until:
                    return why or "this machine slept"
            sent, sent_boot = trio.current_time(), self._boottime()
            figures = node.figures()
            session.managers = figures["managers"]
            try:
                beat = await self._engine.beat(session.id, spec.lease, json.dumps(figures))
            except ClusterError as error:
                why = self._why = str(error)
                due = trio.current_time() + spec.retry
                continue
            if isinstance(beat, Dead):
                return why or "the engine counts it as dead"
            why, good_for = "", spec.lease - spec.safety
            session.until = lease.deadline = sent + good_for
            session.boot_until = sent_boot + good_for
            due, session.fence = sent + spec.beat, beat.fence
            self._see(session, frozenset(beat.live))

    def _see(self, session: Session, live: frozenset[str]) -> None:
        if live != session.live:
            session.live = live
            self._others(live)
            self._change()

    async def _close(self, session: Session) -> bool:
        """Give the lease back: its slots are free at once. If that fails, they are when it expires."""
        with trio.move_on_after(self._spec.call_timeout) as scope:
            scope.shield = True
            try:
                await self._engine.close(session.id)
            except ClusterError:
                return False
            return True
        return False

    async def _close_when_over(self, session: Session, ended: trio.Event) -> None:
        """Give back one that was lost, once nothing of it runs any more.

        Who ignores his cancellation is waited for until the lease has ended everywhere: then his slot may be
        somebody else's anyhow, and all others of this node would wait with him.
        """
        with trio.move_on_at(session.until + self._spec.safety):
            await ended.wait()
        await self._close_at_last(session)

    async def _close_at_last(self, session: Session) -> None:
        """Give back one that was lost, as soon as the engine can be told: it may count it as alive still."""
        while not await self._close(session):  # noqa: ASYNC110  # there is nobody to tell when
            await trio.sleep(self._spec.retry)

    async def _watch_engine(self, node: LocalNode) -> None:
        """Tell when the engine goes away and comes back."""
        while True:
            stands = self._engine.wire.statistics()
            if stands.standing.value != self._standing:
                self._standing = stands.standing.value
                node.tell(EngineChanged, self._standing, stands.why)
            await trio.sleep(self._spec.retry)
