"""One child: run it, judge it, reap it, condemn it."""

from __future__ import annotations

from typing import Any, Protocol

import attrs
import trio

from actors import ActorCell, ActorRef, Connection, Exit, ExitReason, Notice, Phase, State, Threads

from ._admission import REASONS
from ._events import ForceStep
from ._force import is_available, open_shields, spins, throw_into
from ._health import Lag, due, judge
from ._report import Finding, Health, Holder, Stage, Verdict
from ._spec import ChildSpec
from ._stuck import cause, stack, where

# Of these one wants to know where they are; the others wait for mail, or have not begun.
LOCATED = frozenset(
    {Health.BUSY, Health.STARTING, Health.STOPPING, Health.UNRESPONSIVE, Health.CONDEMNED, Health.UNKNOWN}
)


# Why somebody ends that is well.
LEASE_OVER = "its node's lease of the cluster is over"


def _ref_to(child: ActorCell) -> ActorRef[Any]:
    return ActorRef(child)


class Owner(Protocol):
    """Whose child it is."""

    def noticed(self, child: Child, notice: Notice) -> None:
        """Told of all that happens to it."""
        ...

    def overdue(self, child: Child) -> None:
        """Told that it is about to be cancelled, having been asked to stop."""
        ...

    @property
    def threads(self) -> Threads:
        """For the blocking calls of all of them."""
        ...

    @property
    def has_lease(self) -> bool:
        """Do they run only as long as a lease lasts?"""
        ...


@attrs.define(eq=False, repr=False)
class Child(ActorCell):
    """One incarnation under one key, from the reservation of its slot to the end of its task."""

    user: str
    key: str
    incarnation: int
    spec: ChildSpec[Any]
    slot: str
    """What the quota knows it by: never used twice."""
    _owner: Owner
    ref: ActorRef[Any] = attrs.field(init=False, default=attrs.Factory(_ref_to, takes_self=True))
    has_left: bool = attrs.field(init=False, default=False)
    """Its slot and key are free: it has ended, or is condemned."""
    hung_since: float | None = attrs.field(init=False, default=None)
    """Of one that was reaped as unresponsive."""
    forced: tuple[ForceStep, ...] = attrs.field(init=False, default=())
    """What was done to it beyond its cancellation."""
    _left: trio.Event | None = attrs.field(init=False, default=None)
    """Made for the first who waits for it to leave."""

    @property
    def exit_from_outside(self) -> Exit:
        """Over a cluster, nothing but the end of the lease cancels from outside."""
        return Exit(ExitReason.FENCED, LEASE_OVER) if self._owner.has_lease else super().exit_from_outside

    def observe(self, notice: Notice) -> None:
        self._owner.noticed(self, notice)

    @property
    def threads(self) -> Threads:
        return self._owner.threads

    @property
    def may_begin(self) -> bool:
        """Not if it was to end before it began: nobody waits for it any more."""
        return self.state is State.STARTING

    def bound_stop(self, deadline: float) -> None:
        """The reaper sees to it."""

    def leave(self) -> None:
        """Its slot and key are free from now on."""
        self.has_left = True
        if self._left is not None:
            self._left.set()

    async def wait_left(self) -> None:
        """Until its slot and key are free. Cancellation: nothing happens."""
        if not self.has_left:
            if self._left is None:
                self._left = trio.Event()
            await self._left.wait()

    def begins_after(self, delay: float) -> None:
        """It takes part from now on, and is to begin in so many seconds. Till then it has not been idle."""
        now = trio.current_time()
        self.pulse.enter(Phase.WAITING_TO_RUN, now + delay)
        self.pulse.active_at = now

    @property
    def reserved_at(self) -> float:
        return self.pulse.born_at

    @property
    def state(self) -> State:
        return self.pulse.state

    def verdict(self, now: float, lag: Lag) -> Verdict:
        return judge(self.pulse, self.spec.health, now, lag)

    def finding(self, verdict: Verdict) -> Finding:
        return Finding(self.user, self.key, self.incarnation, verdict)

    def holder(self, verdict: Verdict, kept: tuple[tuple[Stage, Verdict], ...] = ()) -> Holder:
        pulse = self.pulse
        age = trio.current_time() - self.reserved_at
        connections, phase, since = pulse.connections, pulse.phase, pulse.since
        return Holder(self.key, self.incarnation, verdict, age, connections, kept, phase, since)

    def located_holder(self, verdict: Verdict, kept: tuple[tuple[Stage, Verdict], ...] = ()) -> Holder:
        """As `holder`, with the line that it is in, and why it does not end: some 50 microseconds more."""
        holder = self.holder(verdict, kept)
        if verdict.health not in LOCATED:
            return holder
        cause = self.cause() if self.is_condemned else ""
        return attrs.evolve(holder, where=self.where(), stack=self.stack(), cause=cause)

    def reap(self, verdict: Verdict) -> None:
        """Begin its end: cancel what is stuck, ask the others to stop. Returns at once."""
        reason = REASONS[verdict.health]
        if verdict.health is Health.UNRESPONSIVE:
            self.hung_since = self.pulse.since
            self.cancel(reason, verdict.evidence)
        else:
            self.stop(reason, verdict.evidence)

    def cut_short(self, reason: ExitReason, why: str) -> None:
        """Asked to stop, it had time enough: cancel it, and tell where it hangs."""
        self._owner.overdue(self)
        self.cancel(reason, why)

    def make_sure_it_ended(self) -> None:
        """Close the books, also of one that never came to run."""
        if self.state is not State.ENDED:
            self.ended()

    @property
    def cancelled(self) -> bool:
        return self.pulse.cancelled_at is not None

    @property
    def look_at(self) -> float:
        """When somebody has to look whether it has begun, or left, in time."""
        return due(self.pulse, self.spec.health)

    @property
    def ending_since(self) -> float | None:
        """When its end began; None for one that just ended."""
        pulse = self.pulse
        return pulse.cancelled_at if pulse.stop_by is None else pulse.stop_by - self.spec.stop_grace

    @property
    def is_gone(self) -> bool:
        """It has really ended, which is more than having left."""
        return self.has_left and not self.is_condemned

    @property
    def is_condemned(self) -> bool:
        return self.state is State.CONDEMNED

    @property
    def next_force(self) -> ForceStep | None:
        """What may still be done to end it, beyond its cancellation."""
        allowed = self.spec.force and is_available() and self.task is not None
        steps = tuple(ForceStep) if allowed else ()
        return next((step for step in steps if step not in self.forced), None)

    def force(self, step: ForceStep) -> int:
        """Do it; how many shields or tasks it took hold of. What it was writing may be torn: cut it."""
        self.forced = (*self.forced, step)
        self.pulse.forced_at = trio.current_time()
        for held in self.let_go:
            if isinstance(held, Connection):
                held.abort()
        if step is ForceStep.OPEN_SHIELDS:
            return open_shields(self.roots)
        return throw_into(self.roots, f"{self.name} ignored its cancellation")

    @property
    def spins(self) -> bool:
        """Does it cost a core, rather than only memory?"""
        return spins(self.roots)

    def where(self) -> str:
        """Where it waits, `file:line in function`."""
        return where(self.roots)

    def cause(self) -> str:
        """Why its cancellation does not end it, in words."""
        if self.task is None:
            return "its actor has not begun: the quota does not answer"
        return cause(self.roots)

    def stack(self) -> tuple[str, ...]:
        """Where its tasks hang, as `file:line in function`, each from the outside in."""
        return stack(self.roots)

    def __repr__(self) -> str:
        return f"<Child {self.name} {self.state.value}>"
