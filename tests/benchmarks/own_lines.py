"""The lines that only ours has, each a cell of a table of our own. Plain data.

Admission, a crowd that is swept, how each cost grows with the number of managers, and what tames the
garbage collector. Lines with the same function come from the same samples: see `Line.part`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from .line import OURS, Bar, Line, Place, Unit

Bars = Mapping[str, Sequence[Bar]]
"""By column."""

P50, P99, MAX = "p50", "p99", "max"


@attrs.frozen
class Work:
    """What is done, and how often."""

    function: str
    n: int
    quick: int
    samples: int = 3


def _cell(key: str, place: Place, unit: Unit, work: Work, part: str, bars: Sequence[Bar] = ()) -> Line:
    return Line(
        key=key,
        title=f"{place.row}: {place.column}",
        unit=unit,
        n=work.n,
        quick=work.quick,
        peers=(OURS,),
        bars=tuple(bars),
        function=work.function,
        part=part,
        samples=work.samples,
        place=place,
    )


# Admission

ADMISSION = "Admission: ms until a newcomer's first message is handled, with 20 slots a user"

# One that computes holds the loop for so long, in ms; `peers/ours_admission.py` has it in seconds.
SLICE = 5.0

# What a peer has to answer two pings there, and how late one is looked at who is not alone, in ms.
PINGS = 310.0
LOOK = 50.0

# What one that ignores its cancellation has by default until it is condemned, in ms.
CANCEL_GRACE = 50.0

_QUIET = {P99: [Bar(1.0)]}

# By the name of the case: what it is called, how many newcomers come, in a quick run too, and the bars.
_CASES: Mapping[str, tuple[str, tuple[int, int], Bars]] = {
    "free": ("a free slot", (1000, 200), _QUIET),
    "stuck_1": ("1 of 20 stuck", (600, 200), _QUIET),
    "stuck_5": ("5 of 20 stuck", (500, 200), _QUIET),
    "stuck_20": (
        "20 of 20 stuck",
        (600, 200),
        {P50: [Bar(2.0, line="admission_stuck_1_p50")], P99: [Bar(1.0)]},
    ),
    "free_busy": ("a free slot, busy loop", (100, 20), {}),
    "stuck_20_busy": (
        "20 of 20 stuck, busy loop",
        (100, 20),
        {
            P50: [Bar(1.0, line="admission_free_busy_p50", more=SLICE)],
            P99: [Bar(1.0, line="admission_free_busy_p99", more=SLICE)],
        },
    ),
    "at_once": ("20 of 20 stuck, 20 newcomers at once", (2000, 400), {}),
    "condemned": ("20 condemned", (300, 60), _QUIET),
    "condemned_stuck": ("20 condemned, 20 of 20 stuck", (300, 60), _QUIET),
    "shielded": (
        "20 of 20 stuck, ignoring cancellation (their grace: 50 ms)",
        (100, 20),
        {P99: [Bar(CANCEL_GRACE + 1.0)]},
    ),
    "half_open_found": ("20 of 20 half-open, pinged before", (200, 100), _QUIET),
    "half_open_due": (
        "20 of 20 half-open, two pings due (300 ms), a slot is waited for (600 ms)",
        (75, 25),
        {P99: [Bar(PINGS + LOOK)]},
    ),
    "refused": ("20 of 20 alive: until it is refused", (500, 200), {}),
}


def _admission(case: str, row: str, n: tuple[int, int], bars: Bars) -> list[Line]:
    return [
        _cell(
            f"admission_{case}_{column}",
            Place(ADMISSION, row, column),
            Unit.MILLISECONDS,
            Work(f"admission_{case}", *n),
            column,
            bars.get(column, ()),
        )
        for column in (P50, P99, MAX)
    ]


# A crowd

CROWD = "{n} managers, 20 a user"

_PARTS = {
    "still": "nobody sweeps",
    "held": "a sweep a second, 2 % stuck for good",
    "reaped": "a sweep a second, 2 % a second stuck, reaped and replaced",
}

_COLUMNS = {
    "lag_p50": ("loop lag p50, ms", Unit.MILLISECONDS),
    "lag_p99": ("p99, ms", Unit.MILLISECONDS),
    "lag_max": ("max, ms", Unit.MILLISECONDS),
    "processor": ("% of a core", Unit.PERCENT),
    "spawn_p50": ("a neighbour's spawn p50, ms", Unit.MILLISECONDS),
    "spawn_p99": ("a neighbour's spawn p99, ms", Unit.MILLISECONDS),
}


_NEIGHBOURS = {("held", "spawn_p99"), ("reaped", "spawn_p99")}


def _crowd(part: str, row: str) -> list[Line]:
    return [
        _cell(
            f"crowd_{part}_{column}",
            Place(CROWD, row, heading),
            unit,
            Work("crowd", 20_000, 4_000),
            f"{part}_{column}",
            [Bar(2, line="crowd_still_spawn_p99")] if (part, column) in _NEIGHBOURS else (),
        )
        for column, (heading, unit) in _COLUMNS.items()
    ]


# Growth

GROWTH = "How each cost grows: of one manager, of so many"

# The usual numbers, and those of a quick run, by what they are called in keys.
SIZES = {"1k": (1_000, 1_000), "10k": (10_000, 3_000), "100k": (100_000, 10_000)}

# Nothing is worse than linear: per manager, the most may cost so many times as much as the fewest.
WORSE = 3.0

_COSTS = {
    "spawn": ("spawn, us", Unit.MICROSECONDS),
    "memory": ("memory, bytes", Unit.BYTES),
    "sweep": ("sweep, us", Unit.MICROSECONDS),
    "slice": ("longest slice of a sweep, ms", Unit.MILLISECONDS),
    "lookup": ("look-up, us", Unit.MICROSECONDS),
    "stop": ("stop all, us", Unit.MICROSECONDS),
}

_BOUNDS = {"sweep": 1.0, "slice": 5.0}

FUNCTIONS = {"growth": "", "growth_recipe": ", recipe"}
"""As it is, and with the recipe for the garbage collector: thresholds of 50,000, 20, 100."""


def _samples(n: int) -> int:
    """Of so many managers: a sample of 100,000 takes half a minute."""
    return 2 if n > 10_000 else 3


def growth_key(function: str, cost: str, size: str) -> str:
    return f"{function}_{cost}_{size}"


def _growth(function: str, cost: str) -> list[Line]:
    heading, unit = _COSTS[cost]
    what, _, shown_in = heading.rpartition(", ")
    return [
        _cell(
            growth_key(function, cost, size),
            Place(GROWTH, f"{what}{FUNCTIONS[function]}, {shown_in}", "{n}"),
            unit,
            Work(function, *n, samples=_samples(n[0])),
            cost,
            _growth_bars(function, cost, size),
        )
        for size, n in SIZES.items()
    ]


def _growth_bars(function: str, cost: str, size: str) -> list[Bar]:
    bars = [Bar(_BOUNDS[cost])] if cost in _BOUNDS else []
    if size == "100k" and cost != "slice":
        bars.append(Bar(WORSE, line=growth_key(function, cost, "1k")))
    return bars


_FROZEN_AT_START = [
    _cell(
        f"growth_frozen_spawn_{size}",
        Place(GROWTH, "spawn, frozen before the first, us", "{n}"),
        Unit.MICROSECONDS,
        Work("frozen_at_start", *n, samples=_samples(n[0])),
        "",
    )
    for size, n in SIZES.items()
]


# The garbage collector

GARBAGE = "The garbage collector, {n} managers here, and others who come and go"

_WAYS = {
    "usual": "as it is",
    "thresholds": "gc.set_threshold(50_000, 20, 100)",
    "frozen": "gc.freeze(), once they are here",
    "both": "both",
}

_PAINS = {
    "spawn": ("spawn, us", Unit.MICROSECONDS),
    "seconds": ("the collector, for each that comes and goes, us", Unit.MICROSECONDS),
    "pause": ("longest pause, ms", Unit.MILLISECONDS),
}

_GARBAGE = [
    _cell(
        f"garbage_{way}_{pain}",
        Place(GARBAGE, row, heading),
        unit,
        Work("garbage", 100_000, 10_000, samples=_samples(100_000)),
        f"{way}_{pain}",
    )
    for way, row in _WAYS.items()
    for pain, (heading, unit) in _PAINS.items()
]


# All

_VERDICTS = [
    Line(
        key=f"verdict_{part}",
        title=f"a verdict on an actor that {what}",
        unit=Unit.MICROSECONDS,
        n=100_000,
        quick=50_000,
        peers=(OURS,),
        function="verdict",
        part=part,
    )
    for part, what in {"parked": "waits for mail", "busy": "is at work"}.items()
]

OWN = (
    *_VERDICTS,
    *(line for case, about in _CASES.items() for line in _admission(case, *about)),
    *(line for part, row in _PARTS.items() for line in _crowd(part, row)),
    *(line for cost in _COSTS for function in FUNCTIONS for line in _growth(function, cost)),
    *_FROZEN_AT_START,
    *_GARBAGE,
)
