"""How fast a user may speak: one bucket for all of his connections, forgotten once it is full again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager

import attrs
import trio

from actors import TokenBucket


@attrs.define(eq=False)
class _Share:
    """What one user's connections have in common."""

    bucket: TokenBucket
    connections: int = 0


@attrs.define(eq=False)
class UserRates:
    """The buckets of those who are here, and of those who left so lately that theirs is not full again.

    Memory: a user who is gone is forgotten when the next one comes or goes after his bucket has
    refilled, so what is kept is bounded by who was here within `burst / rate` seconds.
    """

    rate: float
    burst: int
    _shares: dict[str, _Share] = attrs.field(init=False, factory=dict[str, _Share])
    _gone: OrderedDict[str, float] = attrs.field(init=False, factory=OrderedDict[str, float])
    """Who has no connection any more, and since when; the longest gone first."""

    def __len__(self) -> int:
        """How many users are remembered."""
        return len(self._shares)

    @contextmanager
    def bucket_of(self, user: str) -> Generator[TokenBucket]:
        """The user's bucket, while one of his connections is inside."""
        share = self._enter(user)
        try:
            yield share.bucket
        finally:
            share.connections -= 1
            if not share.connections:
                self._gone[user] = trio.current_time()
            self._forget_the_refilled()

    def _enter(self, user: str) -> _Share:
        self._forget_the_refilled()
        self._gone.pop(user, None)
        share = self._shares.get(user)
        if share is None:
            share = self._shares[user] = _Share(TokenBucket(self.rate, self.burst))
        share.connections += 1
        return share

    def _forget_the_refilled(self) -> None:
        refilled = trio.current_time() - self.burst / self.rate
        while self._gone and next(iter(self._gone.values())) <= refilled:
            user, _ = self._gone.popitem(last=False)
            del self._shares[user]
