"""Should this process be restarted, and should it get newcomers? From facts to problems in words. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from ._cluster_facts import ClusterStatistics
from ._events import (
    Condemned,
    Event,
    SettingsChanged,
    Stalled,
    SweeperFailed,
    SweeperStarted,
    Swept,
    Terminal,
)

# A sweep begins within two periods after the last one (its jitter is less than one), and takes half a
# period at most, and then the graces of whom it cancels: for those is the minute. Later than so many
# periods and seconds, it hangs.
OVERDUE_PERIODS = 3
OVERDUE_SECONDS = 60.0

# A loop that stood still for so many seconds excuses a sweeper; shorter ones are within that minute,
# and would, now and then, excuse one that hangs for ever.
EXCUSES = 10.0


@attrs.frozen
class Fitness:
    """What is wrong, in words that name no user; nothing is wrong where there are none."""

    live: tuple[str, ...] = ()
    """Only a new process cures these: restart this one."""
    ready: tuple[str, ...] = ()
    """Send no newcomers while there are any; all that is wrong with `live` is wrong here too."""
    warnings: tuple[str, ...] = ()
    """What to know of it, though newcomers are welcome."""


@attrs.frozen
class Facts:
    """What fitness is judged by."""

    accepting: bool
    """It starts managers: its end has not begun."""
    draining: bool
    """Its end is near: nobody new should come."""
    sweeper_down_for: float | None
    """It has crashed, and is started anew after so many seconds; None: it runs."""
    sweeper_quiet: float
    """Seconds since it gave a sign of life, or the loop came back from a long stall."""
    sweep_period: float
    spent: int
    """Users with more condemned than their allowance."""
    spinning: int
    """Condemned that cost a core each."""
    cluster: ClusterStatistics | None = None
    """How this node stands in its cluster; None: there is none."""


def fitness(facts: Facts) -> Fitness:
    """The verdict on the whole process."""
    live = tuple(_not_live(facts))
    ready = (*_not_ready(facts), *(f"not live: {problem}" for problem in live))
    return Fitness(live, ready, tuple(_warnings(facts)))


def _not_live(facts: Facts) -> Iterator[str]:
    if facts.accepting:  # a supervisor that ends takes its sweeper with it
        yield from _sweeper(facts)
    if facts.spent:
        whose = "1 user has" if facts.spent == 1 else f"{facts.spent} users have"
        yield f"{whose} more condemned managers than allowed, and lost slots to them"


def _sweeper(facts: Facts) -> Iterator[str]:
    longest = OVERDUE_PERIODS * facts.sweep_period + OVERDUE_SECONDS
    if facts.sweeper_down_for is not None:
        yield f"the background cleanup crashed, and does not run for {facts.sweeper_down_for:g} s"
    elif facts.sweeper_quiet > longest:
        usual = f"its period is {facts.sweep_period:g} s"
        yield f"the background cleanup hangs: no sweep for more than {longest:g} s ({usual})"


def _not_ready(facts: Facts) -> Iterator[str]:
    if not facts.accepting:
        yield "shutting down"
    elif facts.draining:
        yield "draining"
    if facts.spinning:
        one = facts.spinning == 1
        what = (
            "1 condemned manager spins, and" if one else f"{facts.spinning} condemned managers spin, and each"
        )
        yield f"{what} costs a core: only a new process gives it back"
    if facts.cluster is not None and not facts.cluster.lets_in:
        yield from _shut_out(facts.cluster)


def _shut_out(cluster: ClusterStatistics) -> Iterator[str]:
    """Why the cluster lets nobody in here."""
    if cluster.lease_left is None:
        yield f"no lease in the cluster ({_engine(cluster)}): nobody is let in"
    else:
        left = math.ceil(cluster.warming)
        yield f"the cluster is warming, its engine's data is new: nobody is let in for {left} s"


def _warnings(facts: Facts) -> Iterator[str]:
    cluster = facts.cluster
    if cluster is not None and cluster.limits_may_be_exceeded:
        yield f"no lease in the cluster ({_engine(cluster)}): limits may be exceeded"


def _engine(cluster: ClusterStatistics) -> str:
    """Not where it is: whoever asks for health may read this."""
    return f"its engine is {cluster.standing}"


@attrs.define(eq=False)
class Signs:
    """What the events say of it. Its size is that of the users who have condemned managers."""

    sweeper_seen: float = attrs.field(init=False, default=float("-inf"))
    """When the sweeper last gave a sign of life, or could not, or got another period, on Trio's clock."""
    sweeper_down_for: float | None = attrs.field(init=False, default=None)
    """One that crashed is started anew after so many seconds; None: it runs."""
    _condemned: Counter[str] = attrs.field(init=False, factory=Counter[str])

    @property
    def users_with_condemned(self) -> tuple[str, ...]:
        """Users of whom a condemned manager runs on, whoever had one first being first."""
        return tuple(self._condemned)

    def add(self, event: Event) -> None:
        note = _NOTES.get(type(event))
        if note is not None:
            note(self, event)

    def sweeper_started(self, event: SweeperStarted) -> None:
        self.sweeper_down_for = None
        self.sweeper_seen = event.stamp.at

    def sweeper_failed(self, event: SweeperFailed) -> None:
        self.sweeper_down_for = event.restart_in

    def sweeper_alive(self, event: Swept | SettingsChanged) -> None:
        self.sweeper_seen = event.stamp.at

    def stalled(self, event: Stalled) -> None:
        if event.duration > EXCUSES:
            self.sweeper_seen = event.stamp.at

    def condemned(self, event: Condemned) -> None:
        self._condemned[event.user] += 1

    def terminal(self, event: Terminal) -> None:
        if event.was_condemned:
            self._condemned[event.user] -= 1
            if not self._condemned[event.user]:
                del self._condemned[event.user]


_NOTES: Mapping[type[Event], Callable[[Signs, Any], None]] = {
    SweeperStarted: Signs.sweeper_started,
    SweeperFailed: Signs.sweeper_failed,
    Swept: Signs.sweeper_alive,
    SettingsChanged: Signs.sweeper_alive,
    Stalled: Signs.stalled,
    Condemned: Signs.condemned,
    Terminal: Signs.terminal,
}
