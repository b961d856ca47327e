"""One child: run it, judge it, reap it, condemn it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import attrs
import trio

from actors import ActorCell, ActorRef, Connection, ExitReason, Notice, State, Threads, run_actor

from ._admission import REASONS
from ._events import ForceStep
from ._force import is_available, open_shields, spins, throw_into
from ._health import Lag, judge
from ._report import Finding, Health, Holder, Stage, Verdict
from ._spec import ChildSpec
from ._stuck import cause, stack, where

# Of these one wants to know where they are; the others wait for mail, or have not begun.
LOCATED = frozenset(
    {Health.BUSY, Health.STARTING, Health.STOPPING, Health.UNRESPONSIVE, Health.CONDEMNED, Health.UNKNOWN}
)


@attrs.define(eq=False, repr=False)
class Child:
    """One incarnation under one key, from the reservation of its slot to the end of its task."""

    user: str
    key: str
    incarnation: int
    spec: ChildSpec[Any]
    _threads: Threads
    """Those of its user."""
    _observe: Callable[[Child, Notice], None]
    slot: str = attrs.field(init=False, factory=lambda: uuid.uuid4().hex)
    reserved_at: float = attrs.field(init=False, factory=trio.current_time)
    cell: ActorCell = attrs.field(
        init=False, default=attrs.Factory(lambda self: self.make_cell(), takes_self=True)
    )
    ref: ActorRef[Any] = attrs.field(
        init=False, default=attrs.Factory(lambda self: ActorRef(self.cell), takes_self=True)
    )
    left: trio.Event = attrs.field(init=False, factory=trio.Event)
    """Set when its slot and key are free: it has ended, or is condemned."""
    forced: tuple[ForceStep, ...] = attrs.field(init=False, default=())
    """What was done to it beyond its cancellation."""

    def make_cell(self) -> ActorCell:
        """Made once, with the child."""
        return ActorCell(
            f"{self.user}/{self.key}#{self.incarnation}",
            capacity=self.spec.mailbox_capacity,
            stop_grace=self.spec.stop_grace,
            cleanup_grace=self.spec.cleanup_grace,
            connection_limit=self.spec.connection_limit,
            threads=self._threads,
            observe=lambda notice: self._observe(self, notice),
        )

    async def run(self) -> None:
        """Run the actor to its end, in this task."""
        await run_actor(self.spec.factory, self.cell)

    @property
    def state(self) -> State:
        return self.cell.pulse.state

    def verdict(self, now: float, lag: Lag) -> Verdict:
        return judge(self.cell.pulse, self.spec.health, now, lag)

    def finding(self, verdict: Verdict) -> Finding:
        return Finding(self.user, self.key, self.incarnation, verdict)

    def holder(self, verdict: Verdict, kept: tuple[tuple[Stage, Verdict], ...] = ()) -> Holder:
        pulse = self.cell.pulse
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
            self.cell.cancel(reason, verdict.evidence)
        else:
            self.cell.stop(reason, verdict.evidence)

    def cancel(self, detail: str) -> None:
        """Cancel it; the reason that was given first stays."""
        self.cell.cancel(ExitReason.CANCELLED, detail)

    def make_sure_it_ended(self) -> None:
        """Close the books, also of one that never came to run."""
        if self.state is not State.ENDED:
            self.cell.ended()

    @property
    def cancelled(self) -> bool:
        return self.cell.pulse.cancelled_at is not None

    @property
    def stop_by(self) -> float:
        """When the grace of one that was asked to stop is over."""
        assert self.cell.pulse.stop_by is not None
        return self.cell.pulse.stop_by

    @property
    def ending_since(self) -> float | None:
        """When its end began; None for one that just ended."""
        pulse = self.cell.pulse
        return pulse.cancelled_at if pulse.stop_by is None else pulse.stop_by - self.spec.stop_grace

    @property
    def is_gone(self) -> bool:
        """It has really ended, which is more than having left."""
        return self.left.is_set() and not self.is_condemned

    @property
    def is_condemned(self) -> bool:
        return self.state is State.CONDEMNED

    @property
    def next_force(self) -> ForceStep | None:
        """What may still be done to end it, beyond its cancellation."""
        allowed = self.spec.force and is_available() and self.cell.task is not None
        steps = tuple(ForceStep) if allowed else ()
        return next((step for step in steps if step not in self.forced), None)

    def force(self, step: ForceStep) -> int:
        """Do it; how many shields or tasks it took hold of. What it was writing may be torn: cut it."""
        self.forced = (*self.forced, step)
        self.cell.pulse.forced_at = trio.current_time()
        for held in self.cell.let_go:
            if isinstance(held, Connection):
                held.abort()
        if step is ForceStep.OPEN_SHIELDS:
            return open_shields(self.cell.roots)
        return throw_into(self.cell.roots, f"{self.cell.name} ignored its cancellation")

    @property
    def spins(self) -> bool:
        """Does it cost a core, rather than only memory?"""
        return spins(self.cell.roots)

    def where(self) -> str:
        """Where it waits, `file:line in function`."""
        return where(self.cell.roots)

    def cause(self) -> str:
        """Why its cancellation does not end it, in words."""
        if self.cell.task is None:
            return "its actor has not begun: the quota does not answer"
        return cause(self.cell.roots)

    def stack(self) -> tuple[str, ...]:
        """Where its tasks hang, as `file:line in function`, each from the outside in."""
        return stack(self.cell.roots)

    def __repr__(self) -> str:
        return f"<Child {self.cell.name} {self.state.value}>"
