"""One sweep over all users: ask, look, hold still if too many look dead at once, clean up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import attrs
import trio

from ._cleanup import ask_for_life, look_through
from ._events import SweepHeld, Swept
from ._report import CleanupReport, Stage, Trigger
from ._table import Services
from ._user import UserSupervisor

# How many actors a sweep looks at before the others get a turn: a tenth of a millisecond, or a third if all
# are to be judged. A spawn takes some turns, and is to notice none of it. To come to a user takes as long
# as to look at some actors.
SWEEP_BATCH = 150
USER_COST = 3

# How many users' cleanups begin before the others get a turn: a millisecond at most, as those that have
# begun go on meanwhile.
CLEANUPS_AT_ONCE = 2

# So many users, and so large a part of all, do not get stuck at once by chance: it may be our fault.
MANY_USERS = 10
MANY_PART = 0.3


@attrs.define(eq=False, repr=False)
class Hold:
    """When too many look dead at once, nobody is ended for them, for so long: an alarm, not a verdict."""

    longest: float
    _until: float | None = attrs.field(init=False, default=None)
    """Of the alarm that lasts; one hold each, however long it does."""

    def until(self, *, suspects: int, users: int, now: float) -> float | None:
        """Until when to hold still, seeing that so many of the users have one that looks dead."""
        if suspects < MANY_USERS or suspects < MANY_PART * users:
            self._until = None
            return None
        if self._until is None:
            self._until = now + self.longest
        return self._until if now < self._until else None


@attrs.define(eq=False, repr=False)
class _Turn:
    """How much of its turn a sweep has used up."""

    _spent: int = attrs.field(init=False, default=0)

    def is_over_with(self, here: UserSupervisor) -> bool:
        """After this user, is it time to let the others run?"""
        self._spent += USER_COST + here.table.size
        if self._spent < SWEEP_BATCH:
            return False
        self._spent = 0
        return True


@attrs.define(eq=False, repr=False)
class Sweep:
    """What the background does once a period, and a full process before it refuses."""

    _services: Services
    _users: Callable[[], list[UserSupervisor]]
    _hold: Hold = attrs.field(
        init=False, default=attrs.Factory(lambda self: self.make_hold(), takes_self=True)
    )

    def make_hold(self) -> Hold:
        """Made once."""
        return Hold(self._services.spec.mass_hold)

    async def run(self) -> float:
        """Sweep once, and say when to look again if that is sooner than usual; else infinity.

        Nobody's long graces hold up the next sweep of the others.
        """
        began, bound = trio.current_time(), self._services.spec.sweep_period / 4
        await self._ask_all(bound)
        stuck, others = await self._look(ask=False)
        held_until = self._held_until(len(stuck))
        visit = others if held_until is not None else dict.fromkeys(stuck + others)
        last = Stage.GARBAGE if held_until is not None else Stage.LIVENESS
        cleaned = await clean_up_all(visit, Trigger.SWEEP, until=last, bound=bound, ask=False)
        report = joined(None, cleaned)
        events = self._services.events
        events.emit(Swept(events.stamp(), report, trio.current_time() - began))
        return math.inf if held_until is None else held_until

    async def clean(self, *, bound: float) -> CleanupReport:
        """Clean up after everybody, on behalf of one who waits: hard evidence is acted upon at once."""
        stuck, others = await self._look(ask=True)
        visit, why = dict.fromkeys(stuck + others), Trigger.FULL_PROCESS
        return joined(None, await clean_up_all(visit, why, until=Stage.LIVENESS, bound=bound))

    async def _ask_all(self, bound: float) -> None:
        if not self._services.spec.probing:
            return
        users = self._users()
        async with trio.open_nursery() as nursery:
            for start in range(0, len(users), SWEEP_BATCH):
                for here in users[start : start + SWEEP_BATCH]:
                    if here.table.has_probes:
                        nursery.start_soon(ask_for_life, here.table, bound)
                await trio.lowlevel.checkpoint()

    async def _look(self, *, ask: bool) -> tuple[list[UserSupervisor], list[UserSupervisor]]:
        """The users that have one that looks dead; and those who have garbage, or, to `ask`, a probe."""
        stuck: list[UserSupervisor] = []
        others: list[UserSupervisor] = []
        turn = _Turn()
        for here in self._users():
            looks_dead, has_garbage = look_through(here.table)
            if looks_dead:
                stuck.append(here)
            if has_garbage or (ask and here.table.has_probes):
                others.append(here)
            if turn.is_over_with(here):
                await trio.lowlevel.checkpoint()
        return stuck, others

    def _held_until(self, suspects: int) -> float | None:
        users = len(self._users())
        self._hold.longest = self._services.spec.mass_hold
        until = self._hold.until(suspects=suspects, users=users, now=trio.current_time())
        if until is not None:
            events = self._services.events
            events.emit(SweepHeld(events.stamp(), suspects, users, until))
        return until


async def clean_up_all(
    users: Iterable[UserSupervisor],
    trigger: Trigger,
    *,
    until: Stage,
    bound: float | None,
    ask: bool = True,
) -> list[CleanupReport]:
    """Clean up after each, all at once, each in his own nursery; the reports as they come.

    Of many users some begin later than others, so that the event loop has time for everybody.
    """
    reports: list[CleanupReport] = []

    async def clean(here: UserSupervisor) -> None:
        reports.append(await here.clean_up(until, trigger, bound=bound, ask=ask))

    begun = 0
    async with trio.open_nursery() as nursery:
        for here in users:
            nursery.start_soon(clean, here)
            begun += 1
            if begun % CLEANUPS_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
    return reports


async def dry_run_all(users: Iterable[UserSupervisor], until: Stage) -> list[CleanupReport]:
    """What a cleanup would do to each, looked at in turns."""
    reports: list[CleanupReport] = []
    for here in users:
        if len(reports) % CLEANUPS_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
        reports.append(here.dry_run(until))
    return reports


def joined(user: str | None, reports: Iterable[CleanupReport], *, dry_run: bool = False) -> CleanupReport:
    """One report of many."""
    return CleanupReport(user, tuple(stage for report in reports for stage in report.stages), dry_run)
