"""Quota: who counts slots beyond one user's table; here for one process, later for several."""

from __future__ import annotations

from typing import Protocol

import attrs

from ._report import StageReport


class QuotaRefused(Exception):
    """No more slots there; `limit` is the number that stood in the way."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit
        self.stages: tuple[StageReport, ...] = ()
        """What was tried before it became final."""


class Quota(Protocol):
    """The truth of all processes, where the children table is the truth of one."""

    async def admit(self, user: str, slot: str) -> None:
        """Count one more slot, by a name that the caller chose and never uses twice.

        Raises QuotaRefused. Cancellation: whether it counts is unknown; `release` it.
        """
        ...

    async def release(self, user: str, slot: str) -> None:
        """Count it no more. Idempotent; called shielded."""
        ...


@attrs.define(eq=False)
class LocalQuota:
    """The quota of a single process: at most `limit` slots of all users together."""

    limit: int | None = None
    _slots: set[str] = attrs.field(init=False, factory=set[str])

    def admit_nowait(self, slot: str) -> bool:
        """Count one more slot if there is one, and say whether there was."""
        if self.limit is not None and len(self._slots) >= self.limit:
            return False
        self._slots.add(slot)
        return True

    async def admit(self, user: str, slot: str) -> None:  # noqa: ARG002  # as the protocol says
        if not self.admit_nowait(slot):
            assert self.limit is not None
            raise QuotaRefused(self.limit)

    def release_nowait(self, slot: str) -> None:
        """Count it no more."""
        self._slots.discard(slot)

    async def release(self, user: str, slot: str) -> None:  # noqa: ARG002
        self.release_nowait(slot)

    def __len__(self) -> int:
        return len(self._slots)
