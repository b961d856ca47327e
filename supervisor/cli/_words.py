"""Names, ages, numbers and places, as a terminal may show them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

# Below this, in seconds, milliseconds tell more.
MILLISECONDS_BELOW = 1.0

# Below this, in milliseconds, parts of one tell something.
FINE_BELOW = 9.95

# From this many seconds on, tenths tell nothing any more.
WHOLE_SECONDS_FROM = 10.0


def printable(text: str) -> str:
    """Names are whatever users called themselves: none of them may steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def duration(seconds: float | None) -> str:
    """In the two units that matter; `-` where there is none."""
    if seconds is None:
        return "-"
    if seconds < MILLISECONDS_BELOW:
        milliseconds = seconds * 1000
        return f"{milliseconds:.2g} ms" if milliseconds < FINE_BELOW else f"{int(milliseconds)} ms"
    if seconds < WHOLE_SECONDS_FROM:
        return f"{seconds:.1f} s"
    if seconds < MINUTE:
        return f"{int(seconds)} s"
    for unit, name, below, part in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name} {seconds % unit // below:.0f} {part}"
    return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"


def counted(number: int, noun: str) -> str:
    """`1 manager`, `2,000 managers`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(names: Sequence[str], *, most: int, total: int | None = None) -> str:
    """Not too many of them; `total` where not all are in `names`."""
    more = (len(names) if total is None else total) - min(len(names), most)
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def identity(user: str, key: str, incarnation: int | None = None) -> str:
    """`ann/tab-1#3`, as everywhere."""
    return f"{user}/{key}" if incarnation is None else f"{user}/{key}#{incarnation}"


def place(where: str) -> str:
    """`file:line in function`, short enough for a table: of the path only the file."""
    path, separator, function = where.partition(" in ")
    return path.rpartition("/")[2] + separator + function
