"""What a supervisor promises, as far as its log can show it broken: one sentence each. Pure."""

from __future__ import annotations

import enum

import attrs

from supervisor import Event


class Rule(enum.StrEnum):
    """A promise, in the words in which its breach is told."""

    # The log
    COMPLETE = "the log is complete"
    IN_TIME_ORDER = "time never runs backwards"

    # One incarnation
    BORN_ONCE = "an incarnation is born once, and numbered in order of birth"
    BORN_FIRST = "nothing is told of an incarnation before its birth or after its end"
    SAME_NAME = "an incarnation keeps its user and its key"
    STARTS_ONCE = "an incarnation starts at most once, and not after its end began"
    FAILED_START = "a failed start ends at once, and none fails after it has started"
    NEVER_HANDED_OUT_DYING = "nobody is handed out before it runs or when its end has begun"
    QUIET_WHEN_CONDEMNED = "after a condemnation only force and the end are told"
    CONNECTIONS_COUNTED = "connections are counted one by one"
    LETS_GO = "an end leaves no connection behind"
    ENDS = "everybody has ended when the supervisor has"
    CALLED_CONDEMNED = "an end says whether it was condemned before"

    # Slots
    ONE_PER_KEY = "there is one live incarnation under a key"
    COUNTED = "the slots held are those that the log counts"
    WITHIN_LIMIT = "no more slots are held than the limit allows"
    LIMIT_AS_SET = "the limit is the one that was set"
    WITHIN_PROCESS_LIMIT = "no more actors run than the process allows"

    # Judging and ending
    ONLY_THE_BAD = "only the unresponsive, the disconnected and the idle are reaped"
    NOT_BEFORE_TIME = "nobody is found bad within its time, that of a stall not counted"
    UNKNOWN_AFTER_STALL = "a verdict is unknown only when the loop has stalled"
    EVICTED_FOR_SOMEBODY = "a healthy one makes room only for one of its user who waits"
    RESUMABLE_STAYS = "one that may be resumed is ended only for somebody who needs its slot"
    SUSPECT_IS_REAPED = "whoever is found bad is reaped at once, for that reason"
    REAP_ACTS = "a reaping stops or cancels at once"
    GRACE_GIVEN = "nobody is condemned before its graces are over"
    GRACE_ENDS = "whoever is to end is gone or condemned when its graces are over"
    SWEEP_SEES = "a sweep leaves nobody whose start or return is overdue"

    # Cleaning up
    REMOVED_IS_GONE = "who is said to be removed is gone"
    FAILED_IS_ENDING = "who could not be removed was at least reaped"
    KEPT_IS_GOOD = "no stage keeps whom it must remove"

    # Refusing
    NO_WAIT_WITH_ROOM = "nobody waits while there is room"
    NO_REFUSAL_WITH_ROOM = "nobody is refused while there is room"
    NO_REFUSAL_OF_THE_LIVING = "nobody is refused a key that is held"
    CLEANED_FIRST = "a refusal comes after a cleanup of its own time, that was told"
    HOLDERS_COMPLETE = "a refusal names exactly those who hold the slots"
    NO_GHOSTS = "no ghost holds a slot against anybody"
    EVIDENCE_AGREES = "the evidence of a refusal agrees with the log"
    REASON_AGREES = "the reason of a refusal agrees with its holders"
    WAITS_ITS_TIME = "a refusal comes when its wait is over, and not much later"
    IN_ORDER = "slots are given in order of arrival"
    WAITS_BEHIND = "nobody waits behind more than have come"

    # A cluster
    LEASES_IN_TURN = "a node has one lease after the other, each with a session of its own"
    RUNS_UNDER_A_LEASE = "nobody comes to run without a lease"
    ENDS_WITH_ITS_LEASE = "who ran under a lease that was lost is gone when its graces are over"
    FENCED_FOR_A_LOSS = "nobody is fenced but for a lease that was lost, or a slot that is another's"
    OWNERS_ASKED = "slots of other nodes refuse somebody only after those nodes were asked"

    # The background
    SWEEPS_GO_ON = "the sweep comes round once a period"
    SWEEPER_RETURNS = "a crashed sweeper starts anew after its back-off, which grows"
    HOLD_ENDS = "a hold of the sweep is bounded"
    SHUTDOWN_NAMES = "what holds up the end is named, one by one"


@attrs.frozen
class Violation:
    """One broken promise, and the event at which it was seen; None: at the end of the log."""

    rule: str
    detail: str
    event: Event | None = None

    def __str__(self) -> str:
        if self.event is None:
            return f"At the end of the log: broken: {self.rule}: {self.detail}."
        stamp = self.event.stamp
        return f"Event {stamp.seq} at {stamp.at:.6g} s: broken: {self.rule}: {self.detail}."
