"""UserSupervisor: the actors of one user, who may join them, and when somebody is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import trio

from actors import Exit, ExitReason, State

from ._admission import Settle, Try, crosses_high_water, next_move, stages_until, victims
from ._beyond import count_in, count_out
from ._child import Child
from ._cleanup import all_alive, anything_to_remove, dry_run, explain, reap, refusal, run_stage, snapshot_of
from ._events import CleanedUp, Found, Refused, Started, Waited
from ._health import PAST
from ._home import Home
from ._quota import QuotaRefused
from ._reaper import Reaper
from ._report import (
    CleanupReport,
    Explanation,
    Health,
    Stage,
    StageReport,
    Standing,
    Trigger,
    UserSnapshot,
)
from ._spawn import Closed, Obtained, Spawn
from ._spec import ChildSpec
from ._table import Services, Table


@attrs.define(eq=False, repr=False)
class UserSupervisor:
    """Obtains managers for one user. Decides synchronously; its own nursery runs what takes time.

    It lives from the user's first spawn until nothing of the user is left.
    """

    user: str
    _services: Services
    _deserted: Callable[[UserSupervisor], None]
    """Told, once, when nothing of the user is left."""
    table: Table = attrs.field(
        init=False, default=attrs.Factory(lambda self: self.make_table(), takes_self=True)
    )
    _spawns: dict[str, Spawn] = attrs.field(init=False, factory=dict[str, Spawn])
    """By key, in order of arrival: those that wait for a slot, and those that are starting."""
    home: Home = attrs.field(
        init=False, default=attrs.Factory(lambda self: self.make_home(), takes_self=True)
    )
    _reaper: Reaper = attrs.field(
        init=False, default=attrs.Factory(lambda self: Reaper(self.table), takes_self=True)
    )
    _escalating: bool = attrs.field(init=False, default=False)
    _nap: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)

    def make_table(self) -> Table:
        """Made once, empty."""
        return Table(self.user, 0, self._services, self._began, self._ending, self._freed)

    def make_home(self) -> Home:
        """Made once; left when nothing of the user is."""

        def deserted() -> bool:
            return not self._spawns and self.table.deserted

        return Home(self.user, self._services.events, deserted, lambda: self._deserted(self))

    @property
    def waiting(self) -> tuple[Spawn, ...]:
        """Spawns that need a slot, in order of arrival; not those whose own key is still held."""
        return tuple(
            spawn
            for spawn in self._spawns.values()
            if spawn.child is None and self.table.under(spawn.key) is None
        )

    def __repr__(self) -> str:
        table = self.table
        return (
            f"<UserSupervisor {self.user} {table.held}/{table.limit} slots, "
            f"{len(table.condemned)} condemned, {len(self.waiting)} waiting>"
        )

    # Obtaining a manager

    def find(self, key: str) -> Obtained[Any] | None:
        """The manager under `key`, if it lives and is within its budget. Never waits."""
        child = self.table.under(key)
        if child is None or child.state is not State.RUNNING:
            return None
        if self.table.verdict(child).health is Health.UNRESPONSIVE:
            return None
        self.table.emit(Found, child)
        return Obtained(child.ref, created=False)

    async def get_or_spawn(self, key: str, spec: ChildSpec[Any]) -> Obtained[Any]:
        """As Supervisor.get_or_spawn. Callers that ask for the same key share one spawn."""
        found = self.find(key)
        if found is not None:
            return found
        asked_at = trio.current_time()
        spawn = self._spawns.get(key) or self._begin(key, spec)
        try:
            while not spawn.is_over:
                with trio.move_on_at(self._look_again_at(spawn)):
                    await spawn.wait()
                self._reap_if_overdue(spawn)
        finally:
            if spawn.unwanted:
                self._abandon(spawn)
        obtained = spawn.collect()
        if not obtained.created:
            assert spawn.child is not None
            self.table.emit(Found, spawn.child, trio.current_time() - asked_at)
        return obtained

    def _look_again_at(self, spawn: Spawn) -> float:
        """When a caller looks whether the start that it waits for is overdue."""
        until = self.table.verdict(spawn.child).until if spawn.child is not None else None
        return (until or trio.current_time() + spawn.spec.health.start_grace) + PAST

    def _reap_if_overdue(self, spawn: Spawn) -> None:
        """A start that hangs ends with its grace, also if nobody needs its slot."""
        child = spawn.child
        if child is None or child.state is not State.STARTING:
            return
        verdict = self.table.verdict(child)
        if verdict.health is Health.UNRESPONSIVE:
            reap(self.table, child, verdict)

    def set_limit(self, limit: int) -> None:
        """Raising it admits those that wait, at once; lowering it ends nobody."""
        if limit == self.table.limit or self.home.over:
            return
        self.table.limit = limit
        if self.table.condemned:
            self.home.do(lambda: count_out(self._services, *self.table.hold_no_slot))
        self._grant()

    def _begin(self, key: str, spec: ChildSpec[Any]) -> Spawn:
        ahead = len(self.waiting)
        predecessor = self.table.under(key)
        spawn = self._spawns[key] = Spawn(self.user, key, spec)
        if predecessor is not None:
            self._take_over(predecessor, spawn)
            return spawn
        self._grant()
        if spawn.child is None:
            spawn.after_cleanup = True
            events = self._services.events
            events.emit(Waited(events.stamp(), self.user, key, ahead))
            self._escalate_soon()
        return spawn

    def _grant(self, heir: str | None = None) -> None:
        """Give free slots to those that wait, in order of arrival; `heir` is the key served first."""
        for spawn in sorted(self.waiting, key=lambda spawn: spawn.key != heir):
            if self.table.held >= self.table.limit:
                return
            self._reserve(spawn)

    def _reserve(self, spawn: Spawn) -> None:
        table = self.table
        child = spawn.child = table.reserve(spawn.key, spawn.spec)
        self.home.start_soon(lambda: self._run_child(child, spawn), name=child.cell.name)
        high_water = self._services.spec.high_water
        if crosses_high_water(table.held, limit=table.limit, high_water=high_water):
            self.clean_up_soon()

    async def _run_child(self, child: Child, spawn: Spawn) -> None:
        """The task of one child, from its slot to its end."""
        try:
            with spawn.admission:
                spawn.stages.extend(await count_in(child, self._services, self.clean_up))
                spawn.after_cleanup |= bool(spawn.stages)
            if child.state is State.STARTING:
                await child.run()
        except QuotaRefused as refused:
            spawn.stages.extend(refused.stages)
            if self._spawns.get(child.key) is spawn:
                self._refuse(spawn, process_limit=refused.limit)
            child.cell.cancel(ExitReason.CANCELLED, "the process had no slot left")
        except Exception as error:  # noqa: BLE001  # a quota that fails fails this start, and says so
            child.cell.crashed(error)
        finally:
            child.make_sure_it_ended()
            await count_out(self._services, child)  # noqa: ASYNC102  # it bounds itself
            self.table.ended(child)

    def _take_over(self, predecessor: Child, spawn: Spawn) -> None:
        """The key is held by one that is dying, or stuck: see it out; its slot goes to `spawn`."""
        verdict, before = self.table.verdict(predecessor), self.table.held
        if predecessor.state is State.RUNNING:
            reap(self.table, predecessor, verdict)

        async def tell_when_left() -> None:
            began = trio.current_time()
            await predecessor.left.wait()
            found = (predecessor.finding(verdict),)
            reaped, failed = ((), found) if predecessor.is_condemned else (found, ())
            took = trio.current_time() - began
            report = StageReport(Stage.TAKEOVER, before, self.table.held, reaped, (), failed, took)
            spawn.stages.append(report)
            spawn.after_cleanup = True
            self._tell_cleaned([report], Trigger.ADMISSION, made_room=True)

        self.home.do(tell_when_left)

    def _began(self, child: Child) -> None:
        if child.state is not State.RUNNING:
            return  # it was to end before it began: nobody is given a dying one
        spawn = self._spawns.pop(child.key)
        assert spawn.child is child
        self.table.emit(Started, child, trio.current_time() - spawn.asked_at, spawn.after_cleanup)
        spawn.finish(child.ref)

    def _ending(self, child: Child) -> None:
        """Somebody began its end; the reaper sees it out, in its time. A start has failed by that."""
        self._fail_start_of(child)
        if self._reaper.see_out(child):
            self.home.do(self._reaper.run)

    def _freed(self, child: Child) -> None:
        """A key, and perhaps a slot, became free; a start that was under way has failed."""
        self._reaper.has_left(child)
        self._fail_start_of(child)
        if self.table.condemned:
            self.home.do(lambda: count_out(self._services, *self.table.hold_no_slot))
        self._grant(heir=child.key)
        if self.waiting:
            self._escalate_soon()
        self.home.leave_if_deserted()

    def _fail_start_of(self, child: Child) -> None:
        spawn = self._spawns.get(child.key)
        if spawn is not None and spawn.child is child:
            del self._spawns[child.key]
            spawn.finish(child.cell.exit_due)

    def _abandon(self, spawn: Spawn) -> None:
        """Nobody waits for it any more: as if it had never been asked for."""
        del self._spawns[spawn.key]
        spawn.finish(Closed())
        child = spawn.child
        if child is not None:
            spawn.admission.cancel()
            child.cell.cancel(ExitReason.CANCELLED, "nobody waited for it any more")
        self._grant()
        self.home.leave_if_deserted()

    # Making room

    def _escalate_soon(self) -> None:
        """One cleanup at a time serves all that wait; a newcomer joins it."""
        self._nap.cancel()
        if not self._escalating:
            self._escalating = True
            self.home.do(self._escalate)

    async def _escalate(self) -> None:
        try:
            self._tell_cleaned(await self._try_all(), Trigger.ADMISSION, made_room=True)
        except Exception as error:
            for spawn in self.waiting:  # nobody waits for ever because of a mistake of ours
                del self._spawns[spawn.key]
                spawn.finish(Exit(ExitReason.START_FAILED, "making room failed", error))
            raise
        finally:
            self._escalating = False

    async def _try_all(self) -> list[StageReport]:
        """Try one stage after the other while anybody waits; the reports not yet told."""
        tried: list[Stage] = []
        reports: list[StageReport] = []
        while self.waiting:
            match next_move(tried, until=Stage.LIVENESS, removable=self._removable):
                case Try(stage):
                    tried = [*tried, stage] if stage not in tried else [stage]
                    reports.append(await self._try(stage))
                case Settle():
                    self._settle(reports)
                    tried, reports = [], []
                    await self._sleep_while_waiting()
        return reports

    async def _try(self, stage: Stage) -> StageReport:
        deadline = self._services.spec.admission_deadline
        return await run_stage(self.table, stage, needed=self._needed, bound=deadline)

    @property
    def _needed(self) -> int:
        """How many slots are missing for those that wait."""
        return len(self.waiting) + self.table.held - self.table.limit

    def _removable(self) -> bool:
        """Does anybody stand in the way who need not, by the evidence of this moment?"""
        verdicts = self.table.verdicts()
        stages = stages_until(Stage.LIVENESS)
        return any(victims(stage, verdicts, needed=self._needed) for stage in stages)

    def _settle(self, reports: list[StageReport]) -> None:
        """Everything was tried: refuse those whose wait is over."""
        self._tell_cleaned(reports, Trigger.ADMISSION, all_alive=all_alive(self.table))
        now, patience = trio.current_time(), self._services.spec.slot_wait
        for spawn in self.waiting:
            if now >= spawn.asked_at + patience:
                spawn.stages.extend(reports)
                self._refuse(spawn)

    async def _sleep_while_waiting(self) -> None:
        """Until the first wait is over, somebody new comes, or a slot holder may have become a ghost."""
        if not self.waiting:
            return
        over = self.waiting[0].asked_at + self._services.spec.slot_wait
        now = trio.current_time()
        graces = [v.until + PAST for v in self.table.verdicts().values() if v.until is not None]
        self._nap = trio.CancelScope()
        with self._nap:
            await trio.sleep_until(min([over, *(due for due in graces if due > now)]))

    def _refuse(self, spawn: Spawn, *, process_limit: int | None = None) -> None:
        del self._spawns[spawn.key]
        report = refusal(self.table, spawn.key, spawn.stages, process_limit=process_limit)
        events = self._services.events
        waited = trio.current_time() - spawn.asked_at
        events.emit(Refused(events.stamp(), self.user, spawn.key, report, waited))
        spawn.finish(report)

    def _tell_cleaned(
        self,
        reports: list[StageReport],
        trigger: Trigger,
        *,
        made_room: bool = False,
        all_alive: bool = False,
    ) -> None:
        if reports:
            events = self._services.events
            report = CleanupReport(self.user, tuple(reports))
            events.emit(CleanedUp(events.stamp(), report, trigger, made_room, all_alive))

    async def clean_up(
        self,
        until: Stage,
        trigger: Trigger,
        *,
        needed: int = 0,
        bound: float | None = None,
        ask: bool = True,
    ) -> CleanupReport:
        """Run the stages up to `until`, each as in `run_stage`.

        Cancellation: what was begun goes on. Overtaken by the supervisor's end: what was done.
        """
        stages: list[StageReport] = []
        done = trio.Event()

        async def chore() -> None:
            try:
                await self._run_stages(until, trigger, stages, needed=needed, bound=bound, ask=ask)
            finally:
                done.set()

        if not self.home.over:
            self.home.do(chore)
            await done.wait()
        return CleanupReport(self.user, tuple(stages))

    async def _run_stages(
        self,
        until: Stage,
        trigger: Trigger,
        reports: list[StageReport],
        *,
        needed: int = 0,
        bound: float | None = None,
        ask: bool = True,
    ) -> None:
        """Put each report into `reports` as soon as there is one, and tell of all at the end."""
        try:
            for stage in stages_until(until):
                report = await run_stage(self.table, stage, needed=needed, bound=bound, ask=ask)
                reports.append(report)
        finally:
            self._tell_cleaned(reports, trigger)

    def clean_up_soon(self) -> None:
        """Remove in the background whom there is hard evidence against already."""
        if anything_to_remove(self.table):
            self.home.do(lambda: self._run_stages(Stage.LIVENESS, Trigger.HIGH_WATER, []))

    def explain(self) -> Explanation:
        return explain(self.table, waiting=len(self.waiting))

    def snapshot(self) -> UserSnapshot:
        return snapshot_of(self.table, waiting=len(self.waiting))

    def standing(self) -> Standing:
        table = self.table
        return Standing(self.user, table.limit, table.held, len(self.waiting), len(table.condemned))

    def dry_run(self, until: Stage) -> CleanupReport:
        return dry_run(self.table, until)

    # Ending

    async def stop_all(self, reason: ExitReason, detail: str) -> None:
        """Stop every manager, and wait until each has left. Cancellation: they stop all the same."""
        if self.home.over:
            return
        for spawn in list(self._spawns.values()):
            spawn.admission.cancel()
            if spawn.child is None:
                del self._spawns[spawn.key]
                spawn.finish(Closed() if reason is ExitReason.SHUTDOWN else Exit(reason, detail))
        leaving = self.table.children
        for child in leaving:
            child.cell.stop(reason, detail)
        for child in leaving:
            await child.left.wait()
        self.home.leave_if_deserted()
