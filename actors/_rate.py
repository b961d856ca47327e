"""TokenBucket: how much of something may be done in a time, with room for a burst. Pure."""

from __future__ import annotations

import math

import attrs


@attrs.define(eq=False)
class TokenBucket:
    """`rate` a second in the long run, `burst` at once; full at first. The classic of that name.

    The times are seconds of any clock that never goes back, Trio's as a rule.
    """

    rate: float
    burst: float
    _level: float = attrs.field(init=False)
    _at: float = attrs.field(init=False, default=-math.inf)

    def __attrs_post_init__(self) -> None:
        if not (self.rate > 0 and self.burst >= 1):
            raise ValueError(f"a bucket needs rate > 0 and burst >= 1, not {self.rate!r} and {self.burst!r}")
        self._level = self.burst

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Take it if it is there; else take nothing."""
        self._refill(now)
        if self._level < amount:
            return False
        self._level -= amount
        return True

    def full_at(self) -> float:
        """When it has refilled: from then on it is as good as a new one."""
        missing = self.burst - self._level
        return self._at + missing / self.rate if missing else -math.inf

    def _refill(self, now: float) -> None:
        if now > self._at:
            gained = (now - self._at) * self.rate
            self._level = min(self.burst, self._level + gained)
            self._at = now
