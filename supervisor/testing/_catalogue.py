"""The catalogue: every specimen with its facts, for tests that draw from all of them."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from functools import partial

import attrs
import trio

from ._company import AsksInARing, AsksItself, FullDownstream
from ._hooks import (
    MissesProbes,
    ParksWork,
    ParksWorkAndTells,
    ProbeAnswers,
    ProbeHangs,
    ProbeRaises,
    SlowStart,
    SlowStop,
    StartCancelled,
    StartHangs,
    StartRaises,
    StopHangs,
    StopRaises,
    StopShielded,
    WedgedAndStopHangs,
    WedgedAndStopShielded,
    WedgesOnceJudged,
    WouldAnswerProbes,
)
from ._specimens import (
    BlocksLoop,
    BusyWithProgress,
    CrashesInChild,
    CrashesInHandle,
    EndsLate,
    HasChildTasks,
    Healthy,
    LiesAboutHealth,
    RaisesBaseException,
    Shielded,
    ShieldedChild,
    SlowButAlive,
    Spins,
    StuckInThread,
    SwallowsCancelled,
    WedgedForever,
)


class Trigger(enum.Enum):
    """What a specimen misbehaves on."""

    START = "start"
    WORK = "work"
    PROBE = "probe"
    STOP = "stop"
    SILENCE = "silence"
    """It needs a peer that is gone: `hold(ref, connection(mute=True))`."""


class Outcome(enum.Enum):
    """What the misbehaviour makes of it, if nobody does anything."""

    LIVES = "lives"
    """It goes on: nobody may ever find it unresponsive."""
    ENDS = "ends"
    """It ends by itself, in an orderly way or by a crash; it is no more unresponsive than others."""
    LATE = "late"
    """It goes on, but may be found unresponsive meanwhile."""
    STUCK = "stuck"
    """It stops getting on for good: it must be gone, or condemned, within its bound."""


class Ends(enum.IntEnum):
    """What it takes to end it, in the grace that each measure has by default."""

    CANCELLED = 0
    """It gives way."""
    SHIELDS_OPENED = 1
    """It ignores its cancellation; opening its shields ends it."""
    THROWN_OUT = 2
    """It swallows its cancellation; only what is thrown into it ends it."""
    NEVER = 3
    """Nothing does, before it ends by itself."""


@attrs.frozen
class Specimen:
    """One way to misbehave, and the facts about it."""

    make: Callable[[trio.Event], Healthy]
    """Given the event that releases it; one that needs no release ignores that."""
    code: str
    """Its kind of zombie, "W1" to "W16"; empty for those beside the list."""
    outcome: Outcome = Outcome.STUCK
    on: Trigger = attrs.field(kw_only=True, default=Trigger.WORK)
    ends: Ends = attrs.field(kw_only=True, default=Ends.CANCELLED)
    sockets: bool = attrs.field(kw_only=True, default=False)
    """It is a manager: without a connection it counts as disconnected in time."""
    probed: bool = attrs.field(kw_only=True, default=False)
    """It has a probe hook."""
    spins: bool = attrs.field(kw_only=True, default=False)
    """Cancelled, it burns a core."""
    real_time: bool = attrs.field(kw_only=True, default=False)
    """It lives in a thread: virtual time is not for it."""

    @property
    def stops_progress(self) -> bool:
        return self.outcome is Outcome.STUCK

    @property
    def gives_way(self) -> bool:
        return self.ends is Ends.CANCELLED

    @property
    def innocent(self) -> bool:
        """Whoever finds it unresponsive is wrong."""
        return self.outcome in {Outcome.LIVES, Outcome.ENDS}


def _plain(make: Callable[[], Healthy]) -> Callable[[trio.Event], Healthy]:
    """For one that needs no release."""
    return lambda _: make()


_LIVE = {
    "healthy": Specimen(_plain(Healthy), "", Outcome.LIVES),
    "healthy, with a client": Specimen(
        _plain(partial(Healthy, sockets=True)), "", Outcome.LIVES, sockets=True
    ),
    "answers its probe": Specimen(_plain(ProbeAnswers), "", Outcome.LIVES, probed=True),
    "says that it gets on, 30 s": Specimen(_plain(partial(BusyWithProgress, 30.0)), "", Outcome.LIVES),
    "starts for 3 s": Specimen(_plain(partial(SlowStart, 3.0)), "", Outcome.LIVES, on=Trigger.START),
    "blocks the loop, 0.3 s": Specimen(_plain(partial(BlocksLoop, seconds=0.3)), "W5", Outcome.LIVES),
    "blocks the loop, 7 s": Specimen(_plain(partial(BlocksLoop, seconds=7.0)), "W5", Outcome.LIVES),
    "asks itself, and catches": Specimen(_plain(partial(AsksItself, catches=True)), "W7", Outcome.LIVES),
    "parks its work": Specimen(_plain(ParksWork), "W13", Outcome.LIVES, probed=True),
    "slow, 0.9 of its budget": Specimen(_plain(partial(SlowButAlive, 0.9)), "W14", Outcome.LIVES),
    "slow, 0.99 of its budget": Specimen(_plain(partial(SlowButAlive, 0.99)), "W14", Outcome.LIVES),
    "shielded for 5.03 s": Specimen(partial(Shielded, seconds=5.03), "W2", Outcome.LATE),
    "shielded for 20 s": Specimen(
        partial(Shielded, seconds=20.0), "W2", Outcome.LATE, ends=Ends.SHIELDS_OPENED
    ),
    "slow, 1.01 of its budget": Specimen(_plain(partial(SlowButAlive, 1.01)), "W14", Outcome.LATE),
}

_END = {
    "crashes": Specimen(_plain(CrashesInHandle), "", Outcome.ENDS),
    "crashes in a child task": Specimen(_plain(CrashesInChild), "", Outcome.ENDS),
    "raises a BaseException": Specimen(_plain(RaisesBaseException), "", Outcome.ENDS),
    "asks itself": Specimen(_plain(AsksItself), "W7", Outcome.ENDS),
    "two ask each other": Specimen(_plain(AsksInARing), "W8", Outcome.ENDS),
    "a ring of five asks": Specimen(_plain(partial(AsksInARing, size=5)), "W8", Outcome.ENDS),
    "start raises": Specimen(_plain(StartRaises), "W11", Outcome.ENDS, on=Trigger.START),
    "start is cancelled": Specimen(_plain(StartCancelled), "W11", Outcome.ENDS, on=Trigger.START),
    "stops for 2 s": Specimen(_plain(partial(SlowStop, 2.0)), "W12", Outcome.ENDS, on=Trigger.STOP),
    "stop raises": Specimen(_plain(StopRaises), "W12", Outcome.ENDS, on=Trigger.STOP),
    "peer gone": Specimen(
        _plain(partial(Healthy, sockets=True)), "W9", Outcome.ENDS, on=Trigger.SILENCE, sockets=True
    ),
}

_WEDGED = {
    "awaits for ever": Specimen(_plain(WedgedForever), "W1"),
    "child tasks": Specimen(_plain(HasChildTasks), "W1"),
    "lies": Specimen(_plain(LiesAboutHealth), "W1"),
    "shielded": Specimen(Shielded, "W2", ends=Ends.SHIELDS_OPENED),
    "swallows one Cancelled": Specimen(_plain(partial(SwallowsCancelled, times=1)), "W3"),
    "swallows five Cancelled": Specimen(_plain(partial(SwallowsCancelled, times=5)), "W3"),
    "swallows every Cancelled": Specimen(SwallowsCancelled, "W3", ends=Ends.SHIELDS_OPENED),
    "gives way after 0.03 s": Specimen(_plain(partial(EndsLate, 0.03)), "W4"),
    "gives way after 1 s": Specimen(_plain(partial(EndsLate, 1.0)), "W4", ends=Ends.SHIELDS_OPENED),
    "full downstream": Specimen(_plain(FullDownstream), "W6"),
    "a ring of asks through child tasks": Specimen(_plain(partial(AsksInARing, through_child=True)), "W8"),
    "answers pings": Specimen(_plain(partial(WedgedForever, sockets=True)), "W10", sockets=True),
}

_STUCK_OTHERWISE = {
    "progress for ever": Specimen(_plain(partial(BusyWithProgress, math.inf)), "W1"),
    "shielded child task": Specimen(ShieldedChild, "W2", on=Trigger.STOP, ends=Ends.SHIELDS_OPENED),
    "spins": Specimen(Spins, "W3", ends=Ends.THROWN_OUT, spins=True),
    "swallows everything": Specimen(partial(Spins, everything=True), "W3", ends=Ends.NEVER, spins=True),
    "start hangs": Specimen(StartHangs, "W11", on=Trigger.START),
    "start hangs, shielded": Specimen(
        partial(StartHangs, shield=True), "W11", on=Trigger.START, ends=Ends.SHIELDS_OPENED
    ),
    "stop hangs": Specimen(_plain(StopHangs), "W12", on=Trigger.STOP),
    "stop hangs, shielded": Specimen(StopShielded, "W12", on=Trigger.STOP, ends=Ends.SHIELDS_OPENED),
    "awaits for ever, and stop hangs": Specimen(_plain(WedgedAndStopHangs), "W12"),
    "awaits for ever, and stop is shielded": Specimen(WedgedAndStopShielded, "W12", ends=Ends.SHIELDS_OPENED),
    "parks its work, and its probe tells": Specimen(_plain(ParksWorkAndTells), "W13", probed=True),
    "would answer its probe": Specimen(_plain(WouldAnswerProbes), "W13", probed=True),
    "misses 1 probe of 3": Specimen(_plain(MissesProbes), "W15", on=Trigger.PROBE, probed=True),
    "misses 2 probes of 3": Specimen(
        _plain(partial(MissesProbes, missed=2)), "W15", on=Trigger.PROBE, probed=True
    ),
    "probe raises": Specimen(_plain(ProbeRaises), "W15", on=Trigger.PROBE, probed=True),
    "probe hangs": Specimen(_plain(ProbeHangs), "W15", on=Trigger.PROBE, probed=True),
    "wedges once judged": Specimen(_plain(WedgesOnceJudged), "W16", on=Trigger.PROBE, probed=True),
    "in a thread": Specimen(_plain(partial(StuckInThread, seconds=1.0)), "", ends=Ends.NEVER, real_time=True),
}

WEDGES = _WEDGED
"""By name, those that get stuck on `Work` for good, and are judged by their budget alone."""

SPECIMENS = _LIVE | _END | _WEDGED | _STUCK_OTHERWISE
"""All specimens, by name."""
