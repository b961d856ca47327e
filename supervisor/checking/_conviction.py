"""The judge of those who are ended: was the evidence there, and the time over? Pure."""

from __future__ import annotations

from collections.abc import Callable

from actors import Phase
from supervisor import CleanedUp, Health, HealthPolicy, Stage, StageReport, Suspected, Verdict, Voided

from ._lives import REAPED_FOR, life_of
from ._promises import Rule, Violation
from ._recount import EPSILON, Books, Life

_AT_WORK = (Phase.HANDLE, Phase.PROBE)

# What the verdict on a probe that raised begins with: no time need be over for it.
_PROBE_RAISED = "its probe raised"


def suspected(books: Books, event: Suspected) -> None:
    life = life_of(books, event)
    if life is None:
        return
    life.suspicion = event
    health, policy = event.verdict.health, life.policy
    if health not in REAPED_FOR:
        books.blame(Rule.ONLY_THE_BAD, f"{life} is to be reaped as {event.verdict}", event)
    elif policy is not None and life.dying is None:
        _CONVICT[health](books, life, policy, event)


def voided(books: Books, event: Voided) -> None:
    life = life_of(books, event)
    if life is not None and life.policy is not None:
        unknown_after_stall(books, life, event)


def unknown_after_stall(books: Books, life: Life, event: Voided) -> None:
    if books.at - books.last_stall > longest_bound(life) + books.slack + EPSILON:
        books.blame(Rule.UNKNOWN_AFTER_STALL, f"{life}: {event.verdict}", event)


def longest_bound(life: Life) -> float:
    """No verdict is timed longer than that."""
    assert life.birth is not None
    policy = life.birth.policy
    ending = life.birth.stop_grace + life.birth.cleanup_grace + policy.cancel_grace
    return max(policy.budget, policy.ceiling, policy.start_grace, policy.attach_grace, ending)


def _unresponsive(books: Books, life: Life, policy: HealthPolicy, event: Suspected) -> None:
    since = event.since
    if since is None or event.phase is None or event.verdict.evidence.startswith(_PROBE_RAISED):
        return
    if life.started is None:
        _after(books, life, event, since, policy.start_grace)
    elif event.phase in _AT_WORK and since >= life.started - EPSILON:
        _after(books, life, event, since, min(policy.budget, policy.ceiling))
    else:
        _doubt(life, event, f"{life} was {event.phase.value} since {since:.6g} s")


def _disconnected(books: Books, life: Life, policy: HealthPolicy, event: Suspected) -> None:
    if life.connections:
        _doubt(life, event, f"{life} has {life.connections} connections")
    elif event.verdict.until is None:
        assert life.birth is not None
        alone = life.birth.stamp.at if life.unconnected is None else life.unconnected
        _after(books, life, event, alone, policy.attach_grace)
    elif not _is_needed(books, event):
        books.blame(Rule.RESUMABLE_STAYS, f"{life}: {event.verdict}", event)


def _is_needed(books: Books, event: Suspected) -> bool:
    """Is its user full, or is anybody on the way who may have found the process full?"""
    ledger = books.ledger(event.user)
    full = not books.knows_limit_of(ledger) or ledger.held >= (ledger.limit or 0)
    return full or books.unstarted > 0


def _idle(_: Books, life: Life, policy: HealthPolicy, event: Suspected) -> None:
    assert life.birth is not None
    heard = max(life.birth.stamp.at, life.attached or 0.0)
    if policy.idle_limit is None or event.stamp.at <= heard + policy.idle_limit:
        _doubt(life, event, f"{life} was heard at {heard:.6g} s, and may be idle {policy.idle_limit} s")


_CONVICT: dict[Health, Callable[[Books, Life, HealthPolicy, Suspected], None]] = {
    Health.UNRESPONSIVE: _unresponsive,
    Health.DISCONNECTED: _disconnected,
    Health.IDLE: _idle,
}


def _after(books: Books, life: Life, event: Suspected, since: float, allowed: float) -> None:
    """A stall gives the whole time anew."""
    due = max(since, books.last_stall) + allowed
    if event.stamp.at < due - EPSILON:
        _doubt(life, event, f"{life} had time until {due:.6g} s: {event.verdict}")


def _doubt(life: Life, event: Suspected, detail: str) -> None:
    """Unless it was being stopped already: then other graces ran, and its end will say so."""
    life.doubts.append((event.stamp.at, Violation(Rule.NOT_BEFORE_TIME, detail, event)))


def cleaned_up(books: Books, event: CleanedUp) -> None:
    """Who was removed must be gone; and what was told, refusals may cite."""
    report = event.report
    for stage in report.stages:
        _done(books, stage, event)
    ledger = books.ledgers.get(report.user or "")
    if ledger is None:
        return
    ledger.cleaned, ledger.cleaned_at = report.stages, event.stamp.at
    if ledger.unstarted:
        ledger.told.extend(report.stages)
    else:
        ledger.told.clear()
    for stage in report.stages:
        if stage.stage is Stage.TAKEOVER:
            for finding in (*stage.reaped, *stage.failed):
                ledger.takeovers.setdefault(finding.key, []).append(stage)


def _done(books: Books, report: StageReport, event: CleanedUp) -> None:
    for finding in report.reaped:
        if finding.incarnation in books.lives:
            books.blame(Rule.REMOVED_IS_GONE, f"{report.stage.value} says so of {finding}", event)
    for finding in report.failed:
        life = books.lives.get(finding.incarnation)
        if life is not None and life.dying is None and report.stage is not Stage.TAKEOVER:
            books.blame(Rule.FAILED_IS_ENDING, f"{life}: {finding.verdict}", event)
    for finding in report.kept:
        if _is_prey(finding.verdict, report.stage):
            books.blame(Rule.KEPT_IS_GOOD, f"{report.stage.value} kept {finding}", event)


def _is_prey(verdict: Verdict, stage: Stage) -> bool:
    """Must this stage end it, whoever needs its slot?"""
    if stage is Stage.LIVENESS:
        return verdict.health is Health.UNRESPONSIVE
    abandoned = verdict.health is Health.DISCONNECTED and verdict.until is None
    return stage is Stage.GARBAGE and (abandoned or verdict.health is Health.IDLE)
