"""Here: all users of one supervisor, as the backend of a cluster sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Concatenate, ParamSpec

import attrs
import trio

from actors import ExitReason

from ._backend import Claim
from ._cleanup import resumable_until
from ._events import Event, Stamp
from ._report import Holder, Stage, Trigger
from ._table import Services
from ._user import UserSupervisor

P = ParamSpec("P")

# So many are fenced in one step of the event loop.
FENCED_AT_ONCE = 50


@attrs.frozen(eq=False)
class Here:
    """A `LocalNode`."""

    _services: Services
    _users: Mapping[str, UserSupervisor]

    def tell(self, kind: Callable[Concatenate[Stamp, P], Event], *args: P.args, **kwargs: P.kwargs) -> None:
        events = self._services.events
        events.emit(kind(events.stamp(), *args, **kwargs))

    def figures(self) -> Mapping[str, int]:
        counts = self._services.events.tally.counts()
        return {"managers": counts.managers, "users": counts.users, "zombies": counts.zombies}

    def users(self) -> Sequence[str]:
        return list(self._users)

    def claims_of(self, user: str) -> Sequence[Claim]:
        here = self._users.get(user)
        if here is None:
            return ()
        table = here.table
        holders = (*table.children, *table.condemned[table.allowance :])
        return [Claim(user, child.key, child.slot, table.limit) for child in holders]

    async def fence(self, why: str) -> None:
        """Those that have begun; who is only to begin waits for another lease."""
        begun = [c for here in self._users.values() for c in here.table.children if c.task is not None]
        for number, child in enumerate(begun, 1):
            child.cancel(ExitReason.FENCED, why)
            if number % FENCED_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()

    def give_up(self, user: str, slots: Sequence[str], why: str) -> tuple[str, ...]:
        here = self._users.get(user)
        going = [c for c in here.table.children if c.slot in slots] if here is not None else []
        for child in going:
            child.stop(ExitReason.FENCED, why)
        return tuple(child.key for child in going)

    async def clean_up(self, user: str) -> tuple[Holder, ...]:
        here = self._users.get(user)
        if here is None:
            return ()
        bound = self._services.spec.admission_deadline
        report = await here.clean_up(Stage.LIVENESS, Trigger.ELSEWHERE, bound=bound)
        return here.holders(report.stages)

    async def reclaim(self, user: str) -> bool:
        here = self._users.get(user)
        if here is None or resumable_until(here.table) is None:
            return False
        bound = self._services.spec.admission_deadline
        report = await here.clean_up(Stage.GARBAGE, Trigger.ELSEWHERE, needed=lambda: 1, bound=bound)
        return bool(report.reaped)

    def holders(self, user: str) -> tuple[Holder, ...]:
        here = self._users.get(user)
        return here.holders() if here is not None else ()

    async def stop_here(self, user: str, key: str, detail: str) -> bool:
        here = self._users.get(user)
        if here is None or here.table.under(key) is None:
            return False
        await here.stop(key, detail)
        return True
