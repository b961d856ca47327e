"""Eviction: which healthy manager makes room for a newcomer, where the policy wants that at all. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs

# One that was in use so lately, in seconds, is not quiet: its user has it before him.
DEFAULT_QUIET = 60.0


@attrs.frozen
class Newcomer:
    """Who waits for a slot."""

    user: str
    key: str
    priority: int


@attrs.frozen
class Candidate:
    """A manager of the same user that may be evicted: healthy, not at work, and not protected."""

    key: str
    incarnation: int
    priority: int
    quiet_for: float
    """Seconds since something came in, or was worked off."""
    age: float
    """Seconds since its slot was reserved."""
    connections: int | None
    """None for an actor that has none by nature."""


EvictionPolicy: TypeAlias = Callable[[Newcomer, Sequence[Candidate]], Candidate | None]
"""Who goes, of these; None: nobody, and the newcomer is refused. It decides at once, and changes nothing."""


@attrs.frozen
class LeastRecentlyActive:
    """The one that has been quiet longest goes, if it has been for `quiet` seconds.

    With less than the pause in which refused clients come back, two of them would go on evicting each other.
    """

    quiet: float = attrs.field(default=DEFAULT_QUIET, validator=attrs.validators.ge(0))

    def __call__(self, _: Newcomer, candidates: Sequence[Candidate]) -> Candidate | None:
        quiet = [one for one in candidates if one.quiet_for >= self.quiet]
        return max(quiet, key=lambda one: one.quiet_for, default=None)


@attrs.frozen
class LowestPriority:
    """The one of the least priority goes, if that is less than the newcomer's; of several the quietest."""

    def __call__(self, newcomer: Newcomer, candidates: Sequence[Candidate]) -> Candidate | None:
        lesser = [one for one in candidates if one.priority < newcomer.priority]
        return min(lesser, key=lambda one: (one.priority, -one.quiet_for), default=None)
