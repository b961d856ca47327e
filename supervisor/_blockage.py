"""Does one step of one task block the event loop? From samples that another thread took. Pure.

A *turn* is one pass of the loop over the tasks that were ready when it began; a *step* is what one
of them does before the next gets its turn.
"""

from __future__ import annotations

import enum

import attrs

# So many samples in one limit: a step is first seen a quarter of the limit late, at the latest.
SAMPLES_PER_LIMIT = 4

# The number of a turn that is over, and of a step.
OVER = -1

# A sample at the end of a limit is taken by so much later, in seconds, so that no rounding is before it.
_HAIR = 1e-6


@attrs.frozen
class Blockage:
    """What blocks, or has blocked, an event loop."""

    duration: float
    """Seconds, as far as it was watched."""
    actor: str | None
    """Whose step it is, as `user/key#incarnation`; None for a task of no actor, and for a whole turn."""
    where: str
    """`file:line in function`, the innermost that is not Trio's; of a whole turn it says so."""
    stack: tuple[str, ...]
    """From the outside in."""

    def __str__(self) -> str:
        whose = self.actor or "no actor"
        return f"the event loop is blocked for {self.duration:.2f} s by {whose}, at {self.where}"


@attrs.frozen
class Sample:
    """What the loop did at one moment."""

    at: float
    """Seconds, on a real clock."""
    turn: int
    """Numbers the turns that were seen."""
    step: int
    """Numbers the steps that were seen; always the same where steps cannot be told apart."""
    turn_began: float | None = None
    """When, if that is known."""
    actor: str | None = None
    stack: tuple[str, ...] = ()


class Scope(enum.Enum):
    """What is too long."""

    STEP = enum.auto()
    TURN = enum.auto()


@attrs.frozen
class Sight:
    """What the samples of one turn amount to."""

    last: Sample
    turn_since: float
    step_since: float
    sightings: int = 1
    """Samples of this very step."""
    told: Scope | None = None
    """What was told already: this step, or something of this turn."""

    def duration(self, scope: Scope) -> float:
        """How long it has lasted, at the least."""
        return self.last.at - (self.step_since if scope is Scope.STEP else self.turn_since)


def look_on(sight: Sight | None, sample: Sample | None, limit: float) -> Sight | None:
    """What was seen so far, and one sample more; None: the loop rests."""
    if sample is None:
        return None
    if sight is None or sight.last.turn != sample.turn:
        return _first_sight(sample, limit)
    if sight.last.step != sample.step:
        told = None if sight.told is None else Scope.TURN
        return attrs.evolve(sight, last=sample, step_since=sample.at, sightings=1, told=told)
    return attrs.evolve(sight, last=sample, sightings=sight.sightings + 1)


def _first_sight(sample: Sample, limit: float) -> Sight:
    """The step seen first counts as its turn's first, unless the sample came too late to say so."""
    since = sample.at if sample.turn_began is None else sample.turn_began
    in_time = sample.at - since <= limit / 2
    return Sight(sample, turn_since=since, step_since=since if in_time else sample.at)


def too_long(before: Sight | None, now: Sight | None, limit: float) -> tuple[Sight, Scope] | None:
    """What blocks the loop, or did until the last sample, and was not told yet.

    A step is accused when it was seen twice and for the whole limit. A turn is, when no step in it
    was long enough; so not while the one that was seen twice may yet become so.
    """
    if before is not None and is_over(before, Scope.TURN, now) and _is_long_turn(before, limit):
        return before, Scope.TURN
    if now is None or now.told is Scope.STEP:
        return None
    if now.sightings > 1:
        return (now, Scope.STEP) if now.duration(Scope.STEP) >= limit else None
    return (now, Scope.TURN) if _is_long_turn(now, limit) else None


def _is_long_turn(sight: Sight, limit: float) -> bool:
    return sight.told is None and sight.duration(Scope.TURN) >= limit


def blockage(sight: Sight, scope: Scope) -> Blockage:
    """Say it."""
    last, lasted = sight.last, sight.duration(scope)
    where = last.stack[-1] if last.stack else "an unknown place"
    if scope is Scope.TURN:
        return Blockage(lasted, None, f"a whole turn of the loop, lately at {where}", last.stack)
    return Blockage(lasted, last.actor, where, last.stack)


def seen_outside(sample: Sample, since: float, limit: float, now: Sight | None) -> Sight:
    """What somebody saw for us who is no thread: a step that goes on now, or is over.

    It goes on if the turn that we see now had begun when it was seen.
    """
    if now is not None and now.turn_since <= since + limit:
        sample = attrs.evolve(sample, turn=now.last.turn, step=now.last.step)
    return Sight(sample, turn_since=since, step_since=since, told=Scope.STEP)


def is_over(told: Sight, scope: Scope, now: Sight | None) -> bool:
    """Has the loop got past what was told?"""
    if now is None or now.last.turn != told.last.turn:
        return True
    return scope is Scope.STEP and now.last.step != told.last.step


def pause(sight: Sight | None, limit: float, now: float) -> float:
    """Seconds until the next sample: the usual period, or less when a limit is about to be reached."""
    period = limit / SAMPLES_PER_LIMIT
    if sight is None:
        return period
    ends = (since + limit + _HAIR for since in (sight.turn_since, sight.step_since))
    return min([period, *(end - now for end in ends if end > now)])
