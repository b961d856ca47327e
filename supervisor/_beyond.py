"""Slots beyond one user's table: counted in before an actor runs, and out when it has left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from ._backend import Backend, Claim
from ._child import Child
from ._cleanup import nothing_needed, resumable_until
from ._quota import QuotaRefused
from ._report import CleanupReport, RefusalReason, Stage, StageReport, Trigger
from ._table import Services, Table

# Who waits for a slot that other nodes hold asks again so often, in seconds.
ASK_AGAIN = 0.25


class CleanUp(Protocol):
    """Clean up after the one user."""

    def __call__(
        self,
        until: Stage,
        trigger: Trigger,
        *,
        needed: Callable[[], int] = nothing_needed,
        bound: float | None = None,
    ) -> Awaitable[CleanupReport]: ...


def count_in_nowait(child: Child, services: Services) -> bool:
    """Count the slot within this process, and say whether there was one."""
    return services.quota.admit_nowait(child.user, child.slot)


def count_out(services: Services, *children: Child) -> None:
    """Their slots count nowhere any more."""
    for child in children:
        services.quota.release(child.user, child.slot)
        if services.backend is not None:
            services.backend.release(child.user, child.slot)


async def count_in(child: Child, services: Services, clean_up: CleanUp) -> tuple[StageReport, ...]:
    """Clean up a full process, then count the slot; say what was tried. Raises QuotaRefused."""
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
            services.quota.admit(child.user, child.slot)
        except QuotaRefused as refused:
            of_others = refused.reason is RefusalReason.PROCESS_LIMIT
            if not of_others or not await services.reclaim():  # noqa: ASYNC120  # cancelled, nobody asks why
                refused.stages = report.stages
                raise
        else:
            return report.stages


async def count_in_everywhere(
    table: Table, backend: Backend, claim: Claim, clean_up: CleanUp
) -> tuple[StageReport, ...]:
    """Count the slot over all nodes; at the limit clean up first, here, then where the others live.

    Then those give way whose clients may come back, here, then elsewhere, as few as will do. Says what was
    tried here. Who waits for a slot (`slot_wait`) asks again now and then. Raises as `Backend.admit`
    does; a refusal has those who hold slots on the other nodes.
    """
    spec, bound = table.services.spec, table.services.spec.admission_deadline
    until = trio.current_time() + spec.slot_wait
    if await _refused(backend, claim) is None:
        return ()
    report = await clean_up(Stage.LIVENESS, Trigger.FULL_CLUSTER, bound=bound)
    stages = report.stages
    while True:  # each turn reclaims somebody, or takes some of the time
        holders = await backend.make_room(claim)
        refused = await _refused(backend, claim)
        if refused is None:
            return stages
        if resumable_until(table) is not None:
            report = await clean_up(Stage.GARBAGE, Trigger.FULL_CLUSTER, needed=lambda: 1, bound=bound)
            stages += report.stages
            if report.reaped:
                continue
        if await backend.reclaim(claim, holders):
            continue
        left = until - trio.current_time()
        if left <= 0:
            refused.stages, refused.holders = stages, holders
            raise refused
        await trio.sleep(min(ASK_AGAIN, left))


async def _refused(backend: Backend, claim: Claim) -> QuotaRefused | None:
    try:
        await backend.admit(claim)
    except QuotaRefused as refused:
        return refused
    return None
