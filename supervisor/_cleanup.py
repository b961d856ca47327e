"""Making room: carry out one stage over a user's table, and say what was done; or what would be."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import trio

from actors import State, attached_to

from ._admission import REASONS, is_resumable, refusal_reason, removed_by, retry_after, stages_until, victims
from ._child import Child
from ._events import CleanedUp, ProbingFailed, ReapStarted, Suspected, Voided
from ._health import PAST, is_well
from ._quota import QuotaRefused
from ._report import (
    CleanupReport,
    Explanation,
    Health,
    Holder,
    Refusal,
    RefusalReason,
    Stage,
    StageReport,
    Trigger,
    UserSnapshot,
    Verdict,
)
from ._table import Table

# Whose end has begun before their stage, as a rule.
NOBODY: Mapping[Child, Verdict] = MappingProxyType({})


def nothing_needed() -> int:
    """Nobody waits for a slot."""
    return 0


def reap_stuck(table: Table, *, needed: float = math.inf) -> dict[Child, Verdict]:
    """Reap those who are stuck by the evidence of this moment, or as many as are needed; who, and why."""
    reaped: dict[Child, Verdict] = {}
    missing = needed - table.being_freed
    now, lag = trio.current_time(), table.services.lag()
    for child in table.children:
        if len(reaped) >= missing:
            break
        if child.cancelled or is_well(child.pulse, child.spec.health, now):
            continue
        verdict = child.verdict(now, lag)
        if verdict.health is Health.UNRESPONSIVE:
            reap(table, child, verdict)
            reaped[child] = verdict
    return reaped


async def run_stage(
    table: Table,
    stage: Stage,
    *,
    needed: Callable[[], int] = nothing_needed,
    bound: float | None = None,
    ask: bool = True,
    begun: Mapping[Child, Verdict] = NOBODY,
) -> StageReport:
    """Judge everybody, remove whom this stage removes, all at once, and report.

    So many slots as are `needed` in that moment are wanted besides. `bound` is how many seconds to
    wait for probes and for those that stop gracefully; None: as long as their own graces last.
    Without `ask`, nobody is probed: they have just been. Nor where the spec says no probing.
    Whose end was `begun` for this stage already is reported with the others.
    """
    await trio.lowlevel.checkpoint()  # each stage is a turn of its own: others go on in between
    began, before = trio.current_time(), table.held
    if stage is Stage.LIVENESS and ask and table.services.spec.probing:
        await ask_for_life(table, bound)
    verdicts = table.verdicts()
    found = {child: verdicts[child.key] for child in table.children}
    wanted = needed()
    chosen = set(victims(stage, verdicts, needed=wanted))
    going = _going(table, stage, needed=wanted)
    leaving = [child for child in found if child.key in chosen and child not in begun]
    for child, verdict in found.items():
        if child in begun:
            continue
        if child.key in chosen:
            reap(table, child, verdict)
        elif verdict.health is Health.UNKNOWN:
            table.emit(Voided, child, verdict)
    await wait_left([*begun, *leaving, *going], bound=bound)
    return report_of(table, stage, before, began, {**found, **begun}, [*begun, *leaving])


def _going(table: Table, stage: Stage, *, needed: int) -> list[Child]:
    """Those that are on their way out by another's hand: their slots count as soon as they are free."""
    politely = needed > 0 and stage is Stage.GARBAGE
    return [
        child for child in table.children if child.cancelled or (politely and child.state is State.STOPPING)
    ]


def reap(table: Table, child: Child, verdict: Verdict) -> None:
    """Begin the end of one child. Returns at once."""
    pulse = child.pulse
    table.emit(Suspected, child, verdict, pulse.phase, pulse.since)
    where = child.where() if verdict.health is Health.UNRESPONSIVE else ""
    table.emit(ReapStarted, child, REASONS[verdict.health], where)
    child.reap(verdict)


async def wait_left(leaving: Iterable[Child], *, bound: float | None) -> None:
    """Until all have left; those that are cancelled in any case, and the others within `bound`.

    The reaper sees to it that each does, in its own time.
    """
    for child in leaving:
        if child.cancelled:
            await child.wait_left()
    with trio.move_on_after(math.inf if bound is None else bound):
        for child in leaving:
            await child.wait_left()


async def ask_for_life(table: Table, bound: float | None) -> None:
    """Run every probe hook, and ping every quiet client, all at once under one deadline.

    A probe that has not been answered by then is judged by its budget, like any other work. Whom
    there is evidence against already is not asked: the answer could only come too late.
    """
    try:
        await _ask(table, bound)
    except Exception as error:  # noqa: BLE001  # a fault of the asker convicts nobody, and stops nothing
        events = table.services.events
        events.emit(ProbingFailed(events.stamp(), table.user, error))


async def _ask(table: Table, bound: float | None) -> None:
    verdicts = table.verdicts()
    asked = [child for child in table.children if verdicts[child.key].health is not Health.UNRESPONSIVE]
    probes = [(child, probe) for child in asked if (probe := child.probe()) is not None]
    for child in asked:
        for connection in attached_to(child.ref):
            connection.check()
    patience = max((child.spec.health.budget for child, _ in probes), default=0.0) + PAST
    with trio.move_on_after(patience if bound is None else min(patience, bound)):
        for _, probe in probes:
            await probe.done.wait()


def report_of(
    table: Table,
    stage: Stage,
    before: int,
    began: float,
    found: Mapping[Child, Verdict],
    leaving: Collection[Child],
) -> StageReport:
    bad, ending = [(child, found[child]) for child in leaving], set(leaving)
    return StageReport(
        stage,
        before,
        table.held,
        reaped=tuple(c.finding(v) for c, v in bad if c.is_gone),
        kept=tuple(c.finding(v) for c, v in found.items() if c not in ending),
        failed=tuple(c.finding(v) for c, v in bad if not c.is_gone),
        duration=trio.current_time() - began,
    )


def tell_cleaned(
    table: Table,
    reports: Sequence[StageReport],
    trigger: Trigger,
    *,
    made_room: bool = False,
    all_alive: bool = False,
) -> None:
    """That this was done, if anything was."""
    if reports:
        events = table.services.events
        report = CleanupReport(table.user, tuple(reports))
        events.emit(CleanedUp(events.stamp(), report, trigger, made_room, all_alive))


def dry_run(table: Table, until: Stage, *, needed: int = 0) -> CleanupReport:
    """What a cleanup would do now, from passive evidence alone: nobody is probed or touched."""
    verdicts = table.verdicts()
    reports: list[StageReport] = []
    held = table.held
    for stage in stages_until(until):
        chosen = set(victims(stage, verdicts, needed=needed))
        looked_at = [child for child in table.children if child.key in verdicts]
        reaped = tuple(c.finding(verdicts[c.key]) for c in looked_at if c.key in chosen)
        kept = tuple(c.finding(verdicts[c.key]) for c in looked_at if c.key not in chosen)
        reports.append(StageReport(stage, held, held - len(reaped), reaped, kept, (), 0.0))
        held -= len(reaped)
        needed = max(0, needed - len(reaped))
        verdicts = {key: verdict for key, verdict in verdicts.items() if key not in chosen}
    return CleanupReport(table.user, tuple(reports), dry_run=True)


def all_alive(table: Table) -> bool:
    """Is every slot held by one that is alive or newborn: is there nobody who should make room?"""
    return not table.allowance_spent and refusal_reason(table.verdicts().values()) is RefusalReason.LIMIT


def anything_to_remove(table: Table) -> bool:
    """Is there hard evidence against anybody right now?"""
    return any(removed_by(verdict) is not None for verdict in table.doubts().values())


def explain(table: Table, *, waiting: int) -> Explanation:
    """How the user stands, and what one more spawn would meet."""
    wanted = max(0, table.held + waiting + 1 - table.limit)
    return Explanation(
        table.user,
        table.limit,
        holders=_located(table.children, table),
        condemned=_located(table.condemned, table),
        slots_held=table.held,
        waiting=waiting,
        threads=table.services.busy_threads_of(table.user),
        dry_run=dry_run(table, Stage.LIVENESS, needed=wanted),
    )


def _located(children: Iterable[Child], table: Table) -> tuple[Holder, ...]:
    return tuple(child.located_holder(table.verdict(child)) for child in children)


def snapshot_of(table: Table, *, waiting: int) -> UserSnapshot:
    """How the user stands; of nobody it is looked up in which line he is."""
    return UserSnapshot(
        table.user,
        table.limit,
        table.held,
        waiting,
        table.services.busy_threads_of(table.user),
        managers=_managers(table, ()),
        condemned=tuple(child.holder(table.verdict(child)) for child in table.condemned),
    )


def refusal(
    table: Table, key: str, stages: Sequence[StageReport], *, beyond: QuotaRefused | None = None
) -> Refusal:
    """The proof for a refusal at this moment: the verdict on every slot holder, as of now."""
    # Who is refused beyond this user has a slot reserved here.
    managers = (holder for holder in _managers(table, stages) if holder.key != key)
    all_holders = (*managers, *_condemned(table), *(() if beyond is None else beyond.holders))
    verdicts = [holder.verdict for holder in all_holders]
    return Refusal(
        table.user,
        key,
        reason=refusal_reason(verdicts) if beyond is None else beyond.reason,
        limit=table.limit if beyond is None else beyond.limit,
        live=table.held if beyond is None else beyond.live,
        holders=all_holders,
        condemned=len(table.condemned),
        stages=tuple(stages),
        retry_after=retry_after(verdicts, now=trio.current_time(), jitter=table.services.jitter),
    )


def holders(table: Table, stages: Sequence[StageReport]) -> tuple[Holder, ...]:
    """Who holds the slots, those condemned beyond the allowance included; why each stage left it there."""
    return (*_managers(table, stages), *_condemned(table))


def _condemned(table: Table) -> Iterator[Holder]:
    """Those beyond the allowance."""
    return (child.holder(table.verdict(child)) for child in table.condemned[table.allowance :])


def _managers(table: Table, stages: Sequence[StageReport]) -> tuple[Holder, ...]:
    kept: dict[int, tuple[tuple[Stage, Verdict], ...]] = {}
    for report in stages:
        for found in report.kept:
            kept[found.incarnation] = (*kept.get(found.incarnation, ()), (report.stage, found.verdict))
    verdicts = table.verdicts()
    return tuple(
        child.holder(verdicts[child.key], kept.get(child.incarnation, ())) for child in table.children
    )


def resumable_until(table: Table) -> float | None:
    """Till when the client that is gone longest, and may still come back, is waited for."""
    gone = filter(is_resumable, table.doubts().values())
    return min((verdict.until for verdict in gone if verdict.until is not None), default=None)


def look_through(table: Table) -> tuple[bool, bool]:
    """Does anybody look dead, and is anybody garbage?"""
    doubts = table.doubts().values()
    if not doubts:
        return False, False
    dead = any(verdict.health is Health.UNRESPONSIVE for verdict in doubts)
    return dead, any(removed_by(verdict) is Stage.GARBAGE for verdict in doubts)
