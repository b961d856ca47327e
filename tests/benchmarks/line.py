"""One line of the tables: what is done, how often, by whom, and which bars we set ourselves. Plain data."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

OURS, TRIO, ASYNCIO, PYKKA, XOSCAR, THESPIAN, ERLANG = (
    "ours",
    "trio",
    "asyncio",
    "pykka",
    "xoscar",
    "thespian",
    "erlang",
)

EVERYBODY = (OURS, TRIO, ASYNCIO, PYKKA, XOSCAR, THESPIAN, ERLANG)


class Unit(enum.Enum):
    """How a value is shown. What is measured, and kept, is seconds, or bytes, per operation."""

    PER_SECOND = "/s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    PERCENT = "%"
    """Of a core: seconds of processor time per second."""
    BYTES = "bytes"

    @property
    def more_is_better(self) -> bool:
        return self is Unit.PER_SECOND

    @property
    def measured_in(self) -> str:
        """In pyperf's word."""
        return "byte" if self is Unit.BYTES else "second"

    def shown(self, value: float) -> float:
        match self:
            case Unit.PER_SECOND:
                return 1 / value
            case Unit.MILLISECONDS:
                return value * 1000
            case Unit.MICROSECONDS:
                return value * 1_000_000
            case Unit.PERCENT:
                return value * 100
            case Unit.BYTES:
                return value


@attrs.frozen
class Bar:
    """What we ask of ourselves: at least `bound` if more is better, at most `bound` otherwise."""

    bound: float
    peer: str | None = None
    """`bound` times this one's figure; None, and no line either: the figure itself."""
    line: str | None = None
    """`bound` times the figure on this other line."""
    more: float = 0.0
    """And so much more, in what the line is shown in."""


@attrs.frozen
class Place:
    """Where a line of ours stands that nobody else has: in a table of its own."""

    table: str
    row: str
    column: str
    """`{n}` in these is as in the title of a line."""


@attrs.frozen(kw_only=True)
class Line:
    """One row of the table, or one cell of a table of our own."""

    key: str
    """Its name in files and on the command line."""
    title: str
    """For people; `{n}` in it is the number of operations, or actors."""
    unit: Unit
    n: int
    """How many operations one sample has."""
    quick: int
    """The same with `--quick`."""
    peers: tuple[str, ...] = EVERYBODY
    """Who has a function for it."""
    most: Mapping[str, int] = attrs.field(factory=dict[str, int])
    """No more operations than so many, for those who would take minutes."""
    bars: tuple[Bar, ...] = ()
    function: str = attrs.field(default=attrs.Factory(lambda line: line.key, takes_self=True))
    """What it is called in the peers' modules: f(n) -> seconds, or bytes, per operation; or several."""
    part: str = ""
    """Which of several it is; lines that are parts of the same have their samples in common."""
    samples: int | None = None
    """So many at most, and one in a quick run: it takes long, or has many repetitions in itself."""
    place: Place | None = None
    """None: it is a row of the table that has the peers."""
    variant_of: str | None = None
    """Another way to do the same: it stands beside the peers' figures on that line."""

    def size(self, peer: str, *, quick: bool) -> int:
        """How many operations a sample of this peer has."""
        return min(self.quick if quick else self.n, self.most.get(peer, self.n))

    def repetitions(self, wanted: int, *, quick: bool) -> int:
        """How many samples there are of it."""
        return wanted if self.samples is None else min(wanted, 1 if quick else self.samples)

    def heading(self, *, quick: bool) -> str:
        return self.filled(self.title, quick=quick)

    def filled(self, words: str, *, quick: bool) -> str:
        """With the number of operations in it."""
        return words.format(n=f"{self.quick if quick else self.n:,}")
