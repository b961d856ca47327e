"""Was every promise kept? An independent judge that knows nothing but the log of events. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from supervisor import (
    CleanedUp,
    Condemned,
    ConnectionAttached,
    ConnectionDetached,
    EngineChanged,
    Event,
    EventsLost,
    Evicted,
    Forced,
    Found,
    FoundElsewhere,
    LeaseLost,
    LimitChanged,
    MailDeadLettered,
    NodeJoined,
    NotAdmitted,
    OwnersAsked,
    ReapStarted,
    Reconciled,
    Refused,
    Reserved,
    Restarting,
    SettingsChanged,
    ShutdownHeld,
    Stalled,
    Started,
    StartFailed,
    SupervisorSpec,
    Suspected,
    SweeperFailed,
    SweeperStarted,
    SweepHeld,
    Swept,
    Terminal,
    Voided,
    Waited,
)

from ._background import (
    finish,
    limit_changed,
    settings_changed,
    shutdown_held,
    stalled,
    sweep_held,
    sweeper_failed,
    sweeper_started,
    swept,
)
from ._conviction import cleaned_up, suspected, voided
from ._ends import condemned, evicted, forced, reap_started, start_failed, terminal
from ._leases import engine_changed, joined, kept_out, lost, owners_asked, reconciled
from ._lives import attached, detached, found, reserved, restarting, started, told
from ._promises import Rule, Violation
from ._proof import refused, waited
from ._recount import Books

# Under virtual time nobody is late, but for the little that a task costs that spins, in seconds.
SLACK = 0.01

__all__ = ["Judge", "Rule", "Violation", "check_events"]

_JUDGES: dict[type[Event], Callable[[Books, Any], None]] = {
    Reserved: reserved,
    Restarting: restarting,
    Started: started,
    StartFailed: start_failed,
    Found: found,
    ConnectionAttached: attached,
    ConnectionDetached: detached,
    MailDeadLettered: told,
    Suspected: suspected,
    Voided: voided,
    ReapStarted: reap_started,
    Evicted: evicted,
    Forced: forced,
    Condemned: condemned,
    Terminal: terminal,
    Waited: waited,
    Refused: refused,
    CleanedUp: cleaned_up,
    LimitChanged: limit_changed,
    SettingsChanged: settings_changed,
    Stalled: stalled,
    SweeperStarted: sweeper_started,
    Swept: swept,
    SweeperFailed: sweeper_failed,
    SweepHeld: sweep_held,
    ShutdownHeld: shutdown_held,
    NodeJoined: joined,
    LeaseLost: lost,
    EngineChanged: engine_changed,
    OwnersAsked: owners_asked,
    Reconciled: reconciled,
    FoundElsewhere: kept_out,
    NotAdmitted: kept_out,
}
"""By the kind of event; of other kinds nothing is promised."""


def check_events(
    log: Iterable[Event | EventsLost],
    *,
    spec: SupervisorSpec | None = None,
    limit: int | None = None,
    over: bool = True,
    clustered: bool = False,
    slack: float = SLACK,
) -> tuple[Violation, ...]:
    """Every promise that the log shows broken, in the words of the promise; empty: all were kept.

    It recounts everything from the events, and judges each refusal by its own evidence. It costs
    some microseconds an event, and memory for those who live, so the log may be a generator.

    `spec` and `limit` are those that the supervisor was opened with; limit None: a function gives
    it, now or later, and only the events know it. `over`: the log reaches the end of the
    supervisor's block, so nothing may be left. `clustered`: it was a node of a cluster, where others
    too say how long an admission takes; a log that has it join shows that by itself. `slack`, in
    seconds, is how late anything may be without a stall that was told: take 0.5 on a real clock, where
    shorter stalls are not told.

    A log that has lost events, or that begins in the middle, is judged as far as it goes.
    """
    judge = Judge(spec=spec, limit=limit, slack=slack, clustered=clustered)
    for event in log:
        judge.feed(event)
    return judge.finish(over=over)


class Judge:
    """Judges a log while it grows: `feed` it each event, and `finish`. See `check_events`.

    `fresh`: nothing was there before the first event, whatever its number.
    """

    def __init__(
        self,
        *,
        spec: SupervisorSpec | None = None,
        limit: int | None = None,
        slack: float = SLACK,
        fresh: bool = False,
        clustered: bool = False,
    ) -> None:
        self._books = Books(spec or SupervisorSpec(), limit, limit is not None, slack)
        self._books.leases.clustered = clustered
        if fresh:
            self._books.blind = False

    @property
    def living(self) -> frozenset[int]:
        """The incarnations that were born and have not ended, as far as was told."""
        return frozenset(self._books.lives)

    def feed(self, event: Event | EventsLost) -> None:
        """The next event."""
        if isinstance(event, EventsLost):
            _lost(self._books, f"{event.count} events were lost: it cannot be judged fully", None)
        else:
            _feed(self._books, event)

    def finish(self, *, over: bool = True) -> tuple[Violation, ...]:
        """There are no more. Every promise that was broken."""
        finish(self._books, over=over)
        return tuple(self._books.violations)


def _feed(books: Books, event: Event) -> None:
    stamp = event.stamp
    if books.seq is None:
        books.swept_at = stamp.at  # the log begins where somebody subscribed
    elif stamp.seq != books.seq + 1:
        _lost(books, f"{stamp.seq} follows {books.seq}: it cannot be judged fully", event)
    if stamp.at < books.at:
        books.blame(Rule.IN_TIME_ORDER, f"{stamp.at:.6g} s after {books.at:.6g} s", event)
    books.seq, books.at = stamp.seq, stamp.at
    judge = _JUDGES.get(type(event))
    if judge is not None:
        judge(books, event)


def _lost(books: Books, detail: str, event: Event | None) -> None:
    books.blame(Rule.COMPLETE, detail, event)
    books.lose()
