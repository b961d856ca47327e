"""Restarts: the actors of one user that begin anew after their end, each in its slot and under its key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

import attrs
import trio

from actors import Exit, ExitReason

from ._child import Child
from ._events import GaveUp, Restarting
from ._home import Home
from ._restart import FAILURES, Again, GivenUp, History, NotAgain, concerned
from ._round import Round, bound, stop_in_order
from ._spawn import Spawn
from ._spec import Beyond, Restart
from ._table import Table


class Owner(Protocol):
    """Whose children they are."""

    @property
    def waiting(self) -> Sequence[Spawn]:
        """Those who wait for a slot; who waits for this very key among them."""
        ...

    def begin_again(self, before: Child, within: float, turn: Callable[[Child], Awaitable[object]]) -> Child:
        """One has left, with no await since: reserve its slot and key for the next.

        It begins when its turn has come, in so many seconds at the latest.
        """
        ...

    def end_all_soon(self, why: str) -> None:
        """Stop everybody."""
        ...


@attrs.define(eq=False, repr=False)
class Restarts:
    """For one user. A crash touches nobody else, but for those that are of its group."""

    _table: Table
    _owner: Owner
    _home: Home
    _histories: dict[str, History] = attrs.field(init=False, factory=dict[str, History])
    """By key, of those that will begin anew, in the order in which they first began; one for each group."""
    _rounds: dict[History, Round] = attrs.field(init=False, factory=dict[History, Round])
    """Of the groups that are beginning anew."""

    def began(self, child: Child) -> None:
        """From now on it is restarted, if its policy says so: one that never was is not."""
        group = child.spec.group
        if child.spec.restart.when is Restart.NEVER and group is None:
            return
        history = self._histories.get(child.key)
        if history is None:
            history = self._histories[child.key] = self._history_beside(child)
        if history.began_at is None:
            history.began_at = trio.current_time()
        self._settle(child)

    def _history_beside(self, child: Child) -> History:
        """That of its group; a new one for a group of which nobody else is here."""
        group = child.spec.group
        if group is not None:
            for other in self._table.children:
                if other.spec.group == group and other.key in self._histories:
                    return self._histories[other.key]
        return History()

    def forget(self, key: str) -> None:
        """Whoever has that key ends for good."""
        self._histories.pop(key, None)

    def forget_all(self) -> None:
        """All do."""
        self._histories.clear()
        for round_ in self._rounds.values():
            round_.cancel()

    def left(self, child: Child) -> None:
        """Before anybody else gets its slot: does it keep it, and begin anew?"""
        self._settle(child)
        history = self._histories.get(child.key)
        if history is None:
            return
        if any(spawn.key == child.key for spawn in self._owner.waiting):
            self.forget(child.key)  # whoever asks for it begins it anew
            return
        round_ = self._rounds.get(history)
        if round_ is not None and child in round_.leaving:
            self._rejoin(child, history, round_)
        else:
            self._decide(child, history)

    def _decide(self, child: Child, history: History) -> None:
        """It ended by itself, or by somebody else's hand."""
        how, policy = child.exit_due, child.spec.restart
        now, dice = trio.current_time(), self._table.services.jitter
        well_until = now if child.hung_since is None else child.hung_since
        match history.decide(policy, how, now, dice, well_until=well_until):
            case Again(delay, attempt):
                why = self._obstacle(child, how)
                if why is None:
                    self._begin_round(child, history, delay, attempt)
                else:
                    self._give_up(child, history, why)
            case GivenUp():
                self._give_up(child, history, f"more than {policy.intensity} restarts in {policy.period:g} s")
                if policy.beyond is Beyond.END_USER:
                    self._owner.end_all_soon(f"{child.key!r} failed too often: they are of no use without it")
            case NotAgain():
                self.forget(child.key)

    def _obstacle(self, child: Child, how: Exit) -> str | None:
        """Why one that ended so can have no slot, although it should begin anew."""
        table = self._table
        if table.held >= table.limit:
            return "there is no slot for it any more"
        if child.is_condemned and len(table.condemned) >= table.allowance:
            return "it is condemned, and one more of its kind would cost a slot"
        if how.reason is ExitReason.UNRESPONSIVE and (self._owner.waiting or table.services.in_need):
            return "somebody waits for its slot"
        return None

    # Groups

    def _keys(self, history: History) -> list[str]:
        """Of all that share it, in the order in which they first began."""
        return [key for key, shared in self._histories.items() if shared is history]

    def _members(self, history: History) -> tuple[Child, ...]:
        """Those here that share it, in the order in which they first began."""
        return tuple(child for key in self._keys(history) if (child := self._table.under(key)) is not None)

    def units(self, children: Sequence[Child]) -> list[tuple[Child, ...]]:
        """These children, those of one group together, in the order in which they first began."""
        units: dict[object, tuple[Child, ...]] = {}
        for child in children:
            history = self._histories.get(child.key)
            if history is None or child.spec.group is None:
                units[child] = (child,)
            else:
                units[history] = self._members(history)
        return list(units.values())

    def _begin_round(self, child: Child, history: History, delay: float, attempt: int) -> None:
        """It begins anew after the delay; and so do those of its group whom that concerns."""
        keys = self._keys(history)
        order = keys if child.spec.group is None else concerned(child.spec.group.strategy, child.key, keys)
        others = tuple(one for one in self._members(history) if one.key in order)
        if not others:
            self._begin_again(child, delay, attempt, lambda _: trio.sleep(delay))  # noqa: ASYNC105  # awaited later
            return
        if (before := self._rounds.get(history)) is not None:
            before.cancel()
        why = f"its group begins anew: {child.key!r} ended ({child.exit_due.reason.value})"
        due, latest = trio.current_time() + delay, bound((child, *others), delay)
        round_ = self._rounds[history] = Round(why, others, tuple(order), due, latest, attempt)
        self._rejoin(child, history, round_)
        self._home.do(partial(self._run_round, history, round_))

    async def _run_round(self, history: History, round_: Round) -> None:
        try:
            await round_.run()
        finally:
            if self._rounds.get(history) is round_:
                del self._rounds[history]

    def _rejoin(self, child: Child, history: History, round_: Round) -> None:
        """It ended as one of its group: it begins anew with the others, if it is to at all."""
        how, when = child.exit_due, child.spec.restart.when
        ended_with_them = how.reason in FAILURES or how.reason in (ExitReason.STOPPED, ExitReason.CANCELLED)
        if when is Restart.NEVER or not ended_with_them:
            self.forget(child.key)
        elif (why := self._obstacle(child, how)) is not None:
            self._give_up(child, history, why)
        else:
            self._begin_again(child, round_.latest, round_.attempt, round_.turn, round_)

    def _begin_again(
        self,
        child: Child,
        within: float,
        attempt: int,
        turn: Callable[[Child], Awaitable[object]],
        round_: Round | None = None,
    ) -> None:
        after = self._owner.begin_again(child, within, turn)
        if round_ is not None:
            round_.join(after)
        self._table.emit(Restarting, child, after.incarnation, attempt, within)

    def _settle(self, child: Child) -> None:
        """It has begun, or is out: the next one of its group may."""
        for round_ in self._rounds.values():
            round_.settled(child)

    # Giving up

    def lost_its_slot(self, child: Child, why: str) -> None:
        """Others had none for it: it begins no more."""
        history = self._histories.get(child.key)
        if history is not None:
            self._give_up(child, history, why)

    def _give_up(self, child: Child, history: History, why: str) -> None:
        """It ends for good, and its group with it."""
        self._table.emit(GaveUp, child, history.exits, why)
        self.forget(child.key)
        if (round_ := self._rounds.get(history)) is not None:
            round_.cancel()
        others = self._members(history)
        if others:
            for one in others:
                self.forget(one.key)
            why = f"its group ended: {child.key!r} was given up"
            self._home.do(partial(stop_in_order, others, ExitReason.STOPPED, why))
