"""A survey: how all managers stand, in numbers and the worst by name, at a pace that hurts nobody."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import attrs
import trio

from ._child import Child
from ._report import Health, Holder, Standing, Verdict
from ._user import UserSupervisor

T = TypeVar("T")

# The longest time, in seconds, for which a survey keeps the event loop to itself.
SLICE = 0.001

# Managers that are looked at before the time is: those that are stuck take 50 microseconds each.
STEP = 10

# Managers, and users, that are named at most.
MOST_NAMED = 100

# Stuck managers of one user that are named at most: he is not to hide all the others.
MOST_OF_ONE = 20


@attrs.frozen
class Survey:
    """How everybody stood. Those of it who came or went while it was made may be in it, or not."""

    at: float
    """When it was complete, on Trio's clock."""
    took: float
    """Seconds, most of them left to others."""
    users: int
    managers: int
    """Slots' holders; not the condemned."""
    health: Mapping[Health, int]
    """How many there are of each kind of verdict, the condemned included."""
    stuck: tuple[tuple[str, Holder], ...]
    """Users and their unresponsive managers, the longest stuck first; at most MOST_NAMED, MOST_OF_ONE of
    a user."""
    condemned: tuple[tuple[str, Holder], ...]
    """The oldest first; at most MOST_NAMED."""
    stuck_users: tuple[tuple[Standing, int], ...]
    """Users with how many stuck managers each, most first; at most MOST_NAMED."""
    fullest: tuple[Standing, ...]
    """Those who hold the most slots; at most MOST_NAMED."""


@attrs.define(eq=False)
class Largest(Generic[T]):
    """Keeps those of the largest size, MOST_NAMED at most; of equal ones, those who came first."""

    _kept: list[tuple[float, int, T]] = attrs.field(init=False, factory=list[Any])
    """A heap: the one to go next is at its top. No two numbers are the same, so nobody is compared."""
    _offered: int = attrs.field(init=False, default=0)

    def offer(self, size: float, make: Callable[[], T]) -> None:
        """Keep what `make` makes, if there is room, or it is larger than one of those kept."""
        self._offered += 1
        if len(self._kept) < MOST_NAMED:
            heapq.heappush(self._kept, (size, -self._offered, make()))
        elif size > self._kept[0][0]:
            heapq.heapreplace(self._kept, (size, -self._offered, make()))

    def ranked(self) -> tuple[T, ...]:
        """The largest first."""
        return tuple(kept for _, _, kept in sorted(self._kept, key=lambda one: one[:2], reverse=True))


@attrs.define(eq=False, repr=False)
class Surveyor:
    """Looks at one manager after the other, and adds up."""

    _users: int = attrs.field(init=False, default=0)
    _health: Counter[Health] = attrs.field(init=False, factory=Counter[Health])
    _stuck: Largest[tuple[str, Holder]] = attrs.field(init=False, factory=Largest[tuple[str, Holder]])
    _condemned: Largest[tuple[str, Holder]] = attrs.field(init=False, factory=Largest[tuple[str, Holder]])
    _stuck_users: Largest[tuple[Standing, int]] = attrs.field(
        init=False, factory=Largest[tuple[Standing, int]]
    )
    _fullest: Largest[Standing] = attrs.field(init=False, factory=Largest[Standing])

    def look(self, users: Iterable[UserSupervisor]) -> Iterator[None]:
        """Each step looks at some managers, for half a millisecond at most. You may wait between two."""
        for here in users:
            if here.home.over:
                continue
            self._users += 1
            everybody = (*here.table.children, *here.table.condemned)
            stuck = 0
            for start in range(0, len(everybody), STEP):
                if start:
                    yield
                for child, verdict in here.table.verdicts_on(everybody[start : start + STEP]):
                    stuck += self._see(child, verdict, name=stuck < MOST_OF_ONE)
            self._rank(here.standing(), stuck)
            yield

    def _see(self, child: Child, verdict: Verdict, *, name: bool) -> bool:
        """Count one in; is it stuck?"""
        self._health[verdict.health] += 1
        if verdict.health is Health.UNRESPONSIVE and name:
            self._stuck.offer(-child.pulse.since, lambda: (child.user, child.located_holder(verdict)))
        elif verdict.health is Health.CONDEMNED:
            self._condemned.offer(-child.reserved_at, lambda: (child.user, child.located_holder(verdict)))
        return verdict.health is Health.UNRESPONSIVE

    def _rank(self, standing: Standing, stuck: int) -> None:
        self._fullest.offer(standing.slots_held, lambda: standing)
        if stuck:
            self._stuck_users.offer(stuck, lambda: (standing, stuck))

    def survey(self, began: float) -> Survey:
        now = trio.current_time()
        return Survey(
            now,
            now - began,
            self._users,
            self._health.total() - self._health[Health.CONDEMNED],
            MappingProxyType(dict(self._health)),
            stuck=self._stuck.ranked(),
            condemned=self._condemned.ranked(),
            stuck_users=self._stuck_users.ranked(),
            fullest=self._fullest.ranked(),
        )


async def survey(users: Iterable[UserSupervisor], *, share: float) -> Survey:
    """Look at everybody, in slices of a millisecond, with so much rest that `share` of the loop is used."""
    surveyor, began = Surveyor(), trio.current_time()
    await trio.lowlevel.checkpoint()
    slice_began = time.perf_counter()
    for _ in surveyor.look(users):
        spent = time.perf_counter() - slice_began
        if spent >= SLICE:
            await trio.sleep(spent / share - spent)
            slice_began = time.perf_counter()
    return surveyor.survey(began)
