"""Is the peer there? What one connection knows of it: what came in, what it took, what the kernel says."""

from __future__ import annotations

from typing import Protocol

import attrs

from ._outbox import Outbox
from ._silence import ConnectionSpec, Dead, Ping, Wait, next_step

# A look that comes so many seconds late was itself held up: nobody is convicted by that wait.
_LATE = 0.5


class Signs(Protocol):
    """What a wire can tell of its peer."""

    @property
    def last_inbound(self) -> float:
        """When a byte last came in: the only proof of life."""
        ...

    @property
    def read_since(self) -> float | None:
        """Since when somebody waits for the next byte. None: nobody does, and an answer may lie unread."""
        ...

    @property
    def outbox(self) -> Outbox:
        """What is on its way to the peer."""
        ...

    @property
    def taken(self) -> int:
        """Bytes out of it that the peer has taken, ever, as far as is known."""
        ...

    @property
    def has_left(self) -> bool | None:
        """As far as is known without reading: True: cut. None: it has said its last. False: neither."""
        ...

    def ping_soon(self) -> None:
        """Send something that a living peer answers, without waiting."""
        ...


@attrs.define(eq=False, repr=False)
class Life:
    """Of one peer, as far as is known. It pings; what else is to be done about it is said, not done."""

    _signs: Signs
    _spec: ConnectionSpec
    _pings: tuple[float, ...] = attrs.field(init=False, default=())
    _before_ping: int = attrs.field(init=False, default=0)
    """Bytes that were sent before the last ping; only behind them it gets there."""
    _taken: int = attrs.field(init=False, default=0)
    """Bytes that the peer had taken at the last look."""
    _left_at: float | None = attrs.field(init=False, default=None)
    """Since when it is known that the peer has said its last, while nobody reads."""

    @property
    def unanswered(self) -> int:
        """Pings that have had no answer."""
        return 0 if self._answered else len(self._pings)

    @property
    def _answered(self) -> bool:
        return bool(self._pings) and self._signs.last_inbound >= self._pings[0]

    def ask(self, now: float) -> None:
        """Ping a peer that is not heard right now, without waiting for `quiet`."""
        if self._pings or self._signs.read_since is None:
            return
        if now - self._signs.last_inbound >= self._spec.ping_timeout:
            self.ping(now)

    def ping(self, now: float) -> None:
        self._pings = (*self._pings, now)
        self._before_ping, self._taken = self._signs.outbox.pushed, self._signs.taken
        self._signs.ping_soon()

    def step(self, now: float, *, late: float) -> Wait | Ping | Dead:
        """What to do. A look that is `late` by many seconds convicts nobody."""
        since = self._signs.read_since
        if since is None:
            self._pings = ()
            return self._step_unread(now)
        self._left_at = None
        if self._answered:
            self._pings = ()
        if self._pings and (late > _LATE or self._reads_on()):
            self._pings = (*self._pings[:-1], now)
        heard = max(self._signs.last_inbound, since)
        return next_step(last_inbound=heard, pings=self._pings, spec=self._spec, now=now)

    def _reads_on(self) -> bool:
        """Is the ping still on its way, behind what a slow peer takes bit by bit?

        What was sent after the ping counts for nothing: much may lie between us and a dead peer.
        """
        before, self._taken = self._taken, self._signs.taken
        return before < self._taken < self._before_ping

    def _step_unread(self, now: float) -> Wait | Dead:
        """Behind a full queue neither a pong nor the end is seen; the kernel still knows."""
        left = self._signs.has_left
        if left is None and self._left_at is None:
            self._left_at = now
        patience = self._spec.ping_timeout + self._spec.second_chance
        if left or (self._left_at is not None and now >= self._left_at + patience):
            return Dead(now - self._signs.last_inbound)
        return Wait(now + self._spec.ping_timeout)
