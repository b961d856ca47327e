"""All lines: first those of the table that has the peers, then those that only ours has. Plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .line import ASYNCIO, ERLANG, OURS, PYKKA, THESPIAN, TRIO, XOSCAR, Bar, Line, Unit
from .own_lines import OWN

# Peers start a thread for each actor, of which this is as many as are started in seconds.
_THREADS = {PYKKA: 1_000}

_SPAWNERS = (OURS, TRIO, ASYNCIO, PYKKA, XOSCAR, THESPIAN, ERLANG)

COMPARED = (
    Line(
        key="tell_one",
        title="tell, one actor",
        unit=Unit.PER_SECOND,
        n=200_000,
        quick=50_000,
        bars=(Bar(15, TRIO), Bar(1.5, ASYNCIO)),
    ),
    Line(
        key="tell_one_default",
        title="tell, one actor, default capacity",
        unit=Unit.PER_SECOND,
        n=200_000,
        quick=50_000,
        peers=(OURS,),
        variant_of="tell_one",
    ),
    Line(
        key="tell_one_nowait",
        title="tell_nowait, one actor",
        unit=Unit.PER_SECOND,
        n=200_000,
        quick=50_000,
        peers=(OURS,),
        variant_of="tell_one",
    ),
    Line(
        key="tell_round_robin",
        title="tell, round robin over 1,000 actors",
        unit=Unit.PER_SECOND,
        n=100_000,
        quick=50_000,
        bars=(Bar(20, TRIO), Bar(1, ASYNCIO)),
    ),
    Line(
        key="ask_sequential",
        title="ask, sequential",
        unit=Unit.PER_SECOND,
        n=30_000,
        quick=10_000,
        bars=(Bar(1.7, TRIO),),
    ),
    Line(
        key="ask_callers",
        title="ask, 100 callers",
        unit=Unit.PER_SECOND,
        n=50_000,
        quick=20_000,
        peers=(OURS, TRIO, ASYNCIO, PYKKA, XOSCAR, ERLANG),
        bars=(Bar(4, TRIO),),
    ),
    Line(
        key="spawn_one_by_one",
        title="spawn till ready, one by one, {n}",
        unit=Unit.PER_SECOND,
        n=10_000,
        quick=10_000,
        most=_THREADS,
        bars=(Bar(1.5, TRIO),),
    ),
    Line(
        key="spawn_users",
        title="spawn till ready, one by one, {n} users of one actor",
        unit=Unit.PER_SECOND,
        n=10_000,
        quick=10_000,
        peers=(OURS,),
        variant_of="spawn_one_by_one",
    ),
    Line(
        key="spawn_floor",
        title="spawn till ready, one by one, {n}, its floor: Trio's part and the objects",
        unit=Unit.PER_SECOND,
        n=10_000,
        quick=10_000,
        peers=(OURS,),
        variant_of="spawn_one_by_one",
    ),
    Line(
        key="spawn_at_once",
        title="spawn, all at once, {n}",
        unit=Unit.PER_SECOND,
        n=10_000,
        quick=10_000,
        peers=(OURS, TRIO, ASYNCIO, PYKKA, XOSCAR),
        most=_THREADS,
        bars=(Bar(1, TRIO),),
    ),
    Line(
        key="memory",
        title="memory of an idle actor, of {n}",
        unit=Unit.BYTES,
        n=10_000,
        quick=10_000,
        most=_THREADS,
        bars=(Bar(4_000),),
    ),
    Line(
        key="stop_all",
        title="stop {n}",
        unit=Unit.MILLISECONDS,
        n=1_000,
        quick=1_000,
        bars=(Bar(1.5, TRIO),),
    ),
    Line(
        key="stop_floor",
        title="stop {n}, its floor: Trio's part and the event",
        unit=Unit.MILLISECONDS,
        n=1_000,
        quick=1_000,
        peers=(OURS,),
        variant_of="stop_all",
    ),
    Line(
        key="lookup",
        title="look-up of a live key",
        unit=Unit.PER_SECOND,
        n=200_000,
        quick=50_000,
        peers=(OURS, TRIO, PYKKA, XOSCAR, THESPIAN, ERLANG),
        bars=(Bar(2_000_000),),
    ),
    Line(
        key="get_or_spawn_found",
        title="get_or_spawn of a live key",
        unit=Unit.PER_SECOND,
        n=200_000,
        quick=50_000,
        peers=(OURS,),
        variant_of="lookup",
    ),
    Line(
        key="events_no_subscriber",
        title="spawn and stop, nobody subscribed to events",
        unit=Unit.PER_SECOND,
        n=5_000,
        quick=3_000,
        peers=(OURS,),
    ),
    Line(
        key="events_read",
        title="spawn and stop, a subscriber that reads",
        unit=Unit.PER_SECOND,
        n=5_000,
        quick=3_000,
        peers=(OURS,),
        variant_of="events_no_subscriber",
    ),
    Line(
        key="events_unread",
        title="spawn and stop, a subscriber that never reads",
        unit=Unit.PER_SECOND,
        n=5_000,
        quick=3_000,
        peers=(OURS,),
        variant_of="events_no_subscriber",
    ),
    Line(
        key="import_time",
        title="import of actors and supervisor, over trio",
        unit=Unit.MILLISECONDS,
        n=5,
        quick=3,
        peers=(OURS,),
        bars=(Bar(100),),
    ),
)

LINES = COMPARED + OWN

BY_KEY = {line.key: line for line in LINES}


def choose(words: Iterable[str], lines: Sequence[Line] = LINES) -> list[Line]:
    """The lines that have one of these words in their key or title; all of them without words."""
    wanted = [word.lower() for word in words]
    return [
        line
        for line in lines
        if not wanted or any(word in f"{line.key} {line.title}".lower() for word in wanted)
    ]
