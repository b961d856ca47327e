"""Beginnings: the task of one child, from its slot to its end: who has to agree, and what it waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Protocol

import attrs
import trio

from actors import ExitReason, State, run_actor

from ._backend import Backend, Claim
from ._beyond import count_in, count_in_everywhere, count_in_nowait
from ._child import Child
from ._cleanup import nothing_needed
from ._errors import ClusterUnavailable, LivesElsewhere
from ._events import FoundElsewhere, NotAdmitted
from ._health import PAST
from ._home import Home
from ._quota import QuotaRefused
from ._reaper import Reaper
from ._report import CleanupReport, Stage, StageReport, Trigger
from ._spawn import Spawn
from ._table import Services, Table

# Of one that was to begin.
NO_SLOT = "nobody else had a slot for it"


class Owner(Protocol):
    """Whose children they are."""

    def start_of(self, child: Child) -> Spawn | None:
        """The spawn that waits for this child to start."""
        ...

    def refuse(self, spawn: Spawn, *, beyond: QuotaRefused) -> None:
        """Tell it what was tried, and who holds the slots."""
        ...

    def end(self, spawn: Spawn, outcome: ClusterUnavailable | LivesElsewhere) -> None:
        """It waits no more: nothing comes of it here."""
        ...

    def lost_its_slot(self, child: Child, why: str) -> None:
        """It begins no more."""
        ...

    def clean_up(
        self,
        until: Stage,
        trigger: Trigger,
        *,
        needed: Callable[[], int] = nothing_needed,
        bound: float | None = None,
    ) -> Awaitable[CleanupReport]:
        """Clean up after the one user."""
        ...


@attrs.define(eq=False, repr=False)
class Beginnings:
    """For one user."""

    _table: Table
    _owner: Owner
    _home: Home
    _reaper: Reaper
    _waits: dict[Child, trio.CancelScope] = attrs.field(init=False, factory=dict[Child, trio.CancelScope])
    """Of those who have yet to begin, in which they wait."""

    @property
    def _services(self) -> Services:
        return self._table.services

    def begin(self, child: Child, turn: Callable[[], Awaitable[object]] | None = None) -> None:
        """Start its task; the actor begins once its slot counts beyond this user, and after its `turn`."""
        self._watch(child)
        services = self._services
        counts = count_in_nowait(child, services)
        at_once = counts and turn is None and services.backend is None
        if at_once and services.starts.enter_nowait(child):
            self._home.start_soon(run_actor, child.spec.factory, child, name=child.name)
        else:
            self._home.start_soon(self._run, child, counts, turn, name=child.name)

    def _watch(self, child: Child) -> None:
        """It is to begin within its grace."""
        self._reaper.watch(child, self._table, child.pulse.since + child.spec.health.start_grace + PAST)

    def settled(self, child: Child) -> None:
        """It has begun, or will not: others may."""
        self._services.starts.leave(child)

    def ending(self, child: Child) -> None:
        """It will not begin: it need not wait."""
        wait = self._waits.get(child)
        if wait is not None:
            wait.cancel()

    async def _run(self, child: Child, counts: bool, turn: Callable[[], Awaitable[object]] | None) -> None:  # noqa: FBT001  # as a task has them
        runs_elsewhere = False
        try:
            await self._wait(child, counts=counts, turn=turn)
            ground = self._ground_of(child)
            if ground is None:
                await run_actor(child.spec.factory, child)
            else:
                Context().run(_start_in, ground, child)
                runs_elsewhere = True
        except QuotaRefused as refused:
            self._refuse(child, refused)
        except (ClusterUnavailable, LivesElsewhere) as error:
            self._not_here(child, error)
        except Exception as error:  # noqa: BLE001  # a backend that fails fails this start, and says so
            child.crashed(error)
        finally:
            if not runs_elsewhere:
                child.make_sure_it_ended()

    def _ground_of(self, child: Child) -> trio.Nursery | None:
        """Where it is to run, if that is not here."""
        backend = self._services.backend
        return backend.ground if backend is not None and child.state is State.STARTING else None

    def _refuse(self, child: Child, refused: QuotaRefused) -> None:
        spawn = self._owner.start_of(child)
        if spawn is not None:
            spawn.stages += refused.stages
            self._owner.refuse(spawn, beyond=refused)
        self._lost(child, NO_SLOT)

    def _not_here(self, child: Child, error: ClusterUnavailable | LivesElsewhere) -> None:
        events, who = self._services.events, (child.user, child.key)
        if isinstance(error, LivesElsewhere):
            events.emit(FoundElsewhere(events.stamp(), *who, error.node))
        else:
            waited = trio.current_time() - child.reserved_at
            events.emit(NotAdmitted(events.stamp(), *who, error.why, waited))
        spawn = self._owner.start_of(child)
        if spawn is not None:
            self._owner.end(spawn, error)
        self._lost(child, str(error))

    def _lost(self, child: Child, why: str) -> None:
        self._owner.lost_its_slot(child, why)
        child.cancel(ExitReason.CANCELLED, why)

    async def _wait(
        self, child: Child, *, counts: bool, turn: Callable[[], Awaitable[object]] | None
    ) -> None:
        """For as long as the child is to begin."""
        if child.state is not State.STARTING:
            return  # nobody waits for it any more
        backend = self._services.backend
        try:
            with trio.CancelScope() as self._waits[child]:
                if not counts:
                    await self._count_in(child)
                if backend is not None:
                    await self._count_in_everywhere(child, backend)
                if turn is not None:
                    await turn()
                await self._wait_for_turn(child)
                while backend is not None and not backend.counts(self._claim(child)):
                    await self._count_in_everywhere(child, backend)  # the lease was lost meanwhile
                child.begins_after(0.0)  # and no later
                self._watch(child)
        finally:
            del self._waits[child]

    async def _wait_for_turn(self, child: Child) -> None:
        """Until few enough others are starting. Raises QuotaRefused: that took too long, cleanup or not."""
        starts, spec = self._services.starts, self._services.spec
        # Less than what it has to begin in: who only waits is refused, and not found unresponsive.
        patience = min(spec.start_wait, 0.9 * child.spec.health.start_grace)
        try:
            await starts.enter(child, patience)
        except QuotaRefused as refused:
            bound = spec.admission_deadline
            report = await self._owner.clean_up(Stage.LIVENESS, Trigger.FULL_PROCESS, bound=bound)  # noqa: ASYNC120  # cancelled, nobody asks why
            refused.stages = report.stages
            if not starts.enter_nowait(child):
                raise

    async def _count_in(self, child: Child) -> None:
        """Ask whether there is a slot in this process."""
        self._tried(child, await count_in(child, self._services, self._owner.clean_up))

    async def _count_in_everywhere(self, child: Child, backend: Backend) -> None:
        """Ask whether there is one in the cluster. The time that takes is not the child's.

        One that begins anew, and for which nobody waits, waits for a cluster that cannot be asked.
        """
        services, claim = self._services, self._claim(child)
        longest = 6 * backend.patience + services.spec.slot_wait
        while True:
            child.begins_after(max(0.0, child.pulse.since - trio.current_time()) + longest)
            self._watch(child)
            try:
                stages = await count_in_everywhere(self._table, backend, claim, self._owner.clean_up)
            except ClusterUnavailable as error:
                spawn = self._owner.start_of(child)
                if spawn is not None and not spawn.joins:
                    raise
                if spawn is not None:
                    self._owner.end(spawn, error)
                await trio.sleep(min(error.retry_after, longest))  # noqa: ASYNC120  # cancelled, nobody asks why
            else:
                self._tried(child, stages)
                return

    def _claim(self, child: Child) -> Claim:
        return Claim(child.user, child.key, child.slot, self._table.limit)

    def _tried(self, child: Child, stages: tuple[StageReport, ...]) -> None:
        """What was done to make room for it."""
        spawn = self._owner.start_of(child)
        if spawn is not None:
            spawn.stages += stages
            spawn.after_cleanup |= bool(stages)


def _start_in(ground: trio.Nursery, child: Child) -> None:
    ground.start_soon(run_actor, child.spec.factory, child, name=child.name)
