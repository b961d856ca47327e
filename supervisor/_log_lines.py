"""What a log says of each kind of event: level, stable id, sentence, as one table. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import attrs

from actors import Exit, ExitReason

from ._events import (
    ChoreFailed,
    CleanedUp,
    Condemned,
    ConnectionAttached,
    ConnectionDetached,
    Drained,
    DrainStarted,
    EngineChanged,
    Event,
    EventsLost,
    Evicted,
    EvictionFailed,
    Forced,
    Found,
    FoundElsewhere,
    GaveUp,
    HandlerFailed,
    LeaseLost,
    LimitChanged,
    LoopBlocked,
    MailDeadLettered,
    NodeJoined,
    NotAdmitted,
    OwnersAsked,
    ProbingFailed,
    ReapStarted,
    Reconciled,
    RecycleAdvised,
    Refused,
    Reserved,
    Restarting,
    SettingsChanged,
    ShutdownHeld,
    Stalled,
    Started,
    StartFailed,
    StopOverdue,
    Suspected,
    SweeperFailed,
    SweeperStarted,
    SweepHeld,
    Swept,
    Terminal,
    Voided,
    Waited,
)
from ._log_facts import Facts, facts_of, words_of
from ._report import Trigger


@attrs.frozen
class Row:
    """How one kind of event stands in a log."""

    level: int
    event_id: str
    """Stable: rules and dashboards are built on it."""
    template: str
    """The sentence, with `%(fact)s` for each word that differs."""


@attrs.frozen
class Entry:
    """One line of the log."""

    row: Row
    facts: Facts
    """As they are: whoever prints a name from here escapes it, as JSON does."""
    words: dict[str, str]
    """What fills the template: one line each, fit for a terminal."""
    error: BaseException | None = None

    @property
    def message(self) -> str:
        return self.row.template % self.words


# Kinds that differ by more than their facts

_DONE = Row(
    logging.INFO, "supervisor.cleanup.done", "cleanup done, spawn proceeds: %(who)s, %(reaped)s removed"
)
_IN_VAIN = Row(
    logging.WARNING,
    "supervisor.cleanup.in_vain",
    "cleanup made no room for %(who)s: %(reaped)s removed, %(kept)s kept, %(failed)s failed",
)
_OF_USER = Row(
    logging.DEBUG, "supervisor.cleanup.user", "cleanup of %(who)s (%(trigger)s): %(reaped)s removed"
)
_COMPLETE = Row(
    logging.INFO,
    "supervisor.cleanup.complete",
    "cleanup complete: %(reaped)s removed, %(kept)s kept, %(failed)s failed, of %(who)s",
)
_DRAINED = Row(logging.INFO, "supervisor.drain.done", "drained: %(managers)s ended in %(duration)s s")
_DRAINED_LATE = Row(
    logging.WARNING,
    "supervisor.drain.late",
    "drained: %(managers)s ended in %(duration)s s, held up by %(overdue)s",
)
_ENDED = Row(logging.INFO, "supervisor.actor.ended", "%(who)s ended: %(exit)s")
_CRASHED = Row(logging.ERROR, "supervisor.actor.crashed", "%(who)s ended: %(exit)s")
_ENDED_AFTER_ALL = Row(
    logging.WARNING, "supervisor.actor.condemned_ended", "%(who)s, condemned, ended after all: %(exit)s"
)
_START_FAILED = Row(logging.ERROR, "supervisor.start.failed", "%(who)s did not come to run: %(exit)s")
_START_GIVEN_UP = Row(logging.INFO, "supervisor.start.given_up", "%(who)s did not come to run: %(exit)s")
_REAP = Row(logging.INFO, "supervisor.reap.started", "%(who)s is being removed: %(reason)s")
_REAP_STUCK = Row(
    logging.WARNING, "supervisor.reap.stuck", "%(who)s is being removed: %(reason)s, at %(where)s"
)
_JOINED = Row(logging.INFO, "supervisor.node.joined", "%(node)s holds a lease of the cluster")
_JOINED_WARMING = Row(
    logging.WARNING,
    "supervisor.node.warming",
    "%(node)s holds a lease of the cluster, whose data is new: nobody is let in for %(warming)s s",
)
_LEASE_LOST = Row(
    logging.ERROR, "supervisor.lease.lost", "%(node)s lost its lease, its %(managers)s managers end: %(why)s"
)
_LEASE_LOST_AND_KEPT = Row(
    logging.ERROR,
    "supervisor.lease.kept_on",
    "%(node)s lost its lease, its %(managers)s managers live on, and limits may be exceeded: %(why)s",
)
_ENGINE_UP = Row(logging.INFO, "supervisor.engine.up", "the cluster's engine answers")
_ENGINE_AWAY = Row(
    logging.WARNING, "supervisor.engine.away", "the cluster's engine is away (%(standing)s): %(why)s"
)
_OWNERS_ASKED = Row(
    logging.INFO,
    "supervisor.owners.asked",
    "%(who)s holds all slots: %(asked)s judged, and freed %(freed)s in %(duration)s s",
)
_OWNERS_SILENT = Row(
    logging.WARNING,
    "supervisor.owners.silent",
    "%(who)s holds all slots: of %(asked)s there was no answer from %(silent)s, %(freed)s freed",
)
_RECONCILED = Row(
    logging.WARNING,
    "supervisor.cluster.reconciled",
    "the cluster counted wrongly for %(who)s: %(dropped)s orphans dropped, %(added)s slots added",
)
_SLOTS_LOST = Row(
    logging.ERROR,
    "supervisor.cluster.slots_lost",
    "the cluster has no slots for %(lost)s of %(who)s any more: they end",
)


def _of_cleanup(event: CleanedUp) -> Row:
    match event.trigger:
        case Trigger.ADMISSION:
            return _DONE if event.made_room else _IN_VAIN
        case Trigger.REQUEST:
            return _COMPLETE
        case _:
            return _OF_USER


def _of_end(event: Terminal) -> Row:
    if event.was_condemned:
        return _ENDED_AFTER_ALL
    return _CRASHED if event.exit.error is not None else _ENDED


def _of_start(event: StartFailed) -> Row:
    return _START_FAILED if event.exit.error is not None else _START_GIVEN_UP


def _of_reap(event: ReapStarted) -> Row:
    return _REAP_STUCK if event.reason is ExitReason.UNRESPONSIVE else _REAP


def _of_drain(event: Drained) -> Row:
    return _DRAINED_LATE if event.report.overdue else _DRAINED


def _of_join(event: NodeJoined) -> Row:
    return _JOINED_WARMING if event.warming else _JOINED


def _of_loss(event: LeaseLost) -> Row:
    return _LEASE_LOST_AND_KEPT if event.kept else _LEASE_LOST


def _of_engine(event: EngineChanged) -> Row:
    return _ENGINE_UP if event.standing == "up" else _ENGINE_AWAY


def _of_owners(event: OwnersAsked) -> Row:
    return _OWNERS_SILENT if event.silent else _OWNERS_ASKED


def _of_reconciling(event: Reconciled) -> Row:
    return _SLOTS_LOST if event.lost else _RECONCILED


def _rows(level: int, *rows: tuple[type[Event | EventsLost], str, str]) -> dict[type[Any], Row]:
    return {kind: Row(level, f"supervisor.{name}", template) for kind, name, template in rows}


_TABLE: dict[type[Any], Row | Callable[[Any], Row]] = {
    **_rows(
        logging.DEBUG,
        (Reserved, "slot.reserved", "%(who)s holds slot %(held)s of %(limit)s"),
        (Found, "spawn.found", "%(who)s was asked for, and lives"),
        (ConnectionAttached, "connection.attached", "%(who)s has %(connections)s connections: one came"),
        (
            ConnectionDetached,
            "connection.detached",
            "%(who)s has %(connections)s connections: one left, %(why)s",
        ),
    ),
    **_rows(
        logging.INFO,
        (Started, "spawn.started", "%(who)s runs, %(waited)s s after it was asked for"),
        (Restarting, "actor.restarting", "%(who)s begins anew in %(delay)s s, attempt %(attempt)s"),
        (Waited, "spawn.waiting", "%(who)s finds no room, and waits behind %(ahead)s"),
        (Suspected, "actor.suspected", "%(who)s is %(health)s: %(evidence)s"),
        (Voided, "actor.voided", "%(who)s looked late, but so was the observer: %(evidence)s"),
        (Evicted, "actor.evicted", "%(who)s makes room for %(newcomer)s: it was quiet for %(quiet_for)s s"),
        (MailDeadLettered, "mail.dead_lettered", "%(who)s leaves %(count)s messages unread: %(reason)s"),
        (LimitChanged, "limit.changed", "the limit of %(whose)s is now %(limit)s"),
        (SettingsChanged, "settings.changed", "settings changed: %(changes)s"),
        (FoundElsewhere, "spawn.elsewhere", "%(who)s was asked for, and lives on %(node)s"),
        (DrainStarted, "drain.started", "the process is to end: nobody new is let in, in %(notice)s s"),
        (
            SweeperStarted,
            "sweeper.started",
            "cleanup task started, one sweep every %(period)s s",
        ),
    ),
    **_rows(
        logging.WARNING,
        (Refused, "spawn.refused", "%(who)s was refused: %(why)s"),
        (NotAdmitted, "spawn.not_admitted", "%(who)s was not let in, the cluster cannot say: %(why)s"),
        (Forced, "actor.forced", "%(who)s ignores cancellation: %(step)s, %(touched)s touched"),
        (StopOverdue, "actor.overdue", "%(who)s had time enough to stop, and is cancelled: %(stack)s"),
        (Stalled, "loop.stalled", "the event loop stood still for %(duration)s s"),
        (
            LoopBlocked,
            "loop.blocked",
            "the event loop was blocked for %(duration)s s by %(blocker)s: %(where)s",
        ),
        (EventsLost, "log.lost", "the log fell behind: %(count)s events are missing here"),
    ),
    **_rows(
        logging.ERROR,
        (GaveUp, "actor.given_up", "%(who)s is not begun anew: %(why)s"),
        (Condemned, "actor.condemned", "%(who)s was cancelled and runs on: %(cause)s"),
        (ProbingFailed, "probing.failed", "asking the actors of %(who)s for life failed: %(error)s"),
        (EvictionFailed, "eviction.failed", "the eviction policy failed for %(who)s: %(error)s"),
        (
            SweeperFailed,
            "sweeper.failed",
            "cleanup task crashed, restarts in %(restart_in)s s: %(error)s",
        ),
        (HandlerFailed, "handler.failed", "handler %(handler)s failed: %(error)s"),
        (ChoreFailed, "chore.failed", "a task of ours failed, on behalf of %(who)s: %(error)s"),
        (
            SweepHeld,
            "sweep.held",
            "%(suspects)s of %(users)s users look dead at once: the sweep ends nobody for %(hold)s s",
        ),
        (RecycleAdvised, "process.recycle_advised", "this process should be replaced: %(why)s"),
        (ShutdownHeld, "shutdown.held", "the end is held up by %(holders)s"),
    ),
    Swept: _COMPLETE,
    Drained: _of_drain,
    CleanedUp: _of_cleanup,
    Terminal: _of_end,
    StartFailed: _of_start,
    ReapStarted: _of_reap,
    NodeJoined: _of_join,
    LeaseLost: _of_loss,
    EngineChanged: _of_engine,
    OwnersAsked: _of_owners,
    Reconciled: _of_reconciling,
}


def row_of(event: Event | EventsLost) -> Row | None:
    """Where it stands in the table; None: a kind that is not ours. Costs next to nothing."""
    row = _TABLE.get(type(event))
    return row if row is None or isinstance(row, Row) else row(event)


def entry_of(event: Event | EventsLost) -> Entry | None:
    """All that a log says of it; None: a kind that is not ours."""
    row = row_of(event)
    if row is None:
        return None
    facts = facts_of(event)
    how: Exit | None = getattr(event, "exit", None)
    error: BaseException | None = how.error if how is not None else getattr(event, "error", None)
    return Entry(row, {"event_id": row.event_id, **facts}, words_of(facts), error)
