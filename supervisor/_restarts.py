"""Restarts: the actors of one user that begin anew after their end, each in its slot and under its key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs
import trio

from actors import Exit, ExitReason, State

from ._child import Child
from ._events import GaveUp, Restarting
from ._restart import Again, GivenUp, History, NotAgain
from ._spawn import Spawn
from ._spec import Beyond, Restart
from ._table import Table


class Owner(Protocol):
    """Whose children they are."""

    @property
    def waiting(self) -> Sequence[Spawn]:
        """Those who wait for a slot; who waits for this very key among them."""
        ...

    def begin_again(self, before: Child, delay: float) -> Child:
        """One has left, with no await since: reserve its slot and key for the next, which begins later."""
        ...

    def end_all_soon(self, why: str) -> None:
        """Stop everybody."""
        ...


@attrs.define(eq=False)
class Restarts:
    """For one user. A crash touches nobody else: each child has its own history, and its own waits."""

    _table: Table
    _owner: Owner
    _histories: dict[str, History] = attrs.field(init=False, factory=dict[str, History])
    """By key, of those that will begin anew."""
    _pauses: dict[Child, trio.CancelScope] = attrs.field(init=False, factory=dict[Child, trio.CancelScope])
    """Of those who have yet to begin, in which they wait."""

    def began(self, child: Child) -> None:
        """From now on it is restarted, if its policy says so: one that never was is not."""
        if child.spec.restart.when is not Restart.NEVER:
            self._histories.setdefault(child.key, History()).began_at = trio.current_time()

    def forget(self, key: str) -> None:
        """Whoever has that key ends for good."""
        self._histories.pop(key, None)

    def forget_all(self) -> None:
        """All do."""
        self._histories.clear()

    def left(self, child: Child) -> None:
        """Before anybody else gets its slot: does it keep it, and begin anew?"""
        history = self._histories.get(child.key)
        if history is None:
            return
        if any(spawn.key == child.key for spawn in self._owner.waiting):
            self.forget(child.key)  # whoever asks for it begins it anew
            return
        how, policy = child.exit_due, child.spec.restart
        now, dice = trio.current_time(), self._table.services.jitter
        well_until = now if child.hung_since is None else child.hung_since
        decision = history.decide(policy, how, now, dice, well_until=well_until)
        match decision:
            case Again(delay, attempt):
                why = self._obstacle(child, how)
                if why is None:
                    after = self._owner.begin_again(child, delay)
                    self._table.emit(Restarting, child, after.incarnation, attempt, delay)
                    return
                self._give_up(child, history, why)
            case GivenUp():
                self._give_up(child, history, f"more than {policy.intensity} restarts in {policy.period:g} s")
                if policy.beyond is Beyond.END_USER:
                    self._owner.end_all_soon(f"{child.key!r} failed too often: they are of no use without it")
            case NotAgain():
                pass
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

    def lost_its_slot(self, child: Child, why: str) -> None:
        """Others had none for it: it begins no more."""
        history = self._histories.pop(child.key, None)
        if history is not None:
            self._give_up(child, history, why)

    def _give_up(self, child: Child, history: History, why: str) -> None:
        self._table.emit(GaveUp, child, history.exits, why)

    async def pause(self, child: Child, delay: float) -> None:
        """Wait until it is to begin, or to end before that."""
        if child.state is not State.STARTING:
            return
        with trio.CancelScope() as self._pauses[child]:
            await trio.sleep(delay)
        del self._pauses[child]

    def ending(self, child: Child) -> None:
        """It will not begin: it need not wait."""
        pause = self._pauses.get(child)
        if pause is not None:
            pause.cancel()
