"""What the design promises about each specimen: written down here, not read off the library."""

from __future__ import annotations

import enum
from collections.abc import Iterator

import attrs

from actors import DEFAULT_CLEANUP_GRACE, DEFAULT_STOP_GRACE, ConnectionSpec, ExitReason
from supervisor import Health, HealthPolicy
from supervisor.testing import SPECIMENS, Ends, Specimen

BUDGET = HealthPolicy().budget
CEILING = HealthPolicy().ceiling
START = HealthPolicy().start_grace
ATTACH = HealthPolicy().attach_grace
CANCEL = HealthPolicy().cancel_grace
STOP, CLEANUP = DEFAULT_STOP_GRACE, DEFAULT_CLEANUP_GRACE
SILENCE = ConnectionSpec().quiet + ConnectionSpec().ping_timeout + ConnectionSpec().second_chance

# So long after a start is due, whoever waits for it looks; sooner it is not late.
PAST = 0.01

# Spinners let virtual time go on by rounds, 20 of them by 2 ms; a measure is taken at the end of one.
ROUND = 0.01

# How long after the misbehaviour a caller who starts one gives it up, in seconds.
GIVEN_UP = 1.0


class End(enum.Enum):
    """Where an actor is when its bound is over."""

    STAYS = "stays"
    GONE = "gone"
    CONDEMNED = "condemned"


@attrs.frozen
class Promise:
    """What becomes of one kind; times in seconds, from its misbehaviour on."""

    end: End
    due: float
    """When the evidence is there; of one that stays: the moment at which it looks worst."""
    reason: ExitReason | None = None
    health: Health | None = None
    """The verdict that ends it; None: none is needed, it ends by itself or was told to."""
    grace: float = attrs.field(kw_only=True, default=CANCEL)
    """From the moment it is acted upon to its end."""
    unwanted_for: float = attrs.field(kw_only=True, default=0.0)
    """How much later it goes where nobody wants its slot."""
    asked_first: bool = attrs.field(kw_only=True, default=False)
    """It begins to misbehave when it is probed."""
    unprobeable: bool = attrs.field(kw_only=True, default=False)
    """It has a probe that never comes to run: who asks for it waits in vain, and then judges."""
    one_goes: bool = attrs.field(kw_only=True, default=False)
    """Where a slot is wanted, as many go as slots are wanted, not all."""
    by_itself: bool = attrs.field(kw_only=True, default=False)
    """Nobody need look for it: a crash, a stop, or a caller who waits for it, ends it in time."""
    blocks_loop: bool = attrs.field(kw_only=True, default=False)
    """It lets nobody run for a while, not even a newcomer."""
    by_chance: bool = attrs.field(kw_only=True, default=False)
    """It is late only for a moment: who looks then removes it; a sweep that looks later does not."""

    def due_if(self, *, wanted: bool) -> float:
        """When the evidence is there, where its slot is wanted, or not."""
        return self.due + (0.0 if wanted else self.unwanted_for)


@attrs.frozen
class Kind:
    """One row of the matrix."""

    name: str
    specimen: Specimen
    promise: Promise
    force: bool = False
    caller_waits: float = attrs.field(default=float("inf"))

    def __str__(self) -> str:
        return f"{self.name}, with force" if self.force else self.name


def _stays(worst: float = 1.0) -> Promise:
    return Promise(End.STAYS, worst)


def _ends(due: float, reason: ExitReason, *, end: End = End.GONE, grace: float = 0.0) -> Promise:
    return Promise(end, due, reason, grace=grace, by_itself=True)


def _crashes() -> Promise:
    return _ends(0.0, ExitReason.CRASHED)


def _stuck(due: float = BUDGET, *, end: End = End.GONE, grace: float = CANCEL) -> Promise:
    return Promise(end, due, ExitReason.UNRESPONSIVE, Health.UNRESPONSIVE, grace=grace)


def _condemned(grace: float = CANCEL) -> Promise:
    return _stuck(end=End.CONDEMNED, grace=grace)


def _never_starts(end: End) -> Promise:
    return attrs.evolve(_stuck(START, end=end, grace=PAST + CANCEL), by_itself=True)


PROMISES = {
    "healthy": _stays(),
    "healthy, with a client": _stays(),
    "answers its probe": _stays(),
    "says that it gets on, 30 s": _stays(BUDGET),
    "starts for 3 s": _stays(2.9),
    "blocks the loop, 0.3 s": attrs.evolve(_stays(0.0), blocks_loop=True),
    "blocks the loop, 7 s": attrs.evolve(_stays(0.0), blocks_loop=True),
    "asks itself, and catches": _stays(),
    "parks its work": _stays(BUDGET),
    "slow, 0.9 of its budget": _stays(0.9 * BUDGET - 0.03),
    "slow, 0.99 of its budget": _stays(0.99 * BUDGET - 0.03),
    "slow, 1.01 of its budget": attrs.evolve(_stuck(), by_chance=True),
    "crashes": _crashes(),
    "crashes in a child task": _crashes(),
    "raises a BaseException": _crashes(),
    "asks itself": _crashes(),
    "two ask each other": _crashes(),
    "a ring of five asks": _crashes(),
    "start raises": _ends(0.0, ExitReason.START_FAILED),
    "start is cancelled": _ends(0.0, ExitReason.START_FAILED),
    "stops for 2 s": _ends(2.0, ExitReason.STOPPED),
    "stop raises": _ends(0.0, ExitReason.STOPPED),
    "peer gone": Promise(
        End.GONE,
        SILENCE,
        ExitReason.DISCONNECTED,
        Health.DISCONNECTED,
        grace=0.0,
        unwanted_for=ATTACH,
        one_goes=True,
    ),
    "awaits for ever": _stuck(),
    "child tasks": _stuck(),
    "lies": _stuck(),
    "progress for ever": _stuck(CEILING),
    "shielded": _condemned(),
    "shielded for 5.03 s": attrs.evolve(_stuck(), by_chance=True),
    "shielded for 20 s": _condemned(),
    "shielded child task": _ends(STOP, ExitReason.STOPPED, end=End.CONDEMNED, grace=CANCEL),
    "swallows one Cancelled": _stuck(),
    "swallows five Cancelled": _stuck(),
    "swallows every Cancelled": _condemned(),
    "spins": _condemned(grace=CANCEL + ROUND),
    "swallows everything": _condemned(grace=CANCEL + ROUND),
    "gives way after 0.03 s": _stuck(),
    "gives way after 1 s": _condemned(),
    "full downstream": _stuck(),
    "a ring of asks through child tasks": _stuck(),
    "answers pings": _stuck(),
    "start hangs": _never_starts(End.GONE),
    "start hangs, shielded": _never_starts(End.CONDEMNED),
    "stop hangs": _ends(STOP, ExitReason.STOPPED, grace=CANCEL),
    "stop hangs, shielded": _ends(STOP, ExitReason.STOPPED, end=End.CONDEMNED, grace=CANCEL),
    "awaits for ever, and stop hangs": _stuck(grace=CLEANUP + CANCEL),
    "awaits for ever, and stop is shielded": _condemned(grace=CLEANUP + CANCEL),
    "parks its work, and its probe tells": _stuck(),
    "would answer its probe": attrs.evolve(_stuck(), unprobeable=True),
    "misses 1 probe of 3": _stuck(0.0),
    "misses 2 probes of 3": _stuck(0.0),
    "probe raises": _stuck(0.0),
    "probe hangs": attrs.evolve(_stuck(), asked_first=True),
    "wedges once judged": attrs.evolve(_stuck(), asked_first=True),
    "in a thread": _condemned(),
}
"""By the name of the specimen, without force."""

_STEPS = {Ends.SHIELDS_OPENED: 1, Ends.THROWN_OUT: 2, Ends.NEVER: 2}
"""How many steps of force are taken, each with a cancel grace of its own."""


def kinds() -> Iterator[Kind]:
    """Every row: each specimen, once more with force if cancellation does not end it, and given-up starts."""
    for name, specimen in SPECIMENS.items():
        promise = PROMISES[name]
        yield Kind(name, specimen, promise)
        if not specimen.gives_way:
            end = End.CONDEMNED if specimen.ends is Ends.NEVER else End.GONE
            step = CANCEL + (ROUND if specimen.spins else 0.0)
            grace = promise.grace + _STEPS[specimen.ends] * step
            yield Kind(name, specimen, attrs.evolve(promise, end=end, grace=grace), force=True)
    for name, end in (("start hangs", End.GONE), ("start hangs, shielded", End.CONDEMNED)):
        promise = _ends(GIVEN_UP, ExitReason.CANCELLED, end=end, grace=CANCEL)
        yield Kind(f"{name}, and is given up", SPECIMENS[name], promise, caller_waits=GIVEN_UP)
