"""Beginnings: the task of one child, from its slot to its end: who has to agree, and what it waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs
import trio

from actors import ExitReason, State, run_actor

from ._beyond import count_in, count_in_nowait, count_out, local_quota
from ._child import Child
from ._health import PAST
from ._home import Home
from ._quota import QuotaRefused
from ._reaper import Reaper
from ._report import CleanupReport, Stage, Trigger
from ._spawn import Spawn
from ._table import Services, Table

# Of one that was to begin.
NO_SLOT = "the process had no slot left"


class Owner(Protocol):
    """Whose children they are."""

    def start_of(self, child: Child) -> Spawn | None:
        """The spawn that waits for this child to start."""
        ...

    def refuse(self, spawn: Spawn, *, beyond: QuotaRefused) -> None:
        """Tell it what was tried, and who holds the slots."""
        ...

    def lost_its_slot(self, child: Child, why: str) -> None:
        """It begins no more."""
        ...

    def clean_up(
        self, until: Stage, trigger: Trigger, *, bound: float | None = None
    ) -> Awaitable[CleanupReport]:
        """Clean up after the one user."""
        ...


@attrs.define(eq=False)
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
        counts = count_in_nowait(child, self._services)
        if counts and turn is None and self._services.starts.enter_nowait(child):
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
        try:
            await self._wait(child, counts=counts, turn=turn)
            await run_actor(child.spec.factory, child)
        except QuotaRefused as refused:
            spawn = self._owner.start_of(child)
            if spawn is not None:
                spawn.stages += refused.stages
                self._owner.refuse(spawn, beyond=refused)
            self._owner.lost_its_slot(child, NO_SLOT)
            child.cancel(ExitReason.CANCELLED, NO_SLOT)
        except Exception as error:  # noqa: BLE001  # a quota that fails fails this start, and says so
            child.crashed(error)
        finally:
            child.make_sure_it_ended()
            if local_quota(self._services) is None:
                await count_out(self._services, child)  # noqa: ASYNC102  # it bounds itself
                self._table.ended(child)

    async def _wait(
        self, child: Child, *, counts: bool, turn: Callable[[], Awaitable[object]] | None
    ) -> None:
        """For as long as the child is to begin."""
        if child.state is not State.STARTING:
            return  # nobody waits for it any more
        try:
            with trio.CancelScope() as self._waits[child]:
                if not counts:
                    await self._count_in(child)
                if turn is not None:
                    await turn()
                await self._wait_for_turn(child)
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
        """Ask whether there is a slot beyond this user."""
        stages = await count_in(child, self._services, self._owner.clean_up)
        spawn = self._owner.start_of(child)
        if spawn is not None:
            spawn.stages += stages
            spawn.after_cleanup |= bool(stages)
