"""The judge of a node in a cluster: its leases, who ends with them, who is let in, who was asked. Pure."""

from __future__ import annotations

from actors import ExitReason
from supervisor import (
    EngineChanged,
    FoundElsewhere,
    LeaseLost,
    NodeJoined,
    NotAdmitted,
    OwnersAsked,
    Reconciled,
    Started,
    Terminal,
)

from ._promises import Rule, Violation
from ._recount import EPSILON, MOST_VIOLATIONS, Books, Life


def joined(books: Books, event: NodeJoined) -> None:
    leases = books.leases
    if leases.now is not None:
        books.blame(Rule.LEASES_IN_TURN, f"{event.session} while {leases.now} holds", event)
    if event.session == leases.last:
        books.blame(Rule.LEASES_IN_TURN, f"{event.session} begins again", event)
    leases.clustered, leases.now, leases.last, leases.none_since = True, event.session, event.session, None


def lost(books: Books, event: LeaseLost) -> None:
    leases = books.leases
    if leases.last is not None and event.session != leases.now:
        books.blame(Rule.LEASES_IN_TURN, f"{event.session} is lost, {leases.now or 'none'} was held", event)
    leases.clustered, leases.now, leases.last = True, None, event.session
    leases.none_since = None if event.kept else event.stamp.at
    if event.kept:
        return
    leases.lost_at = event.stamp.at
    leases.unexplained = [one for one in leases.unexplained if not _is_of_now(books, one)]
    for life in books.lives.values():
        if life.started is not None and life.condemned is None:
            life.fenced = event.stamp.at


def _is_of_now(books: Books, violation: Violation) -> bool:
    assert violation.event is not None
    return violation.event.stamp.at >= books.at - books.slack - EPSILON


def engine_changed(books: Books, event: EngineChanged) -> None:  # noqa: ARG001  # that there is an engine says all
    books.leases.clustered = True


def kept_out(books: Books, event: FoundElsewhere | NotAdmitted) -> None:
    """Whoever was to begin here does not: it lives elsewhere, or nobody can say."""
    books.leases.clustered = True
    life = books.ledger(event.user).live.get(event.key)
    if life is not None and life.started is None:
        life.refused = True
    elif not books.blind:
        books.blame(Rule.NO_REFUSAL_OF_THE_LIVING, f"{event.key} was not starting", event)


def owners_asked(books: Books, event: OwnersAsked) -> None:
    books.ledger(event.user).owners_asked = frozenset(event.asked)
    strangers = sorted(set(event.silent) - set(event.asked))
    if strangers:
        books.blame(Rule.OWNERS_ASKED, f"{', '.join(strangers)} kept silent, and was not asked", event)


def reconciled(books: Books, event: Reconciled) -> None:
    """Who lost a slot is to end."""
    ledger = books.ledger(event.user)
    for key in event.lost:
        life = ledger.live.get(key)
        if life is not None:
            life.lost_its_slot = True


def started_under_a_lease(books: Books, life: Life, event: Started) -> None:
    """Those that have begun in the very moment in which it was lost may come to run still."""
    since = books.leases.none_since
    if since is not None and books.at > since + books.slack + EPSILON:
        books.blame(Rule.RUNS_UNDER_A_LEASE, f"{life} starts, the lease was lost at {since:.6g} s", event)


def fenced(books: Books, life: Life, event: Terminal) -> None:
    """Was there a reason to end it, if that was its end; and in time, if there was?"""
    if event.exit.reason is ExitReason.FENCED and life.birth is not None:
        had_lost = life.lost_its_slot or books.leases.lost_at >= life.birth.stamp.at - books.slack
        if not had_lost and len(books.leases.unexplained) < MOST_VIOLATIONS:
            books.leases.unexplained.append(Violation(Rule.FENCED_FOR_A_LOSS, f"{life} was", event))
    if life.fenced is None or life.birth is None:
        return
    left = event.stamp.at if life.condemned is None else life.condemned
    allowed = _graces_of(life)
    if left > books.fair_due(life.fenced, allowed):
        books.expect_by(life.fenced, allowed, Violation(Rule.ENDS_WITH_ITS_LEASE, _late(life, left), event))


def settle_fenced(books: Books, *, over: bool) -> None:
    """At the end of the log: for these, no lease was lost."""
    late = [one for one in books.leases.unexplained if over or not _is_of_now(books, one)]
    books.violations.extend(late)


def still_fenced(books: Books, life: Life) -> None:
    """At the end of the log: it runs, and its lease is over."""
    if life.fenced is None or life.birth is None or life.condemned is not None:
        return
    if books.at > books.fair_due(life.fenced, _graces_of(life)):
        books.blame(Rule.ENDS_WITH_ITS_LEASE, _late(life, books.at), None)


def _graces_of(life: Life) -> float:
    """It is cancelled: a short cleanup, and force, each with its grace."""
    assert life.birth is not None
    return life.birth.cleanup_grace + (2 + life.forced) * life.birth.policy.cancel_grace


def _late(life: Life, at: float) -> str:
    assert life.fenced is not None
    return f"{life} ran {at - life.fenced:.3g} s beyond its lease"
