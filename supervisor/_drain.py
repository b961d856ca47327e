"""Drain: empty a process before its end. Who is told when, and who held it up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import attrs
import trio

from actors import ExitReason, State

from ._child import Child
from ._dead_man import dead_man_switch
from ._errors import come_back_in
from ._events import Drained, DrainStarted, StopOverdue
from ._report import DrainReport
from ._round import stop_in_order
from ._spec import DrainSpec
from ._stream import Subscription
from ._table import Services
from ._user import UserSupervisor

# Batches are stopped no more often than this, in seconds.
TICK = 0.1


@attrs.frozen(eq=False)
class Unit:
    """Of one user: a manager, or the members of a group, who end one after the other."""

    here: UserSupervisor
    members: Sequence[Child]

    @property
    def rank(self) -> tuple[bool, float]:
        """Who has no client goes first, then who has been quiet longest: those at work have the most time."""
        return max((bool(child.pulse.connections), child.pulse.active_at) for child in self.members)

    def stop(self, told: str) -> None:
        if len(self.members) == 1:
            self.members[0].stop(ExitReason.DRAINED, told)
        else:
            self.here.home.do(partial(stop_in_order, self.members, ExitReason.DRAINED, told))


def pace(units: int, spec: DrainSpec) -> tuple[int, float]:
    """How many go at once, and how many seconds lie between: all go in time, and none sooner than need be."""
    seconds = min(spec.spread, units / spec.per_second)
    size = math.ceil(units / max(seconds / TICK, 1.0)) or 1
    return size, seconds / max(math.ceil(units / size), 1)


@attrs.define(eq=False, repr=False)
class Drain:
    """Of one supervisor. Several may run: whichever is in more of a hurry sets the pace."""

    _services: Services
    _users: Callable[[], Iterable[UserSupervisor]]
    _stop_accepting: Callable[[], None]
    has_begun: bool = attrs.field(init=False, default=False)
    """Nobody new should be sent here any more."""
    _running: int = attrs.field(init=False, default=0)
    _noticing: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)
    """In which the first of them waits for load balancers."""

    async def run(self, spec: DrainSpec) -> DrainReport:
        events, tells = self._services.events, not self._running  # of several at once the first tells
        self._running += 1
        try:
            with dead_man_switch(self._allowed(spec)):
                if tells:
                    events.emit(DrainStarted(events.stamp(), spec.notice))
                report = await self._run(spec)
                if tells:
                    events.emit(Drained(events.stamp(), report))
                return report
        finally:
            self._running -= 1

    def _allowed(self, spec: DrainSpec) -> float | None:
        """A loop that hangs ends by the dead-man switch, as it does in the end that follows; in seconds."""
        patience = self._services.spec.dead_man
        return None if patience is None else spec.notice + spec.spread + spec.grace + patience

    async def _run(self, spec: DrainSpec) -> DrainReport:
        began = trio.current_time()
        await self._let_it_be_noticed(spec.notice)
        self._stop_accepting()
        noticed = trio.current_time()
        units = [Unit(here, unit) for here in list(self._users()) for unit in here.begin_drain()]
        units.sort(key=lambda unit: unit.rank)
        leaving = [child for unit in units for child in unit.members]
        with self._services.events.subscribe() as events:
            async with trio.open_nursery() as nursery:
                overdue = list[StopOverdue]()
                nursery.start_soon(_collect, events, overdue.append)
                await self._stop(units, leaving, spec)
                stopped = trio.current_time()
                await self._see_out(leaving, spec.grace)
                nursery.cancel_scope.cancel()
            overdue += [event for event in events.drain() if isinstance(event, StopOverdue)]
        return DrainReport(
            managers=len(leaving),
            overdue=tuple(map(str, overdue)),
            condemned=tuple(f"{c.name}: {' > '.join(c.stack())}" for c in leaving if c.is_condemned),
            noticing=noticed - began,
            stopping=stopped - noticed,
            leaving=trio.current_time() - stopped,
        )

    async def _let_it_be_noticed(self, notice: float) -> None:
        self._noticing.cancel()
        self.has_begun = True
        with trio.CancelScope() as self._noticing:
            await trio.sleep(notice)

    async def _stop(self, units: Sequence[Unit], leaving: Sequence[Child], spec: DrainSpec) -> None:
        """Ask them to stop, batch by batch; until all have left, if that is sooner."""
        size, pause = pace(len(units), spec)
        for start in range(0, len(units), size):
            if start:
                with trio.move_on_after(pause):
                    await _all_left(leaving)
                    return
            for unit in units[start : start + size]:
                unit.stop(come_back_in(spec.reconnect * self._services.jitter.random()))

    async def _see_out(self, leaving: Sequence[Child], grace: float) -> None:
        """Until all have left; who has not when the grace is over is cancelled, and has its last ones."""
        with trio.move_on_after(grace):
            await _all_left(leaving)
        for child in leaving:
            if child.has_left:
                continue
            if grace and child.state is State.STOPPING:
                child.cut_short(ExitReason.DRAINED, "the grace of the drain is over")
            else:  # it had none, or nobody had asked it yet
                child.cancel(ExitReason.DRAINED, "the server ends at once")
        await _all_left(leaving)


async def _all_left(leaving: Sequence[Child]) -> None:
    for child in leaving:
        await child.wait_left()


async def _collect(events: Subscription, keep: Callable[[StopOverdue], object]) -> None:
    async for event in events:
        if isinstance(event, StopOverdue):
            keep(event)
