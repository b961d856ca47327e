"""The judge of what goes on by itself: limits, stalls, sweeps, and the end. Pure."""

from __future__ import annotations

from supervisor import (
    LimitChanged,
    SettingsChanged,
    ShutdownHeld,
    Stalled,
    SweeperFailed,
    SweeperStarted,
    SweepHeld,
    Swept,
)

from ._leases import settle_fenced, still_fenced
from ._promises import Rule, Violation
from ._recount import EPSILON, Books, Life


def limit_changed(books: Books, event: LimitChanged) -> None:
    if event.user is not None:
        ledger = books.ledger(event.user)
        ledger.limit, ledger.own = event.limit, True
        ledger.settle_condemned()
        return
    books.limit = event.limit
    for ledger in books.ledgers.values():
        if not ledger.own:
            ledger.limit = event.limit
            ledger.settle_condemned()


def stalled(books: Books, event: Stalled) -> None:
    books.stalled(event)


# The sweep


def settings_changed(books: Books, event: SettingsChanged) -> None:
    books.respecify(event.spec)


def sweeper_started(books: Books, event: SweeperStarted) -> None:
    if books.restart_due is not None:
        _returned(books, event)
    books.restart_due = None
    books.swept_at = event.stamp.at


def _returned(books: Books, event: SweeperStarted) -> None:
    since = books.restart_due
    assert since is not None
    if event.stamp.at < since - EPSILON:
        books.blame(Rule.SWEEPER_RETURNS, f"its back-off lasts until {since:.6g} s", event)
    books.expect_by(since, 0.0, Violation(Rule.SWEEPER_RETURNS, f"it was due at {since:.6g} s", event))


def _period(books: Books) -> float:
    """The longest that one round may take: the pause, two stages that each wait a while, and graces."""
    spec = books.spec
    return spec.sweep_period * (1.5 + spec.sweep_jitter) + 2 * books.longest_grace


def _came_round(books: Books, event: Swept | SweeperFailed) -> None:
    since = books.swept_at
    detail = f"the last was over at {since:.6g} s, a round takes {_period(books):.6g} s at most"
    books.expect_by(since, _period(books), Violation(Rule.SWEEPS_GO_ON, detail, event))
    books.swept_at = event.stamp.at


def swept(books: Books, event: Swept) -> None:
    """It has been with everybody: nobody is left whose time was over before it came."""
    _came_round(books, event)
    books.backoff = 0.0
    came = event.stamp.at - event.duration
    if came >= books.held_until:
        for life in books.lives.values():
            _was_seen(books, life, came, event)
    for user, ledger in list(books.ledgers.items()):
        books.nobody_waits_if_there_is_room(ledger)
        books.close_if_empty(user, ledger)


def _was_seen(books: Books, life: Life, came: float, event: Swept) -> None:
    """An overdue start, and a client that did not come back, show in the log."""
    if life.birth is None or life.dying is not None or life.condemned is not None:
        return
    policy = life.birth.policy
    if life.started is None:
        if books.leases.clustered:
            return  # it may wait for other nodes
        spec = books.spec
        turn = 0.0 if spec.concurrent_starts is None else spec.start_wait
        overdue, allowed = life.birth.stamp.at, policy.start_grace + turn
    elif life.unconnected is not None:
        overdue, allowed = life.unconnected, policy.attach_grace
    else:
        return
    # A stall gives the whole time anew, also one that came when it was over: nobody had looked.
    if came > max(overdue, books.last_stall) + allowed + books.slack:
        detail = f"{life} was overdue since {overdue + allowed:.6g} s"
        life.doubts.append((event.stamp.at, Violation(Rule.SWEEP_SEES, detail, event)))


def sweeper_failed(books: Books, event: SweeperFailed) -> None:
    _came_round(books, event)
    if event.restart_in < books.backoff:
        said = f"{event.restart_in:.3g} s, it was {books.backoff:.3g} before"
        books.blame(Rule.SWEEPER_RETURNS, said, event)
    books.backoff = event.restart_in
    books.restart_due = event.stamp.at + event.restart_in


def sweep_held(books: Books, event: SweepHeld) -> None:
    longest = event.stamp.at + books.spec.mass_hold
    if event.stamp.at < books.held_until:
        longest = books.held_until
    if event.until > longest + EPSILON:
        books.blame(Rule.HOLD_ENDS, f"it is to last until {event.until:.6g} s, not {longest:.6g}", event)
    books.held_until = event.until


# The end


def shutdown_held(books: Books, event: ShutdownHeld) -> None:
    if not books.blind and len(event.holders) != len(books.condemned):
        said = f"{len(event.holders)} are named, {len(books.condemned)} are condemned"
        books.blame(Rule.SHUTDOWN_NAMES, said, event)


def finish(books: Books, *, over: bool) -> None:
    """The log has ended. Where the supervisor has too, nobody may be left."""
    for life in books.lives.values():
        if life.suspicion is not None:
            books.blame(Rule.SUSPECT_IS_REAPED, f"{life} was found bad", life.suspicion)
        books.violations.extend(doubt for _, doubt in life.doubts)
        if over:
            books.blame(Rule.ENDS, f"{life} has not", None)
        elif life.dying is not None and life.condemned is None:
            _still_ending(books, life)
        still_fenced(books, life)
    settle_fenced(books, over=over)
    if books.seq is not None and not over:
        _sweeper_still_runs(books)
    books.settle_late()


def _still_ending(books: Books, life: Life) -> None:
    assert life.dying is not None
    if life.birth is None:
        return
    allowed = life.birth.cleanup_grace + (2 + life.forced) * life.birth.policy.cancel_grace
    allowed += life.birth.stop_grace
    if books.at > books.fair_due(life.dying, allowed):
        books.blame(Rule.GRACE_ENDS, f"{life} is ending since {life.dying:.6g} s", None)


def _sweeper_still_runs(books: Books) -> None:
    if books.restart_due is not None:
        if books.at > books.fair_due(books.restart_due, 0.0):
            books.blame(Rule.SWEEPER_RETURNS, f"it was due at {books.restart_due:.6g} s", None)
    elif books.at > books.fair_due(books.swept_at, _period(books)):
        books.blame(Rule.SWEEPS_GO_ON, f"the last was over at {books.swept_at:.6g} s", None)
