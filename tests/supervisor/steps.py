"""What may happen to a supervisor, as plain data: who may be spawned, and what is done to whom."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import trio
from hypothesis import strategies as st

from supervisor.testing import (
    CrashesInChild,
    CrashesInHandle,
    EndsLate,
    Healthy,
    ProbeAnswers,
    ProbeRaises,
    Shielded,
    SlowButAlive,
    SlowStart,
    SlowStop,
    StartHangs,
    StartRaises,
    StopHangs,
    SwallowsCancelled,
    WedgedForever,
)

Make = Callable[[trio.Event], Healthy]

GOOD: dict[str, Make] = {
    "healthy": lambda _: Healthy(),
    "manager": lambda _: Healthy(sockets=True),
    "slow": lambda _: SlowButAlive(0.99),
    "slow start": lambda _: SlowStart(3.0),
    "slow stop": lambda _: SlowStop(3.0),
    "answers probes": lambda _: ProbeAnswers(),
    "crashes": lambda _: CrashesInHandle(),
    "child crashes": lambda _: CrashesInChild(),
    "start raises": lambda _: StartRaises(),
}
"""Those who must never be found unresponsive, whatever happens around them."""

BAD: dict[str, Make] = {
    "wedged": lambda _: WedgedForever(),
    "wedged manager": lambda _: WedgedForever(sockets=True),
    "shielded": Shielded,
    "shielded manager": partial(Shielded, sockets=True),
    "swallows": SwallowsCancelled,
    "ends late": lambda _: EndsLate(1.0),
    "start hangs": lambda _: StartHangs(),
    "start hangs shielded": partial(StartHangs, shield=True),
    "stop hangs": lambda _: StopHangs(),
    "probe raises": lambda _: ProbeRaises(),
}

KINDS = GOOD | BAD


@attrs.frozen
class Spawn:
    """So many ask at once; cancelled after so many rounds of the scheduler, if told."""

    user: str
    key: str
    kind: str
    callers: int = 1
    work: bool = False
    cancel_after: int | None = None


@attrs.frozen
class Stop:
    user: str
    key: str


@attrs.frozen
class Tell:
    user: str
    key: str


@attrs.frozen
class Attach:
    user: str
    key: str
    cut: bool = False
    """And gone again at once."""


@attrs.frozen
class Detach:
    """The connection that was attached first is cut."""


@attrs.frozen
class Advance:
    seconds: float


@attrs.frozen
class Stall:
    """The loop does not run for so long; then everything is due at once, and a cleanup looks first."""

    seconds: float


@attrs.frozen
class SetLimit:
    limit: int


@attrs.frozen
class Cleanup:
    user: str | None


@attrs.frozen
class StopUser:
    user: str


Step = Spawn | Stop | Tell | Attach | Detach | Advance | Stall | SetLimit | Cleanup | StopUser


@attrs.frozen
class Script:
    limit: int
    allowance: int | None
    slot_wait: float
    steps: tuple[Step, ...]
    seed: int


USERS = st.sampled_from(["ann", "ann", "bob"])
KEYS = st.sampled_from(["1", "2", "3"])
LIMITS = st.sampled_from([1, 2, 3, 5, 0])

HELD = st.sampled_from(["shielded", "swallows", "start hangs shielded"])

STEPS = st.one_of(
    st.builds(
        Spawn,
        user=USERS,
        key=KEYS,
        kind=st.sampled_from(list(KINDS)),
        callers=st.sampled_from([1, 1, 2, 3]),
        work=st.booleans(),
        cancel_after=st.none() | st.integers(0, 12),
    ),
    st.builds(Spawn, user=USERS, key=KEYS, kind=st.sampled_from(list(KINDS)), work=st.booleans()),
    st.builds(Spawn, user=USERS, key=KEYS, kind=st.sampled_from(list(BAD)), work=st.just(True)),
    st.builds(Spawn, user=st.just("ann"), key=KEYS, kind=HELD, work=st.just(True)),
    st.builds(Spawn, user=USERS, key=KEYS, kind=st.sampled_from(["slow", "slow start"]), work=st.just(True)),
    st.builds(Advance, st.sampled_from([5.01, 10.01])),
    st.builds(Stop, USERS, KEYS),
    st.builds(Tell, USERS, KEYS),
    st.builds(Attach, USERS, KEYS, st.booleans()),
    st.builds(Spawn, user=USERS, key=KEYS, kind=st.just("manager"), work=st.booleans()),
    st.just(Detach()),
    st.builds(Advance, st.sampled_from([0.0, 0.01, 0.05, 0.06, 1.0, 4.9, 5.01, 5.01, 10.01, 30.01])),
    st.builds(Stall, st.sampled_from([2.0, 7.0, 40.0])),
    st.builds(SetLimit, LIMITS),
    st.builds(Cleanup, st.none() | USERS),
    st.builds(StopUser, USERS),
)

SCRIPTS = st.builds(
    Script,
    limit=LIMITS,
    allowance=st.sampled_from([None, None, 0, 1]),
    slot_wait=st.sampled_from([0.0, 0.0, 3.0]),
    steps=st.lists(STEPS, min_size=1, max_size=30).map(tuple),
    seed=st.integers(0, 2**16),
)
