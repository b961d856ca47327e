"""Slots beyond one user's table: counted in before an actor runs, and out when it has left."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import trio

from ._child import Child
from ._events import ChoreFailed
from ._quota import LocalQuota, QuotaRefused
from ._report import CleanupReport, RefusalReason, Stage, StageReport, Trigger
from ._table import Services

# What a quota may take to hear that a slot is free, in seconds; here it is free in any case.
RELEASE_WITHIN = 5.0


class CleanUp(Protocol):
    """Clean up after the one user."""

    def __call__(
        self, until: Stage, trigger: Trigger, *, bound: float | None = None
    ) -> Awaitable[CleanupReport]: ...


def local_quota(services: Services) -> LocalQuota | None:
    """The quota, if there is nobody to ask but this process: then nothing takes a wait."""
    quota = services.quota
    return quota if type(quota) is LocalQuota else None


def count_in_nowait(child: Child, services: Services) -> bool:
    """Count the slot if that takes no wait, and say whether it did: within one process it does."""
    quota = local_quota(services)
    return quota is not None and quota.admit_nowait(child.user, child.slot)


def count_out_nowait(services: Services, *children: Child) -> bool:
    """Their slots count nowhere any more, if that takes no wait; say whether it did."""
    quota = local_quota(services)
    if quota is None:
        return False
    for child in children:
        quota.release_nowait(child.user, child.slot)
    return True


async def count_in(child: Child, services: Services, clean_up: CleanUp) -> tuple[StageReport, ...]:
    """Count the slot, cleaning up a full process before anybody is refused; say what was tried.

    Cancellation: whether it counts is unknown; `count_out` it. Raises QuotaRefused.
    """
    try:
        await services.quota.admit(child.user, child.slot)
    except QuotaRefused:
        pass
    else:
        return ()
    services.in_need += 1
    try:
        return await _make_room_for(child, services, clean_up)
    finally:
        services.in_need -= 1


async def _make_room_for(child: Child, services: Services, clean_up: CleanUp) -> tuple[StageReport, ...]:
    await services.make_room()
    report = await clean_up(Stage.LIVENESS, Trigger.FULL_PROCESS, bound=services.spec.admission_deadline)
    while True:  # each turn reclaims somebody; there are only so many
        try:
            await services.quota.admit(child.user, child.slot)
        except QuotaRefused as refused:
            of_others = refused.reason is RefusalReason.PROCESS_LIMIT
            if not of_others or not await services.reclaim():  # noqa: ASYNC120  # cancelled, nobody asks why
                refused.stages = report.stages
                raise
        else:
            return report.stages


async def count_out(services: Services, *children: Child) -> None:
    """Their slots count nowhere any more. Shielded; a quota that fails is told, and no more."""
    for child in children:
        try:
            with trio.fail_after(RELEASE_WITHIN) as scope:
                scope.shield = True
                await services.quota.release(child.user, child.slot)
        except Exception as error:  # noqa: BLE001  # the slot is free here all the same
            services.events.emit(ChoreFailed(services.events.stamp(), child.user, error))
