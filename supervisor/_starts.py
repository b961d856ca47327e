"""Starts: how many actors of the process begin at once, and whose turn is next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
import trio

from ._child import Child
from ._quota import QuotaRefused
from ._report import RefusalReason


@attrs.define(eq=False, repr=False)
class Starts:
    """Turns go round by user, so that one who starts many at once delays himself, and not the others."""

    _limit: Callable[[], int | None]
    """Read each time; None: all begin at once."""
    _starting: set[Child] = attrs.field(init=False, factory=set[Child])
    _users: deque[str] = attrs.field(init=False, factory=deque[str])
    """Those of whom anybody waits: whose turn is next stands first."""
    _waiting: dict[str, dict[Child, trio.Event]] = attrs.field(
        init=False, factory=dict[str, dict[Child, trio.Event]]
    )

    def enter_nowait(self, child: Child) -> bool:
        """Begin now, if nobody has to be waited for, and say whether it may."""
        limit = self._limit()
        if limit is None:
            return True
        if self._users or len(self._starting) >= limit:
            return False
        self._starting.add(child)
        return True

    async def enter(self, child: Child, patience: float) -> None:
        """Wait for its turn, for so many seconds at most. Raises QuotaRefused: it did not come."""
        if self.enter_nowait(child):
            return
        if child.user not in self._waiting:
            self._users.append(child.user)
        mine = self._waiting.setdefault(child.user, {})
        turn = mine[child] = trio.Event()
        try:
            with trio.fail_after(patience):
                await turn.wait()
        except trio.TooSlowError:
            waiting = sum(map(len, self._waiting.values()))
            limit = self._limit() or 0
            raise QuotaRefused(limit, reason=RefusalReason.OVERLOADED, live=limit + waiting) from None
        finally:
            if mine.pop(child, None) is not None and not mine:
                del self._waiting[child.user]
                self._users.remove(child.user)

    def leave(self, child: Child) -> None:
        """It has begun, or will not: the next one's turn has come."""
        if not self._starting and not self._users:
            return
        self._starting.discard(child)
        limit = self._limit()
        while self._users and (limit is None or len(self._starting) < limit):
            self._admit_next()

    def _admit_next(self) -> None:
        user = self._users.popleft()
        mine = self._waiting[user]
        child = next(iter(mine))
        mine.pop(child).set()
        self._starting.add(child)
        if mine:
            self._users.append(user)
        else:
            del self._waiting[user]
