"""What many connections cost on which nothing is said: memory, and the CPU of keeping them alive."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Sequence

import attrs

from .members import Members
from .plan import Plan
from .process import OURS, PLAIN, WEBSOCKETS, serving
from .tables import Bar, below, say, table

SERVERS = (PLAIN, WEBSOCKETS, OURS)

# Of each process's files, for everything else.
_OTHER_FILES = 200

# Members who come before the memory is looked at: what a server makes once, it has then.
_FIRST = 100

_BAR_OF = 2_000
"""Connections, that may take ..."""
_BAR = 2.0
"""... so many percent of a core."""


@attrs.frozen
class Measured:
    server: str
    connections: int
    bytes_each: float
    percent: float
    """Of a core, for so many connections as the bar speaks of."""
    pings: int
    lost: int


def run(plan: Plan, servers: Sequence[str]) -> list[Bar]:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    count = min(plan.idle, files - _OTHER_FILES)
    if count < plan.idle:
        say(f"only {count} idle connections: a process may have {files} files")
    found = [_measure(plan, name, count) for name in random.sample(servers, len(servers))]
    _print(found, plan)
    return [bar for one in found if one.server == OURS for bar in _bars(one)]


def _measure(plan: Plan, name: str, count: int) -> Measured:
    with serving(name, plan.folder) as server:
        members = Members(server.port, server.dialect(alone=True))
        try:
            members.gather(_FIRST)
            before = server.rss()
            members.gather(count)
            each = (server.rss() - before) / (count - _FIRST)
            pings, cpu, end = members.pings, server.cpu(), time.perf_counter() + plan.at_rest
            while (wait := end - time.perf_counter()) > 0:
                members.turn(wait)
            share = 100 * (server.cpu() - cpu) / plan.at_rest * _BAR_OF / count
            lost = len(members.ended)
            pings = members.pings - pings
        finally:
            members.close()
    say(f"{name}: {each:.0f} bytes each, {share:.2f} % of a core per {_BAR_OF}, {pings} pings, {lost} lost")
    return Measured(name, count, each, share, pings, lost)


def _print(found: Sequence[Measured], plan: Plan) -> None:
    rows = [
        [
            one.server,
            str(one.connections),
            f"{one.bytes_each / 1024:.1f}",
            f"{one.percent:.2f}",
            str(one.pings),
            str(one.lost),
        ]
        for one in sorted(found, key=lambda one: one.server)
    ]
    head = ("server", "connections", "KiB each", f"% of a core per {_BAR_OF}", "pings", "lost")
    say(table(f"Idle connections, over {plan.at_rest:g} s", head, rows))


def _bars(ours: Measured) -> list[Bar]:
    return [
        below(f"keeping {_BAR_OF} idle connections alive", ours.percent, _BAR, " % of a core"),
        below("idle connections lost", ours.lost, 1, ""),
        Bar("each idle connection was pinged", f"{ours.pings} pings", ours.pings >= ours.connections),
    ]
