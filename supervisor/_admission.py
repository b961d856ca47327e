"""What to try next for a spawn that finds no room, and whom each stage removes. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from actors import ExitReason

from ._report import Health, RefusalReason, Stage, Verdict

ESCALATION = (Stage.GARBAGE, Stage.LIVENESS, Stage.EVICT)

REASONS = {
    Health.UNRESPONSIVE: ExitReason.UNRESPONSIVE,
    Health.DISCONNECTED: ExitReason.DISCONNECTED,
    Health.IDLE: ExitReason.IDLE,
}
"""What a reaped actor's end is called, by the verdict on it."""

# A refused client that comes back sooner only burdens both ends, in seconds.
MIN_RETRY_AFTER = 1.0

# When nothing tells when a slot comes back (everybody is alive), in seconds.
USUAL_RETRY_AFTER = 5.0


@attrs.frozen
class Try:
    """Run this stage."""

    stage: Stage


@attrs.frozen
class Settle:
    """All that may be tried was tried: wait if the policy allows it, else refuse."""


def next_move(tried: Sequence[Stage], *, until: Stage, removable: Callable[[], bool]) -> Try | Settle:
    """The next stage; after the last one, from the start again while anything is `removable`."""
    stages = stages_until(until)
    assert tuple(tried) == stages[: len(tried)]
    if len(tried) < len(stages):
        return Try(stages[len(tried)])
    return Try(stages[0]) if removable() else Settle()


def stages_until(last: Stage) -> tuple[Stage, ...]:
    """The stages in their order, up to `last`."""
    return ESCALATION[: ESCALATION.index(last) + 1]


def removed_by(verdict: Verdict) -> Stage | None:
    """The stage that removes an actor with this verdict; None: it stays, whoever waits.

    One without a connection that may still be resumed stays too, unless somebody needs the slot.
    """
    if verdict.health is Health.UNRESPONSIVE:
        return Stage.LIVENESS
    abandoned = verdict.health is Health.DISCONNECTED and verdict.until is None
    return Stage.GARBAGE if abandoned or verdict.health is Health.IDLE else None


def victims(stage: Stage, verdicts: Mapping[str, Verdict], *, needed: int) -> tuple[str, ...]:
    """The keys that `stage` removes, when `needed` slots are wanted besides.

    All that are bad; then, in the garbage stage, as few as will do of those whose client has gone
    and not come back, the longest gone first. They stay where removing the bad is room enough,
    those of a later stage included.
    """
    bad = [key for key, verdict in verdicts.items() if removed_by(verdict) is stage]
    short = needed - sum(removed_by(verdict) is not None for verdict in verdicts.values())
    if stage is not Stage.GARBAGE or short <= 0:
        return tuple(bad)
    gone = [key for key, verdict in verdicts.items() if is_resumable(verdict)]
    gone.sort(key=lambda key: verdicts[key].until or 0.0)
    return (*bad, *gone[:short])


def is_resumable(verdict: Verdict) -> bool:
    """Has its client gone, with time left to come back?"""
    return verdict.health is Health.DISCONNECTED and verdict.until is not None


def refusal_reason(verdicts: Iterable[Verdict]) -> RefusalReason:
    """Is anything on its way out that will free a slot by itself?"""
    leaving = {Health.STOPPING, Health.CONDEMNED, Health.UNRESPONSIVE}
    pending = any(verdict.health in leaving for verdict in verdicts)
    return RefusalReason.REAP_PENDING if pending else RefusalReason.LIMIT


def retry_after(verdicts: Iterable[Verdict], *, now: float, jitter: random.Random) -> float:
    """When the first slot may come back, in seconds; spread over half as much again."""
    leaving = {Health.STOPPING, Health.BUSY, Health.STARTING}
    due = [v.until - now for v in verdicts if v.until is not None and v.health in leaving]
    base = min(max(min(due, default=USUAL_RETRY_AFTER), MIN_RETRY_AFTER), USUAL_RETRY_AFTER)
    return base * (1 + 0.5 * jitter.random())


def patience(slot_wait: float, standing_wait: float | None, *, stood_for: float) -> float:
    """How long to wait for a slot where, without a break, somebody has for `stood_for` seconds."""
    return slot_wait if standing_wait is None or stood_for < slot_wait else standing_wait


def crosses_high_water(held: int, *, limit: int, high_water: float) -> bool:
    """Does the slot just taken reach the mark from which on it pays to look for garbage early?"""
    mark = high_water * limit
    return held - 1 < mark <= held
