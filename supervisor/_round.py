"""Round: a group of one user's actors ends, and begins anew, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from actors import ExitReason

from ._child import Child


def bound(members: Sequence[Child], delay: float) -> float:
    """How long such a round takes at most, in seconds, until the last of them is to begin.

    Each has its graces to end in, and its grace to begin in.
    """
    ends = sum(c.spec.stop_grace + c.spec.cleanup_grace + 3 * c.spec.health.cancel_grace for c in members)
    return ends + delay + sum(c.spec.health.start_grace for c in members)


async def stop_in_order(members: Sequence[Child], reason: ExitReason, why: str) -> None:
    """Stop them, the last that began first, each when the one before has left. Cancelled, it got so far."""
    for child in reversed(members):
        child.stop(reason, why)
        await child.wait_left()


@attrs.define(eq=False, repr=False)
class Round:
    """Who began last ends first; then, after the delay, each begins when the one before it has.

    As OTP's supervisor does for one_for_all and rest_for_one.
    """

    why: str
    leaving: tuple[Child, ...]
    """Those that end because another one did, in the order in which they had begun."""
    order: tuple[str, ...]
    """The keys of all that begin anew, in that order."""
    due: float
    """The first begins then, or when all have left, whatever is later."""
    latest: float
    """And the last in so many seconds, at the latest."""
    attempt: int
    _successors: dict[str, Child] = attrs.field(init=False, factory=dict[str, Child])
    """Those that have not begun."""
    _turns: dict[Child, trio.Event] = attrs.field(init=False, factory=dict[Child, trio.Event])
    """Set when it is theirs."""
    _beginning: tuple[Child, trio.Event] | None = attrs.field(init=False, default=None)
    """The one whose turn it is, and what is set when it has begun, or is out."""
    _scope: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)

    def join(self, child: Child) -> None:
        """Take the place of the one before under its key, and wait for a turn."""
        self._successors[child.key] = child
        self._turns[child] = trio.Event()

    async def turn(self, child: Child) -> None:
        """Wait until it is to begin."""
        await self._turns[child].wait()

    def settled(self, child: Child) -> None:
        """It has begun, or will not."""
        if self._successors.get(child.key) is child:
            del self._successors[child.key]
            if self._beginning is not None and self._beginning[0] is child:
                self._beginning[1].set()
            if not self._successors and all(one.has_left for one in self.leaving):
                self.cancel()

    def cancel(self) -> None:
        """Nobody ends or begins by it any more."""
        self._scope.cancel()

    async def run(self) -> None:
        """See everybody out, and in again."""
        with self._scope:
            await stop_in_order(self.leaving, ExitReason.STOPPED, self.why)
            await trio.sleep_until(self.due)
            for key in self.order:
                await self._begin(key)

    async def _begin(self, key: str) -> None:
        child = self._successors.get(key)
        if child is not None and not self._scope.cancel_called:  # perhaps in this very moment
            settled = trio.Event()
            self._beginning = child, settled
            self._turns[child].set()
            await settled.wait()
