"""How late a message comes when so many are said a second, whether or not the server keeps up."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import attrs

from .crowd import Crowd
from .plan import SMALL, Plan
from .process import OURS, PLAIN, WEBSOCKETS, serving
from .tables import Bar, below, milliseconds, percentile, say, table

SERVERS = (PLAIN, WEBSOCKETS, OURS)
MEMBERS = 1000

# It has broken down when one delivery in a hundred is later than that, in seconds, or fewer than that
# share of the deliveries have come when the speaking ends.
TOO_LATE = 1.0
KEEPS_UP = 0.95

_BAR = 0.1

# Messages that are said calmly before, and how long what is under way at the end may still take, in seconds.
_WARM_UP = 10
_GRACE = 2.0


@attrs.frozen
class Measured:
    """One server at one rate; latencies in seconds, from when a message was due."""

    server: str
    rate: int
    p50: float
    p99: float
    share: float
    """Of the deliveries that were due when the speaking ended: how many had come."""

    @property
    def broken(self) -> bool:
        return self.p99 > TOO_LATE or self.share < KEEPS_UP

    def __str__(self) -> str:
        late = f"p50 {milliseconds(self.p50)}, p99 {milliseconds(self.p99)} ms"
        return f"{late}{f', BROKEN ({self.share:.0%})' if self.broken else ''}"


def run(plan: Plan, servers: Sequence[str]) -> list[Bar]:
    """Rate by rate, in shuffled order, until a server breaks down; it does not come again then."""
    standing, found = list(servers), list[Measured]()
    for rate in plan.rates:
        random.shuffle(standing)
        came = [_measure(plan, server, rate) for server in standing]
        for one in came:
            say(f"{rate} messages/s, {one.server}: {one}")
        found += came
        standing = [one.server for one in came if not one.broken]
    _print(found, servers)
    return _bars(found)


def _measure(plan: Plan, name: str, rate: int) -> Measured:
    with serving(name, plan.folder) as server:
        crowd = Crowd.gather(server.port, server.dialect(), MEMBERS)
        try:
            for _ in range(_WARM_UP):
                crowd.say(1, SMALL)
                crowd.drain(within=_GRACE)
            crowd.latencies.clear()
            share = speak(crowd, rate, SMALL, plan.at_rate)
            crowd.drain(within=_GRACE)
            late = crowd.latencies + crowd.overdue(time.perf_counter())
        finally:
            crowd.close()
    return Measured(name, rate, percentile(late, 0.5), percentile(late, 0.99), share)


def speak(crowd: Crowd, rate: float, size: int, seconds: float) -> float:
    """Say so many messages a second; the share of their deliveries that had come at the end."""
    began, before, said = time.perf_counter(), crowd.delivered, 0
    while said < rate * seconds:
        due = began + said / rate
        if (wait := due - time.perf_counter()) > 0:
            crowd.turn(wait)
        else:
            crowd.say(1, size, due=due)
            crowd.turn(0)
            said += 1
    end = began + seconds
    while (wait := end - time.perf_counter()) > 0:
        crowd.turn(wait)
    return (crowd.delivered - before) / (said * crowd.size)


def _print(found: Sequence[Measured], servers: Sequence[str]) -> None:
    cells = {(one.server, one.rate): str(one) for one in found}
    rates = sorted({one.rate for one in found})
    rows = [[str(rate), *(cells.get((server, rate), "-") for server in servers)] for rate in rates]
    say(table(f"Deliveries in a room of {MEMBERS}, {SMALL} B", ("messages/s", *servers), rows))


def _bars(found: Sequence[Measured]) -> list[Bar]:
    broke = [one.rate for one in found if one.server == PLAIN and one.broken]
    if not broke:
        return [Bar("plain breaks down at some rate", "it did not: raise the rates", held=False)]
    ours = [one.p99 for one in found if one.server == OURS and one.rate == broke[0]]
    claim = f"our p99 at {broke[0]} messages/s, where plain breaks down"
    if not ours:
        return [Bar(claim, "broke down earlier", held=False)]
    return [below(claim, ours[0] * 1000, _BAR * 1000, " ms")]
