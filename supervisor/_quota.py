"""Quota: how many slots all users of this process may hold together, and one user's fair share of them."""

from __future__ import annotations

from collections import Counter

import attrs

from ._report import Holder, RefusalReason, StageReport


class QuotaRefused(Exception):
    """No slot for him beyond his own table; `limit` stood in the way, `live` is how many there are."""

    def __init__(
        self,
        limit: int,
        *,
        reason: RefusalReason = RefusalReason.PROCESS_LIMIT,
        live: int | None = None,
        holders: tuple[Holder, ...] = (),
    ) -> None:
        super().__init__(limit, reason)
        self.limit = limit
        self.reason = reason
        self.live = limit if live is None else live
        self.holders = holders
        """Who holds slots of this user on other nodes."""
        self.stages: tuple[StageReport, ...] = ()
        """What was tried before it became final."""


def share_of(limit: int, users: int) -> int:
    """What one of so many users may have of a limit: at least one slot."""
    return max(1, limit // users)


@attrs.define(eq=False, repr=False)
class LocalQuota:
    """At most `limit` slots of all users together.

    From the part `fair_from` of it on, no user gets more than his share.
    """

    limit: int | None = None
    fair_from: float = 1.0
    _slots: set[str] = attrs.field(init=False, factory=set[str])
    _held: Counter[str] = attrs.field(init=False, factory=Counter[str])
    """By user; nobody is in it who holds none."""

    def admit_nowait(self, user: str, slot: str) -> bool:
        """Count one more slot if there is one for this user, and say whether there was."""
        if self.limit is not None and self._obstacle(user, self.limit) is not None:
            return False
        if slot not in self._slots:
            self._slots.add(slot)
            self._held[user] += 1
        return True

    def _obstacle(self, user: str, limit: int) -> QuotaRefused | None:
        held = len(self._slots)
        if held >= limit:
            return QuotaRefused(limit)
        if held >= self.fair_from * limit:
            share = share_of(limit, len(self._held) + (user not in self._held))
            if self._held[user] >= share:
                return QuotaRefused(share, reason=RefusalReason.FAIR_SHARE, live=self._held[user])
        return None

    def admit(self, user: str, slot: str) -> None:
        """As `admit_nowait`. Raises QuotaRefused."""
        if not self.admit_nowait(user, slot):
            assert self.limit is not None
            refused = self._obstacle(user, self.limit)
            assert refused is not None
            raise refused

    def release(self, user: str, slot: str) -> None:
        """Count it no more."""
        if slot in self._slots:
            self._slots.remove(slot)
            self._held[user] -= 1
            if not self._held[user]:
                del self._held[user]

    def __len__(self) -> int:
        return len(self._slots)
