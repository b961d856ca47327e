"""UserSupervisor: the actors of one user, who may join them, and when somebody is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import attrs
import trio

from actors import Exit, ExitReason, State

from ._admission import crosses_high_water, stages_until
from ._beginnings import Beginnings
from ._beyond import count_out
from ._child import Child
from ._cleanup import (
    anything_to_remove,
    dry_run,
    explain,
    holders,
    nothing_needed,
    reap,
    refusal,
    run_stage,
    snapshot_of,
    tell_cleaned,
)
from ._errors import SupervisorError
from ._escalation import Escalation
from ._events import Found, Refused, Started, Waited
from ._evicting import with_eviction
from ._health import is_well
from ._home import Home
from ._quota import QuotaRefused
from ._reaper import Reaper
from ._report import (
    CleanupReport,
    Explanation,
    Health,
    Holder,
    Refusal,
    Stage,
    StageReport,
    Standing,
    Trigger,
    UserSnapshot,
)
from ._restarts import Restarts
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
    _reaper: Reaper
    _retired: Callable[[UserSupervisor], None]
    """Told, once, when nothing of the user is left."""
    table: Table = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: Table(self.user, 0, self._services, self), takes_self=True),
    )
    _spawns: dict[str, Spawn] = attrs.field(init=False, factory=dict[str, Spawn])
    """By key, in order of arrival: those that wait for a slot, and those that are starting."""
    _queue: dict[str, Spawn] = attrs.field(init=False, factory=dict[str, Spawn])
    """Those among them that have no slot yet."""
    home: Home = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: Home(self.user, self._services.events, self), takes_self=True),
    )
    _beginnings: Beginnings = attrs.field(
        init=False,
        default=attrs.Factory(
            lambda self: Beginnings(self.table, self, self.home, self._reaper), takes_self=True
        ),
    )
    _restarts: Restarts = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: Restarts(self.table, self, self.home), takes_self=True),
    )
    _escalation: Escalation = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: Escalation(self.table, self, self.home), takes_self=True),
    )

    @property
    def is_deserted(self) -> bool:
        """Is nothing of the user left, but for chores?"""
        return not self._spawns and self.table.deserted

    def retire(self) -> None:
        """Told by its home, once, when nothing at all is left."""
        self._retired(self)

    @property
    def waiting(self) -> tuple[Spawn, ...]:
        """Spawns that need a slot, in order of arrival; not those whose own key is still held."""
        return tuple(spawn for spawn in self._queue.values() if self.table.under(spawn.key) is None)

    def __repr__(self) -> str:
        table = self.table
        return (
            f"<UserSupervisor {self.user} {table.held}/{table.limit} slots, "
            f"{len(table.condemned)} condemned, {len(self.waiting)} waiting>"
        )

    # Obtaining a manager

    def find(self, key: str) -> Obtained[Any] | None:
        """The manager under `key`, if it lives and is within its budget. Never waits."""
        table = self.table
        child = table.under(key)
        if child is None or child.pulse.state is not State.RUNNING:
            return None
        doubtful = not is_well(child.pulse, child.spec.health, trio.current_time())
        if doubtful and table.verdict(child).health is Health.UNRESPONSIVE:
            return None
        table.emit(Found, child)
        return Obtained(child.ref, created=False)

    async def get_or_spawn(self, key: str, spec: ChildSpec[Any]) -> Obtained[Any]:
        """As Supervisor.get_or_spawn. Callers that ask for the same key share one spawn."""
        found = self.find(key)
        if found is not None:
            return found
        asked_at = trio.current_time()
        spawn = self._spawns.get(key) or self._begin(key, spec)
        try:
            await spawn.wait()
        finally:
            if spawn.unwanted:
                self._abandon(spawn)
        obtained = spawn.collect()
        if not obtained.created:
            assert spawn.child is not None
            self.table.emit(Found, spawn.child, trio.current_time() - asked_at)
        return obtained

    def set_limit(self, limit: int) -> None:
        """Raising it admits those that wait, at once; lowering it ends nobody."""
        if limit == self.table.limit or self.home.over:
            return
        self.table.limit = limit
        self._count_out_condemned()
        self._grant()

    def _begin(self, key: str, spec: ChildSpec[Any]) -> Spawn:
        predecessor = self.table.under(key)
        spawn = self._spawns[key] = Spawn(self.user, key, spec)
        if predecessor is not None and predecessor.state is State.STARTING:
            spawn.child, spawn.joins = predecessor, True  # it is beginning anew, and nobody else waits for it
            return spawn
        if predecessor is None and not self._queue and self.table.held < self.table.limit:
            self._reserve(spawn)
            return spawn
        ahead = len(self.waiting)
        self._queue[key] = spawn
        if predecessor is not None:
            self._take_over(predecessor, spawn)
            return spawn
        self._grant()
        if spawn.child is None:
            spawn.after_cleanup = True
            events = self._services.events
            events.emit(Waited(events.stamp(), self.user, key, ahead))
            self._escalation.begin()
        return spawn

    def _grant(self, heir: str | None = None) -> None:
        """Give free slots to those that wait, in order of arrival; `heir` is the key served first."""
        if not self._queue:
            return
        for spawn in sorted(self.waiting, key=lambda spawn: spawn.key != heir):
            if self.table.held >= self.table.limit:
                return
            del self._queue[spawn.key]
            self._reserve(spawn)

    def _reserve(self, spawn: Spawn) -> None:
        table = self.table
        child = spawn.child = table.reserve(spawn.key, spawn.spec)
        self._beginnings.begin(child)
        self._look_early()

    def _look_early(self) -> None:
        """Nearly all slots are held: look who need not, unless that is being done."""
        table, high_water = self.table, self._services.spec.high_water
        crosses = crosses_high_water(table.held, limit=table.limit, high_water=high_water)
        if crosses and not self._escalation.is_trying:
            self.clean_up_soon()

    def begin_again(self, before: Child, within: float, turn: Callable[[Child], Awaitable[object]]) -> Child:
        """One left, with no await since: reserve its slot and key for the next, which begins later."""
        child = self.table.reserve(before.key, before.spec)
        child.begins_after(within)
        self._beginnings.begin(child, partial(turn, child))
        return child

    def lost_its_slot(self, child: Child, why: str) -> None:
        """Others had none for it: it begins no more."""
        self._restarts.lost_its_slot(child, why)

    def end_all_soon(self, why: str) -> None:
        """Stop everybody, for a reason in words."""
        self.home.do(lambda: self.stop_all(ExitReason.STOPPED, why))

    def start_of(self, child: Child) -> Spawn | None:
        """The spawn that waits for this child to start; None: nobody does, or not any more."""
        spawn = self._spawns.get(child.key)
        return spawn if spawn is not None and spawn.child is child else None

    def end(self, spawn: Spawn, outcome: Exit | Refusal | Closed | SupervisorError) -> None:
        """It waits no more: nothing comes of it."""
        del self._spawns[spawn.key]
        self._queue.pop(spawn.key, None)
        spawn.finish(outcome)
        if not self._queue:
            self._escalation.look_again()

    def _take_over(self, predecessor: Child, spawn: Spawn) -> None:
        """The key is held by one that is dying, or stuck: see it out; its slot goes to `spawn`."""
        verdict, before = self.table.verdict(predecessor), self.table.held
        if predecessor.state is State.RUNNING:
            reap(self.table, predecessor, verdict)

        async def tell_when_left() -> None:
            began = trio.current_time()
            await predecessor.wait_left()
            found = (predecessor.finding(verdict),)
            reaped, failed = ((), found) if predecessor.is_condemned else (found, ())
            took = trio.current_time() - began
            report = StageReport(Stage.TAKEOVER, before, self.table.held, reaped, (), failed, took)
            spawn.stages += (report,)
            spawn.after_cleanup = True
            tell_cleaned(self.table, [report], Trigger.ADMISSION, made_room=True)

        self.home.do(tell_when_left)

    def began(self, child: Child) -> None:
        if child.state is not State.RUNNING:
            return  # it was to end before it began: nobody is given a dying one
        self._reaper.forget(child)
        self._beginnings.settled(child)
        self._restarts.began(child)
        spawn = self._spawns.pop(child.key, None)
        events = self._services.events
        stamp = events.stamp()
        who = (child.user, child.key, child.incarnation)
        if spawn is None:
            events.emit(Started(stamp, *who, stamp.at - child.reserved_at))
            return
        assert spawn.child is child
        events.emit(Started(stamp, *who, stamp.at - spawn.asked_at, spawn.after_cleanup))
        spawn.finish(child.ref)

    def unconnected(self, child: Child) -> None:  # noqa: ARG002  # whoever it is, somebody has to go
        """Who waits for a slot may get one: those who decide look again."""
        self._escalation.look_again()

    def ending(self, child: Child) -> None:
        """Somebody began its end; the reaper sees it out, in its time. A start has failed by that."""
        self._fail_start_of(child)
        self._reaper.watch(child, self.table)
        self._beginnings.ending(child)

    def ended(self, child: Child) -> None:
        """Nothing of it runs any more."""
        count_out(self._services, child)
        self.table.ended(child)

    def left(self, child: Child) -> None:
        """Its key is free: it may begin anew before anybody else gets its slot."""
        self._count_out_condemned()
        self._restarts.left(child)

    def freed(self, child: Child) -> None:
        """A key, and perhaps a slot, became free; a start that was under way has failed."""
        self._reaper.forget(child)
        self._beginnings.settled(child)
        self._fail_start_of(child)
        self._count_out_condemned()
        self._grant(heir=child.key)
        if self._queue and self.waiting:
            self._escalation.begin()
        self.home.leave_if_deserted()

    def _count_out_condemned(self) -> None:
        """Those that hold no slot here, by now, hold none beyond this user either."""
        if self.table.condemned:
            count_out(self._services, *self.table.hold_no_slot)

    def _fail_start_of(self, child: Child) -> None:
        spawn = self.start_of(child)
        if spawn is not None:
            self.end(spawn, child.exit_due)

    def _abandon(self, spawn: Spawn) -> None:
        """Nobody waits for it any more: as if it had never been asked for."""
        self.end(spawn, Closed())
        child = spawn.child
        if child is not None and not spawn.joins:
            child.cancel(ExitReason.CANCELLED, "nobody waited for it any more")
        self._grant()
        self.home.leave_if_deserted()

    # Making room

    def refuse(self, spawn: Spawn, *, beyond: QuotaRefused | None = None) -> None:
        """Tell it what was tried, and who holds the slots; or what stood in its way beyond this user."""
        report = refusal(self.table, spawn.key, spawn.stages, beyond=beyond)
        events = self._services.events
        waited = trio.current_time() - spawn.asked_at
        events.emit(Refused(events.stamp(), self.user, spawn.key, report, waited))
        self.end(spawn, report)

    async def clean_up(
        self,
        until: Stage,
        trigger: Trigger,
        *,
        needed: Callable[[], int] = nothing_needed,
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
        needed: Callable[[], int] = nothing_needed,
        bound: float | None = None,
        ask: bool = True,
    ) -> None:
        """Put each report into `reports` as soon as there is one, and tell of all at the end."""
        try:
            for stage in stages_until(until):
                report = await run_stage(self.table, stage, needed=needed, bound=bound, ask=ask)
                reports.append(report)
        finally:
            tell_cleaned(self.table, reports, trigger)

    def clean_up_soon(self) -> None:
        """Remove in the background whom there is hard evidence against already."""
        if anything_to_remove(self.table):
            self.home.do(lambda: self._run_stages(Stage.LIVENESS, Trigger.HIGH_WATER, []))

    def explain(self) -> Explanation:
        explained, policy = explain(self.table, waiting=len(self.waiting)), self._services.evict
        return explained if policy is None else with_eviction(explained, self.table, policy)

    def snapshot(self) -> UserSnapshot:
        return snapshot_of(self.table, waiting=len(self.waiting))

    def holders(self, tried: Sequence[StageReport] = ()) -> tuple[Holder, ...]:
        """Who holds slots here, the verdict on each, and why what was tried left it there."""
        return holders(self.table, tried)

    def standing(self) -> Standing:
        table = self.table
        return Standing(self.user, table.limit, table.held, len(self.waiting), len(table.condemned))

    def dry_run(self, until: Stage) -> CleanupReport:
        return dry_run(self.table, until)

    # Ending

    async def stop(self, key: str, detail: str) -> None:
        """Stop one manager for good, and wait until it has left. Cancellation: it stops all the same."""
        self._restarts.forget(key)
        child = self.table.under(key)
        if child is not None:
            child.stop(ExitReason.STOPPED, detail)
            await child.wait_left()

    def begin_drain(self) -> list[tuple[Child, ...]]:
        """Nobody waits or begins anew any more; who is here, those of a group together, in order."""
        self._end_waits(Closed())
        units = self._restarts.units(self.table.children)
        self._restarts.forget_all()
        return units

    def _end_waits(self, outcome: Exit | Closed) -> None:
        """Those who wait for a slot get none."""
        for spawn in list(self._spawns.values()):
            if spawn.child is None:
                self.end(spawn, outcome)

    async def stop_all(self, reason: ExitReason, detail: str) -> None:
        """Stop every manager, and wait until each has left. Cancellation: they stop all the same."""
        if self.home.over:
            return
        self._end_waits(Closed() if reason is ExitReason.SHUTDOWN else Exit(reason, detail))
        self._restarts.forget_all()
        leaving = self.table.children
        for child in leaving:
            child.stop(reason, detail)
        for child in leaving:
            await child.wait_left()
        self.home.leave_if_deserted()
