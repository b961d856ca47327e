"""What the log says of one event of each kind: its level, its id, and its sentence."""

from __future__ import annotations

import logging

from actors import Exit, ExitReason, Phase
from supervisor import (
    ChoreFailed,
    CleanedUp,
    CleanupReport,
    Condemned,
    ConnectionAttached,
    ConnectionDetached,
    Drained,
    DrainReport,
    DrainStarted,
    Event,
    EventsLost,
    Evicted,
    EvictionFailed,
    Finding,
    Forced,
    ForceStep,
    Found,
    GaveUp,
    HandlerFailed,
    Health,
    HealthPolicy,
    Holder,
    LimitChanged,
    LoopBlocked,
    MailDeadLettered,
    ProbingFailed,
    ReapStarted,
    RecycleAdvised,
    Refusal,
    RefusalReason,
    Refused,
    Reserved,
    Restarting,
    SettingsChanged,
    ShutdownHeld,
    Stage,
    StageReport,
    Stalled,
    Stamp,
    Started,
    StartFailed,
    StopOverdue,
    SupervisorSpec,
    Suspected,
    SweeperFailed,
    SweeperStarted,
    SweepHeld,
    Swept,
    Terminal,
    Trigger,
    Verdict,
    Voided,
    Waited,
)

NOW = Stamp(7, 100.0)
WHO = ("ann", "tab", 3)
BOOM = ValueError("boom")
BAD = Verdict(Health.UNRESPONSIVE, "in handle for {} s", None, (9,))
FINDING = Finding("ann", "old", 1, BAD)
GARBAGE = StageReport(Stage.GARBAGE, 2, 2, (), (FINDING,), (), 0.0)
LIVENESS = StageReport(Stage.LIVENESS, 2, 1, (FINDING,), (), (), 0.25)
REPORT = CleanupReport("ann", (GARBAGE, LIVENESS))
ALIVE = Holder("old", 1, Verdict(Health.HEALTHY, "parked"), 60.0, 1, ((Stage.GARBAGE, BAD),))
PROOF = Refusal("ann", "tab", RefusalReason.LIMIT, 1, 1, (ALIVE,), 0, (GARBAGE,), 2.0)

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

# Somebody's rules and dashboards are built on these ids: a change here breaks them.
TABLE: list[tuple[Event | EventsLost, int, str, str]] = [
    (Reserved(NOW, *WHO, 1, 20, HealthPolicy()), DEBUG, "slot.reserved", "ann/tab#3 holds slot 1 of 20"),
    (Found(NOW, *WHO), DEBUG, "spawn.found", "ann/tab#3 was asked for, and lives"),
    (
        ConnectionAttached(NOW, *WHO, 2),
        DEBUG,
        "connection.attached",
        "ann/tab#3 has 2 connections: one came",
    ),
    (
        ConnectionDetached(NOW, *WHO, 1, "cut"),
        DEBUG,
        "connection.detached",
        "ann/tab#3 has 1 connections: one left, cut",
    ),
    (Started(NOW, *WHO, 0.25), INFO, "spawn.started", "ann/tab#3 runs, 0.25 s after it was asked for"),
    (
        Waited(NOW, "ann", "tab", 4),
        INFO,
        "spawn.waiting",
        "ann/tab finds no room, and waits behind 4",
    ),
    (
        Suspected(NOW, *WHO, BAD, Phase.HANDLE, 91.0),
        INFO,
        "actor.suspected",
        "ann/tab#3 is unresponsive: in handle for 9 s",
    ),
    (
        Voided(NOW, *WHO, BAD),
        INFO,
        "actor.voided",
        "ann/tab#3 looked late, but so was the observer: in handle for 9 s",
    ),
    (
        MailDeadLettered(NOW, *WHO, 5, ExitReason.CRASHED),
        INFO,
        "mail.dead_lettered",
        "ann/tab#3 leaves 5 messages unread: crashed",
    ),
    (LimitChanged(NOW, None, 9), INFO, "limit.changed", "the limit of each user is now 9"),
    (LimitChanged(NOW, "ann", 9), INFO, "limit.changed", "the limit of user ann is now 9"),
    (
        SettingsChanged(NOW, SupervisorSpec(), ("limit: 1 > 2", "probing: on > off")),
        INFO,
        "settings.changed",
        "settings changed: limit: 1 > 2; probing: on > off",
    ),
    (
        SweeperStarted(NOW, 30.0),
        INFO,
        "sweeper.started",
        "cleanup task started, one sweep every 30 s",
    ),
    (
        ReapStarted(NOW, *WHO, ExitReason.IDLE),
        INFO,
        "reap.started",
        "ann/tab#3 is being removed: idle",
    ),
    (
        ReapStarted(NOW, *WHO, ExitReason.UNRESPONSIVE, "chat.py:3 in handle"),
        WARNING,
        "reap.stuck",
        "ann/tab#3 is being removed: unresponsive, at chat.py:3 in handle",
    ),
    (
        Refused(NOW, "ann", "tab", PROOF),
        WARNING,
        "spawn.refused",
        f"ann/tab was refused: {PROOF.sentence}",
    ),
    (
        Restarting(NOW, *WHO, 4, 2, 0.1875),
        INFO,
        "actor.restarting",
        "ann/tab#3 begins anew in 0.188 s, attempt 2",
    ),
    (
        GaveUp(NOW, *WHO, ((1.5, Exit(ExitReason.CRASHED)),), "more than 3 restarts in 5 s"),
        ERROR,
        "actor.given_up",
        "ann/tab#3 is not begun anew: more than 3 restarts in 5 s",
    ),
    (
        Forced(NOW, *WHO, ForceStep.THROW, 1),
        WARNING,
        "actor.forced",
        "ann/tab#3 ignores cancellation: throw, 1 touched",
    ),
    (Stalled(NOW, 1.5), WARNING, "loop.stalled", "the event loop stood still for 1.5 s"),
    (
        LoopBlocked(NOW, 0.4, "ann/tab#3", "chat.py:3 in handle", ()),
        WARNING,
        "loop.blocked",
        "the event loop was blocked for 0.4 s by ann/tab#3: chat.py:3 in handle",
    ),
    (
        LoopBlocked(NOW, 0.4, None, "a turn of many steps", ()),
        WARNING,
        "loop.blocked",
        "the event loop was blocked for 0.4 s by no actor: a turn of many steps",
    ),
    (EventsLost(12), WARNING, "log.lost", "the log fell behind: 12 events are missing here"),
    (
        Condemned(NOW, *WHO, "shielded", ("a", "b"), 99.5),
        ERROR,
        "actor.condemned",
        "ann/tab#3 was cancelled and runs on: shielded",
    ),
    (
        ProbingFailed(NOW, "ann", BOOM),
        ERROR,
        "probing.failed",
        "asking the actors of ann for life failed: ValueError('boom')",
    ),
    (
        SweeperFailed(NOW, BOOM, 2.0),
        ERROR,
        "sweeper.failed",
        "cleanup task crashed, restarts in 2 s: ValueError('boom')",
    ),
    (HandlerFailed(NOW, "ws", BOOM), ERROR, "handler.failed", "handler ws failed: ValueError('boom')"),
    (
        ChoreFailed(NOW, "ann", BOOM),
        ERROR,
        "chore.failed",
        "a task of ours failed, on behalf of ann: ValueError('boom')",
    ),
    (
        SweepHeld(NOW, 30, 40, 160.0),
        ERROR,
        "sweep.held",
        "30 of 40 users look dead at once: the sweep ends nobody for 60 s",
    ),
    (
        RecycleAdvised(NOW, "spinning"),
        ERROR,
        "process.recycle_advised",
        "this process should be replaced: spinning",
    ),
    (
        Evicted(NOW, *WHO, "phone", 90.0),
        INFO,
        "actor.evicted",
        "ann/tab#3 makes room for phone: it was quiet for 90 s",
    ),
    (
        EvictionFailed(NOW, "ann", BOOM),
        ERROR,
        "eviction.failed",
        "the eviction policy failed for ann: ValueError('boom')",
    ),
    (
        StopOverdue(NOW, *WHO, ("a.py:1 in f", "b.py:2 in g")),
        WARNING,
        "actor.overdue",
        "ann/tab#3 had time enough to stop, and is cancelled: a.py:1 in f; b.py:2 in g",
    ),
    (
        DrainStarted(NOW, 5.0),
        INFO,
        "drain.started",
        "the process is to end: nobody new is let in, in 5 s",
    ),
    (
        Drained(NOW, DrainReport(7, (), (), 1.0, 2.0, 0.5)),
        INFO,
        "drain.done",
        "drained: 7 ended in 3.5 s",
    ),
    (
        Drained(NOW, DrainReport(7, ("ann/tab#3: x > y",), (), 1.0, 2.0, 0.5)),
        WARNING,
        "drain.late",
        "drained: 7 ended in 3.5 s, held up by ann/tab#3: x > y",
    ),
    (ShutdownHeld(NOW, ("x", "y")), ERROR, "shutdown.held", "the end is held up by x; y"),
    (
        Swept(NOW, CleanupReport(None, (LIVENESS,)), 0.25),
        INFO,
        "cleanup.complete",
        "cleanup complete: 1 removed, 0 kept, 0 failed, of all users",
    ),
    (
        CleanedUp(NOW, REPORT, Trigger.REQUEST),
        INFO,
        "cleanup.complete",
        "cleanup complete: 1 removed, 0 kept, 0 failed, of ann",
    ),
    (
        CleanedUp(NOW, REPORT, Trigger.ADMISSION, made_room=True),
        INFO,
        "cleanup.done",
        "cleanup done, spawn proceeds: ann, 1 removed",
    ),
    (
        CleanedUp(NOW, CleanupReport("ann", (GARBAGE,)), Trigger.ADMISSION),
        WARNING,
        "cleanup.in_vain",
        "cleanup made no room for ann: 0 removed, 1 kept, 0 failed",
    ),
    (
        CleanedUp(NOW, REPORT, Trigger.SWEEP),
        DEBUG,
        "cleanup.user",
        "cleanup of ann (sweep): 1 removed",
    ),
    (
        Terminal(NOW, *WHO, Exit(ExitReason.STOPPED, "logged out"), False, 99.0),
        INFO,
        "actor.ended",
        "ann/tab#3 ended: stopped: logged out",
    ),
    (
        Terminal(NOW, *WHO, Exit(ExitReason.CRASHED, "", BOOM), False),
        ERROR,
        "actor.crashed",
        "ann/tab#3 ended: crashed: ValueError('boom')",
    ),
    (
        Terminal(NOW, *WHO, Exit(ExitReason.UNRESPONSIVE), True),
        WARNING,
        "actor.condemned_ended",
        "ann/tab#3, condemned, ended after all: unresponsive",
    ),
    (
        StartFailed(NOW, *WHO, Exit(ExitReason.START_FAILED, "", BOOM)),
        ERROR,
        "start.failed",
        "ann/tab#3 did not come to run: start failed: ValueError('boom')",
    ),
    (
        StartFailed(NOW, *WHO, Exit(ExitReason.CANCELLED, "nobody waited")),
        INFO,
        "start.given_up",
        "ann/tab#3 did not come to run: cancelled: nobody waited",
    ),
]
