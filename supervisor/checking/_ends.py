"""The judge of ends: begun for a reason, within their graces, and with nothing left behind. Pure."""

from __future__ import annotations

from actors import ExitReason, Phase
from supervisor import ActorEvent, Condemned, Event, Evicted, Forced, ReapStarted, StartFailed, Terminal

from ._leases import fenced
from ._lives import life_of
from ._promises import Rule, Violation
from ._recount import EPSILON, Books, Ledger, Life


def reap_started(books: Books, event: ReapStarted) -> None:
    known = books.lives.get(event.incarnation)
    was_found_bad = known is None or known.suspicion is not None or known.birth is None
    life = life_of(books, event)
    if life is None:
        return
    if not was_found_bad:
        books.blame(Rule.SUSPECT_IS_REAPED, f"{life} is reaped, and nobody found it bad", event)
    books.ledger(event.user).reaped(event.stamp.at)
    if life.dying is None:
        life.dying = event.stamp.at
    if life.cancelled is None and event.reason is ExitReason.UNRESPONSIVE:
        life.cancelled = event.stamp.at


def evicted(books: Books, event: Evicted) -> None:
    life = life_of(books, event)
    if life is None:
        return
    ledger = books.ledger(event.user)
    if not books.blind and event.newcomer not in ledger.waiting:
        books.blame(Rule.EVICTED_FOR_SOMEBODY, f"{life}, and {event.newcomer} does not wait", event)
    if life.dying is None:
        life.dying = event.stamp.at
    else:
        books.blame(Rule.EVICTED_FOR_SOMEBODY, f"the end of {life} had begun", event)


def forced(books: Books, event: Forced) -> None:
    life = life_of(books, event)
    if life is not None:
        life.forced += 1
        if life.dying is None:
            life.dying = event.stamp.at


def start_failed(books: Books, event: StartFailed) -> None:
    life = life_of(books, event)
    if life is None:
        return
    if life.started is not None or life.failed is not None:
        books.blame(Rule.FAILED_START, f"{life} had started, or failed", event)
    life.failed = event.stamp.seq


def condemned(books: Books, event: Condemned) -> None:
    life = life_of(books, event)
    if life is None or life.condemned is not None:
        return
    life.condemned = event.stamp.at
    ledger = books.ledger(event.user)
    books.nobody_waits_if_there_is_room(ledger)
    _leave(books, ledger, life)
    books.condemned[event.incarnation] = ledger.condemned[event.incarnation] = life
    ledger.settle_condemned()
    _free_key(books, ledger, event)
    if life.connections:
        books.blame(Rule.LETS_GO, f"{life} has {life.connections}", event)
    _graces_were_given(books, life, event)


def _graces_were_given(books: Books, life: Life, event: Condemned) -> None:
    """A cancel grace since its cancellation, and one more for each step of force."""
    since = event.cancelled_at
    if life.birth is None or since is None:
        return
    if life.cancelled is not None and since > life.cancelled + books.slack + EPSILON:
        books.blame(Rule.REAP_ACTS, f"{life} was cancelled at {since:.6g} s only", event)
    life.dying = since if life.dying is None else min(since, life.dying)
    # Its own deadline may have begun its cleanup a moment before somebody cancelled it.
    if event.phase is Phase.ON_STOP and event.since is not None and event.since >= since - books.slack:
        since = event.since + life.birth.cleanup_grace
    grace = (1 + life.forced) * life.birth.policy.cancel_grace
    if event.stamp.at < since + grace - EPSILON:
        books.blame(Rule.GRACE_GIVEN, f"{life} had {event.stamp.at - since:.3g} of {grace:.3g} s", event)
    books.expect_by(
        since,
        grace,
        Violation(Rule.GRACE_ENDS, f"{life} was condemned late, due {since + grace:.6g} s", event),
    )


def terminal(books: Books, event: Terminal) -> None:
    life = life_of(books, event)
    if life is None:
        return
    if event.was_condemned != (life.condemned is not None):
        books.blame(Rule.CALLED_CONDEMNED, f"{life} says {event.was_condemned}", event)
    if life.connections:
        books.blame(Rule.LETS_GO, f"{life} has {life.connections}", event)
    failed = event.exit.reason is ExitReason.START_FAILED
    if failed != (life.failed is not None) or (failed and life.failed != event.stamp.seq - 1):
        books.blame(Rule.FAILED_START, f"{life} ended as {event.exit.reason.value}", event)
    _end_in_hindsight(books, life, event)
    fenced(books, life, event)
    _forget(books, life, event)


def _forget(books: Books, life: Life, event: Terminal) -> None:
    ledger = books.ledger(event.user)
    books.nobody_waits_if_there_is_room(ledger)
    if life.condemned is None:
        _leave(books, ledger, life)
    else:
        del ledger.condemned[event.incarnation], books.condemned[event.incarnation]
        ledger.settle_condemned()
    _free_key(books, ledger, event)
    del books.lives[event.incarnation]
    if life.birth is None:
        books.gone_old.add(event.incarnation)
    books.close_if_empty(event.user, ledger)


def _leave(books: Books, ledger: Ledger, life: Life) -> None:
    """Its key is free; its slot is too, if it has ended."""
    if ledger.live.get(life.key) is life:
        del ledger.live[life.key]
    if life.started is not None:
        books.running -= 1
    elif life.birth is not None:
        books.unstarted -= 1
        ledger.unstarted -= 1


def _free_key(books: Books, ledger: Ledger, event: ActorEvent) -> None:
    ledger.freed = event.key
    if not books.knows_limit_of(ledger) or ledger.held >= (ledger.limit or 0):
        ledger.heirs.add(event.key)


def _end_in_hindsight(books: Books, life: Life, event: Terminal) -> None:
    """Now it is known when its end began: what was told of it meanwhile must fit."""
    began = event.ending_since
    for at, doubt in life.doubts:
        if began is None or began >= at - EPSILON:
            books.violations.append(doubt)
    if life.birth is None:
        return
    if began is not None:
        _nothing_after_it_began(books, life, began, event)
        _left_in_time(books, life, began, event)
    elif life.dying is not None:
        books.blame(Rule.REAP_ACTS, f"{life} ended by itself", event)


def _nothing_after_it_began(books: Books, life: Life, began: float, event: Terminal) -> None:
    if life.dying is not None and began > life.dying + books.slack + EPSILON:
        known = f"it was known at {life.dying:.6g} s"
        books.blame(Rule.REAP_ACTS, f"the end of {life} began at {began:.6g} s, {known}", event)
    if life.started is not None and life.started > began + EPSILON:
        books.blame(Rule.STARTS_ONCE, f"{life} started after its end began", event)
    if life.found > began + EPSILON:
        books.blame(Rule.NEVER_HANDED_OUT_DYING, f"{life} was, its end began at {began:.6g} s", event)


def _left_in_time(books: Books, life: Life, began: float, event: Event) -> None:
    """Asked to stop, or cancelled; then perhaps a short cleanup, and force, each with its grace."""
    assert life.birth is not None
    allowed = life.birth.cleanup_grace + (2 + life.forced) * life.birth.policy.cancel_grace
    if life.cancelled is not None:
        began = life.cancelled
    else:
        allowed += life.birth.stop_grace
    left = event.stamp.at if life.condemned is None else life.condemned
    if left > books.fair_due(began, allowed):
        detail = f"{life} left {left - began:.3g} s after its end began, {allowed:.3g} s were allowed"
        books.expect_by(began, allowed, Violation(Rule.GRACE_ENDS, detail, event))
