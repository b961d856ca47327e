"""Were there ever more managers of a user than the limit? It reads what they did; it never asks the engine.

What a manager *does* is its steps. Each is: read the clock, ask the node's lease for leave (`Cluster.check`),
write the stamp into shared memory (`marks`). A manager counts as acting from its first step to its last one,
both included, whatever lay between. Why that is the right measure:

- No step is missed. Every step moves the end of the manager's interval, so two managers beyond the limit that
  act one after the other in a millisecond overlap with all those that act before and after it. Nothing
  is sampled.
- A frozen process runs nothing, and a killed one nothing more: their managers count up to their last step,
  not to the moment when somebody could clear a mark for them. So slots that were given to others meanwhile
  are no violation, as long as nobody acts on afterwards.
- If a manager of the frozen node takes one more step on waking, its interval covers the whole freeze, and
  overlaps with everybody who was let in meanwhile: that is a violation, however short the step was.
- A step belongs to the moment of its stamp, read *before* the lease is asked. A node that is frozen between
  the stamp and the question gets no leave. Frozen between the leave and the write, it writes late
  what was decided while it held the lease; no lease can prevent that (a store that checks fences can), so
  such steps are not violations, but each is found by how long it took, and told (`late`).
- A manager that was about to take a step and got no leave is told (`stopped`): so often the cancellation at
  the end of a lease alone, without `check`, would have come too late.
- A condemned manager (it ignores cancellation) is out of the count by design, and does not act: its steps
  are taken by a task that does not ignore it.

A key is judged the same way, with a limit of 1. Violations are counted when somebody begins while as
many as allowed act already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import attrs

from .marks import Count, Field, read_header, read_records

SECOND = 1_000_000_000

K = TypeVar("K")


@attrs.frozen
class Life:
    """What one manager did; moments in nanoseconds."""

    node: int
    user: int
    key: int
    first: int
    ran: int
    acted: int
    steps: int = 1
    late: int = 0
    ended: int = 0

    def acts_at(self, moment: int) -> bool:
        return self.first <= moment <= self.acted

    def is_held_at(self, moment: int) -> bool:
        """Has it a slot, and does not know of its end?"""
        return self.first <= moment and not 0 < self.ended <= moment


@attrs.frozen
class Crowd:
    """How many acted at once, of those who may not all."""

    peak: int
    beyond: tuple[int, ...]
    """The moments at which somebody began, and was one too many."""
    time_beyond: int
    """For how long there were too many, in nanoseconds."""


@attrs.frozen
class Judgement:
    """Of one run."""

    limit: int
    peaks: dict[int, int]
    """By user."""
    violations: tuple[tuple[int, int], ...]
    """User and moment of each beginning that was one too many."""
    doubles: tuple[tuple[int, int, int], ...]
    """User, key and moment of each beginning of a key that acted already."""
    seconds_beyond: float
    """For how long there were too many of a user, all users together."""
    stopped: int
    """Managers that were about to take one more step, and got no leave."""
    late: int
    """Managers with a step that took longer than allowed from its decision until it was written."""
    managers: int
    steps: int

    @property
    def holds(self) -> bool:
        return not self.violations and not self.doubles


def read(path: Path, node: int) -> list[Life]:
    """All that a node's managers did."""
    return [
        Life(
            node,
            record[Field.USER],
            record[Field.KEY],
            record[Field.FIRST],
            record[Field.RAN],
            record[Field.ACTED],
            record[Field.STEPS],
            record[Field.LATE],
            record[Field.ENDED],
        )
        for record in read_records(path)
        if record[Field.FIRST]
    ]


def counts(path: Path) -> dict[Count, int]:
    """What the node itself counted."""
    header = read_header(path)
    return {count: header[count] for count in Count}


def crowd(spans: Iterable[tuple[int, int]], limit: int) -> Crowd:
    """Of closed spans of time: the most that cover one moment, and who was one too many."""
    edges = sorted(edge for first, last in spans for edge in ((first, 0), (last, 1)))
    now = peak = time_beyond = before = 0
    beyond: list[int] = []
    for moment, is_end in edges:
        time_beyond += (moment - before) * (now > limit)
        before = moment
        if is_end:
            now -= 1
            continue
        now += 1
        peak = max(peak, now)
        if now > limit:
            beyond.append(moment)
    return Crowd(peak, tuple(beyond), time_beyond)


def judge(lives: Sequence[Life], limit: int, *, late_after: float) -> Judgement:
    """`late_after`: seconds that a step may take until it is written, without being told as late."""
    by_user = _grouped(lives, lambda life: life.user)
    crowds = {user: crowd(_spans(those), limit) for user, those in by_user.items()}
    keys = {key: crowd(_spans(those), 1) for key, those in _grouped(lives, _key).items()}
    return Judgement(
        limit,
        {user: found.peak for user, found in crowds.items()},
        tuple((user, moment) for user, found in crowds.items() for moment in found.beyond),
        tuple((*key, moment) for key, found in keys.items() for moment in found.beyond),
        sum(found.time_beyond for found in crowds.values()) / SECOND,
        sum(life.ran > life.acted for life in lives),
        sum(life.late > late_after * SECOND for life in lives),
        len(lives),
        sum(life.steps for life in lives),
    )


def _spans(lives: Iterable[Life]) -> list[tuple[int, int]]:
    return [(life.first, life.acted) for life in lives]


def _key(life: Life) -> tuple[int, int]:
    return life.user, life.key


def _grouped(lives: Iterable[Life], by: Callable[[Life], K]) -> dict[K, list[Life]]:
    groups: dict[K, list[Life]] = {}
    for life in lives:
        groups.setdefault(by(life), []).append(life)
    return groups


# What became of slots


def back_after(lives: Iterable[Life], since: int, until: int, full: int) -> int | None:
    """When as many as `full` acted at once again, after the fewest did; None: not until then."""
    edges = [(since, 1) for life in lives if life.acts_at(since)]
    edges += [(life.first, 1) for life in lives if since < life.first < until]
    edges += [(life.acted, -1) for life in lives if since < life.acted < until]
    counted: list[tuple[int, int]] = []
    now = 0
    for moment, change in sorted(edges):
        now += change
        counted.append((now, moment))
    _, lowest = min((each for each in counted if each[1] > since), default=(0, since))
    return next((moment for number, moment in counted if moment >= lowest and number >= full), None)


def longest_pause(lives: Iterable[Life], since: int, until: int) -> float:
    """The longest time without a beginning, in seconds."""
    begun = sorted(life.first for life in lives if since < life.first < until)
    return max(b - a for a, b in pairwise([since, *begun, until])) / SECOND


@attrs.frozen
class Handover:
    """How the slots of a node that was cut off went to the others."""

    held: int
    last_step: int
    """Of the managers that it had when it was cut off."""
    readmitted: int | None
    """When the first of their slots was given to somebody else; None: it never was."""

    @property
    def gap(self) -> float | None:
        """Seconds from the one to the other; less than 0 would be a violation."""
        return None if self.readmitted is None else (self.readmitted - self.last_step) / SECOND


def handover(lives: Iterable[Life], victims: frozenset[int], cut: int, limit: int) -> Handover:
    """Of the slots of one user: the victims cannot give any back, so they hold those that they had.

    The first beginning elsewhere that makes more than the limit, these included, has one of them.
    """
    those = [life for life in lives if life.node in victims and life.is_held_at(cut)]
    others = [life for life in lives if life.node not in victims]
    readmitted = crowd(_spans([life for life in others if life.acted >= cut]), limit - len(those)).beyond
    last_step = max((life.acted for life in those), default=cut)
    return Handover(len(those), last_step, next((at for at in readmitted if at > cut), None))
