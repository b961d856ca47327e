"""Escalation: making room for those who wait, one stage after the other, until they are in or refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs
import trio

from actors import Exit, ExitReason

from ._admission import Settle, Try, next_move, patience, stages_until, victims
from ._child import Child
from ._cleanup import all_alive, reap_stuck, run_stage, tell_cleaned
from ._evicting import run_evict_stage
from ._eviction import Newcomer
from ._health import PAST
from ._home import Home
from ._report import Stage, StageReport, Trigger, Verdict
from ._spawn import Spawn
from ._table import Services, Table

# So many turns of the loop after somebody was reaped, who gets the slot has had time to begin: one for the
# other's end, one to start, one for the caller to learn of it, and one for a first message.
HEAD_START = 4


class Queue(Protocol):
    """Those who wait for a slot."""

    @property
    def waiting(self) -> Sequence[Spawn]:
        """In order of arrival."""
        ...

    def refuse(self, spawn: Spawn) -> None:
        """Tell it what was tried, and who holds the slots."""
        ...

    def end(self, spawn: Spawn, outcome: Exit) -> None:
        """It waits no more: nothing comes of it."""
        ...


@attrs.define(eq=False, repr=False)
class Escalation:
    """One for each user; one at a time serves all that wait, and a newcomer joins it.

    First those go, at once, whom there is hard evidence against already, as far as they are needed:
    whoever gets their slots has a head start of some turns. Then come the stages, for the others.
    """

    _table: Table
    _queue: Queue
    _home: Home
    _runs: bool = attrs.field(init=False, default=False)
    _stands_since: float = attrs.field(init=False, default=0.0)
    """When somebody began to wait; since then somebody has all the time."""
    _reaped: dict[Child, Verdict] = attrs.field(init=False, factory=dict[Child, Verdict])
    """The stuck that were reaped before their stage came, with what evidence."""
    _nap: trio.CancelScope | None = attrs.field(init=False, default=None)
    """What it sleeps in, between two tries."""

    @property
    def _services(self) -> Services:
        return self._table.services

    @property
    def is_trying(self) -> bool:
        """Is room being made right now?"""
        return self._runs and self._nap is None

    def begin(self) -> None:
        """Somebody waits for whom there is no slot."""
        self._reaped |= reap_stuck(self._table, needed=self._missing)
        self.look_again()
        if not self._runs:
            self._runs, self._stands_since = True, trio.current_time()
            self._home.do(self._run)

    def look_again(self) -> None:
        """Who stood in nobody's way when everything was tried may do so now."""
        if self._nap is not None:
            self._nap.cancel()

    async def _run(self) -> None:
        try:
            await self._give_head_start()
            tell_cleaned(self._table, await self._try_all(), Trigger.ADMISSION, made_room=True)
        except Exception as error:
            for spawn in self._queue.waiting:  # nobody waits for ever because of a mistake of ours
                self._queue.end(spawn, Exit(ExitReason.START_FAILED, "making room failed", error))
            raise
        finally:
            self._runs = False

    async def _give_head_start(self) -> None:
        """Where enough slots become free, those who get them go first; then all of the stuck end at once."""
        for _ in range(HEAD_START):
            if self._missing > self._table.being_freed:
                break
            await trio.lowlevel.checkpoint()
        self._reaped |= reap_stuck(self._table)

    async def _try_all(self) -> list[StageReport]:
        """Try one stage after the other while anybody waits; the reports not yet told."""
        tried: list[Stage] = []
        reports: list[StageReport] = []
        while self._queue.waiting or self._reaped:
            match next_move(tried, until=self._last, removable=self._removable):
                case Try(stage):
                    tried = [*tried, stage] if stage not in tried else [stage]
                    reports.append(await self._try(stage))
                case Settle() if any(report.reaped for report in reports):
                    # Room was made, and others have it: whoever came too late is judged by what is now.
                    tell_cleaned(self._table, reports, Trigger.ADMISSION, made_room=True)
                    tried, reports = [], []
                case Settle():
                    self._settle(reports)
                    tried, reports = [], []
                    await self._sleep_while_waiting()
        return reports

    @property
    def _last(self) -> Stage:
        """Healthy ones go only where a policy chooses them."""
        return Stage.LIVENESS if self._services.evict is None else Stage.EVICT

    async def _try(self, stage: Stage) -> StageReport:
        deadline = self._services.spec.admission_deadline
        if stage is Stage.EVICT and self._services.evict is not None:
            return await run_evict_stage(self._table, self._services.evict, self._newcomers, bound=deadline)
        begun: dict[Child, Verdict] = {}
        if stage is Stage.LIVENESS:
            begun, self._reaped = self._reaped, begun
        return await run_stage(self._table, stage, needed=self._needed, bound=deadline, begun=begun)

    @property
    def _missing(self) -> int:
        """How many slots are missing for all that wait."""
        return len(self._queue.waiting) + self._table.held - self._table.limit

    def _newcomers(self) -> Sequence[Newcomer]:
        """Those for whom one eviction each makes room, and whose caller waits in this moment."""
        awaited = [spawn for spawn in self._queue.waiting if spawn.is_awaited]
        if self._table.held > self._table.limit:
            return ()  # it was lowered: one would go, and nobody come
        missing = awaited[max(0, len(awaited) - self._needed()) :]
        return [Newcomer(spawn.user, spawn.key, spawn.spec.priority) for spawn in missing]

    def _needed(self) -> int:
        """How many are missing for those whose caller waits in this moment: the others may be about to go."""
        awaited = sum(spawn.is_awaited for spawn in self._queue.waiting)
        return awaited + self._table.held - self._table.limit

    def _removable(self) -> bool:
        """Does anybody stand in the way who need not, by the evidence of this moment? Or has he just?"""
        if self._reaped:
            return True
        verdicts = self._table.verdicts()
        stages = stages_until(Stage.LIVENESS)
        return any(victims(stage, verdicts, needed=self._needed()) for stage in stages)

    def _settle(self, reports: list[StageReport]) -> None:
        """Everything was tried: refuse those whose wait is over."""
        tell_cleaned(self._table, reports, Trigger.ADMISSION, all_alive=all_alive(self._table))
        now, longest = trio.current_time(), self._patience()
        for spawn in self._queue.waiting:
            if now >= spawn.asked_at + longest:
                spawn.stages += tuple(reports)
                self._queue.refuse(spawn)

    def _patience(self) -> float:
        spec, stood_for = self._services.spec, trio.current_time() - self._stands_since
        return patience(spec.slot_wait, spec.standing_wait, stood_for=stood_for)

    async def _sleep_while_waiting(self) -> None:
        """Until the first wait is over, somebody new comes, or a slot holder may have become a ghost."""
        waiting = self._queue.waiting
        if not waiting:
            return
        over = waiting[0].asked_at + self._patience()
        now = trio.current_time()
        graces = [v.until + PAST for v in self._table.verdicts().values() if v.until is not None]
        try:
            with trio.CancelScope() as self._nap:
                await trio.sleep_until(min([over, *(due for due in graces if due > now)]))
        finally:
            self._nap = None
