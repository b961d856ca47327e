"""Is one that ended to begin anew, and when? Pure: a policy, a history and an end in, a decision out."""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs

from actors import Exit, ExitReason

from ._spec import Restart, RestartPolicy, Strategy

# Of itself, or of the node that it ran on.
FAILURES = frozenset(
    {ExitReason.CRASHED, ExitReason.START_FAILED, ExitReason.UNRESPONSIVE, ExitReason.FENCED}
)

# So many ends are told when somebody is given up.
_TOLD = 10


@attrs.frozen
class Again:
    """Begin anew."""

    delay: float
    """In so many seconds."""
    attempt: int
    """How many in a row; 1 for the first after a healthy while."""


@attrs.frozen
class GivenUp:
    """It has failed more often than its policy allows."""


@attrs.frozen
class NotAgain:
    """Its policy wants no restart after such an end."""


Decision = Again | GivenUp | NotAgain


@attrs.define(eq=False)
class History:
    """The restarts under one key, or of one group."""

    _lived: float = 0.0
    """How long, in all: without the time that it hung, or waited to begin anew."""
    _at: tuple[float, ...] = ()
    """Of the restarts within the period, by that time."""
    exits: tuple[tuple[float, Exit], ...] = ()
    """When it ended, and how, the latest last; of many the last ten."""
    _in_a_row: int = 0
    began_at: float | None = None
    """When the first that lives since the last restart had begun; None: none has."""

    def decide(
        self, policy: RestartPolicy, how: Exit, now: float, dice: random.Random, *, well_until: float
    ) -> Decision:
        """What follows, and remember it. Since `well_until` it hung, if that is before now."""
        if not wants(policy.when, how.reason):
            return NotAgain()
        lived = 0.0 if self.began_at is None else max(well_until - self.began_at, 0.0)
        if lived >= policy.healthy_after:
            self._in_a_row = 0
        self._lived += lived
        # The words, not the error: its traceback would keep all alive that the actor had.
        told = Exit(how.reason, how.detail or (repr(how.error) if how.error is not None else ""))
        self.exits = (*self.exits, (now, told))[-_TOLD:]
        # At the very end of the window a restart counts no more.
        self._at = tuple(at for at in self._at if self._lived - at < policy.period)
        if len(self._at) >= policy.intensity:
            return GivenUp()
        self._at = (*self._at, self._lived)
        self._in_a_row += 1
        self.began_at = None
        return Again(backoff(policy, self._in_a_row, dice), self._in_a_row)


def wants(when: Restart, reason: ExitReason) -> bool:
    """Is this an end that such a restart follows? What a supervisor removed for good stays removed."""
    match when:
        case Restart.NEVER:
            return False
        case Restart.ON_FAILURE:
            return reason in FAILURES
        case Restart.ALWAYS:
            return reason in FAILURES or reason is ExitReason.STOPPED


def concerned(strategy: Strategy, key: str, keys: Sequence[str]) -> Sequence[str]:
    """Who begins anew when `key` does, of the `keys` of its group, in the order in which they began."""
    match strategy:
        case Strategy.ONE_FOR_ONE:
            return [key]
        case Strategy.ONE_FOR_ALL:
            return keys
        case Strategy.REST_FOR_ONE:
            return keys[keys.index(key) :]


def backoff(policy: RestartPolicy, attempt: int, dice: random.Random) -> float:
    """How long to wait: anything up to a bound that doubles with each attempt, so that nobody is in step.

    "Full jitter", after Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    doublings = min(attempt - 1, 1000)  # a float goes no further
    return dice.random() * min(policy.backoff_limit, policy.backoff * 2.0**doublings)
