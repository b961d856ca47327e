"""The last stage: evict whom the policy chooses for those that wait, and say what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import trio

from actors import ExitReason, State

from ._child import Child
from ._cleanup import report_of, wait_left
from ._events import Evicted, EvictionFailed
from ._eviction import Candidate, EvictionPolicy, Newcomer
from ._report import Explanation, Health, Stage, StageReport
from ._table import Table

# What the evicted client hears.
TOLD = "This session had to make room for another one of yours."


async def run_evict_stage(
    table: Table, policy: EvictionPolicy, newcomers: Callable[[], Sequence[Newcomer]], *, bound: float
) -> StageReport:
    """Ask the policy once for each of the newcomers, in order; whom it chooses is stopped, within `bound`.

    A policy that fails evicts nobody: an event says so, and the newcomer is refused.
    """
    await trio.lowlevel.checkpoint()  # as each stage
    began, before = trio.current_time(), table.held
    found = {child: table.verdict(child) for child in table.children}
    leaving: list[Child] = []
    try:
        for newcomer in newcomers():
            child = _choose(table, policy, newcomer)
            if child is None:
                break
            table.emit(Evicted, child, newcomer.key, trio.current_time() - child.pulse.active_at)
            child.stop(ExitReason.EVICTED, TOLD)
            leaving.append(child)
    except Exception as error:  # noqa: BLE001  # somebody else's code, and one user's trouble
        events = table.services.events
        events.emit(EvictionFailed(events.stamp(), table.user, error))
    await wait_left(leaving, bound=bound)
    return report_of(table, Stage.EVICT, before, began, found, leaving)


def with_eviction(explained: Explanation, table: Table, policy: EvictionPolicy) -> Explanation:
    """What one more spawn would meet, where a policy may make room for it: of the usual priority, say."""
    if explained.would_admit or table.held > table.limit:
        return explained
    try:
        child = _choose(table, policy, Newcomer(table.user, "", 0))
    except Exception:  # noqa: BLE001  # told when it matters: by the admission
        child = None
    before = explained.dry_run.stages[-1].after
    findings = {one: one.finding(table.verdict(one)) for one in table.children}
    reaped = () if child is None else (findings.pop(child),)
    kept = tuple(findings.values())
    stage = StageReport(Stage.EVICT, before, before - len(reaped), reaped, kept, (), 0.0)
    dry_run = attrs.evolve(explained.dry_run, stages=(*explained.dry_run.stages, stage))
    return attrs.evolve(explained, dry_run=dry_run)


def _choose(table: Table, policy: EvictionPolicy, newcomer: Newcomer) -> Child | None:
    candidates = {_candidate(child): child for child in table.children if _may_go(table, child)}
    chosen = policy(newcomer, tuple(candidates)) if candidates else None
    if chosen is None:
        return None
    if chosen not in candidates:
        raise ValueError(f"the eviction policy chose {chosen!r}, which is none of the candidates")
    return candidates[chosen]


def _may_go(table: Table, child: Child) -> bool:
    """Is it healthy, with nothing to do, and not protected?"""
    at_rest = child.state is State.RUNNING and not len(child.mailbox)
    return at_rest and not child.spec.protected and table.verdict(child).health is Health.HEALTHY


def _candidate(child: Child) -> Candidate:
    now, pulse = trio.current_time(), child.pulse
    return Candidate(
        child.key,
        child.incarnation,
        child.spec.priority,
        quiet_for=now - pulse.active_at,
        age=now - child.reserved_at,
        connections=pulse.connections,
    )
