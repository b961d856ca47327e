"""One child: run it, judge it, reap it, condemn it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import trio

from actors import ActorCell, ActorRef, ExitReason, Notice, State, run_actor

from ._admission import REASONS
from ._health import Lag, judge
from ._report import Finding, Health, Holder, Stage, Verdict
from ._spec import ChildSpec


@attrs.define(eq=False, repr=False)
class Child:
    """One incarnation under one key, from the reservation of its slot to the end of its task."""

    user: str
    key: str
    incarnation: int
    spec: ChildSpec[Any]
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

    def make_cell(self) -> ActorCell:
        """Made once, with the child."""
        return ActorCell(
            f"{self.user}/{self.key}#{self.incarnation}",
            capacity=self.spec.mailbox_capacity,
            stop_grace=self.spec.stop_grace,
            cleanup_grace=self.spec.cleanup_grace,
            connection_limit=self.spec.connection_limit,
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
        return Holder(self.key, self.incarnation, verdict, age, pulse.connections, kept)

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
    def is_gone(self) -> bool:
        """It has really ended, which is more than having left."""
        return self.left.is_set() and not self.is_condemned

    @property
    def is_condemned(self) -> bool:
        return self.state is State.CONDEMNED

    def stack(self) -> tuple[str, ...]:
        """Where its tasks hang, as `file:line in function`, each from the outside in."""
        task = self.cell.task
        return tuple(_where(task)) if task is not None else ()

    def cause(self) -> str:
        """Why it does not end, in words."""
        return "waiting"

    def __repr__(self) -> str:
        return f"<Child {self.cell.name} {self.state.value}>"


def _where(task: trio.lowlevel.Task) -> Iterator[str]:
    for frame, line in task.iter_await_frames():
        code = frame.f_code
        if "/trio/" not in code.co_filename.replace("\\", "/"):
            yield f"{code.co_filename}:{line} in {code.co_qualname}"
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _where(child)
