"""The whole matrix as a table: `python -m tests.supervisor.matrix_table` writes it anew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import attrs
import hypothesis as _  # noqa: F401  # where it is loaded, Trio draws its schedules from the seed alone

from .matrix import PROBE_WAIT, SWEEP, Cell, Condition, bound_unasked
from .matrix_claims import examine
from .promises import End, Kind, kinds

PAGE = Path(__file__).parent / "matrix.md"

LIMITS = (0, 1, 2, 3, 5, 20)

KINDS = {str(kind): kind for kind in kinds()}

VIRTUAL = {name: kind for name, kind in KINDS.items() if not kind.specimen.real_time}

INTRODUCTION = f"""\
# What becomes of each kind of misbehaviour

Limits {", ".join(map(str, LIMITS))}, with one or all of the user's slots held by that kind and the others
by healthy actors, x idle, mailbox full, and under load, x a newcomer asks for a slot as soon as there is
evidence, or nobody ever spawns again. In every cell: the verdict, the end, and the reason are those of the
row; the end comes neither before the evidence nor after the bound; the newcomer is answered in time, and
refused only with living actors as the proof; senders that wait are told; the neighbours are untouched and
answer.

All times are virtual seconds, under the default policy, but for a sweep every {SWEEP:g} s (one that waits
for a probe looks {PROBE_WAIT:g} s later). *Asked*: from the newcomer's question to the end of the last of
the kind. *Unasked*: the same from the misbehaviour on, begun at the worst moment for the sweep. *By
chance*: it is late only for a moment, and who looks after that finds it well. At limit 0 (lowered after
the misbehaviour) the newcomer is always refused, and the ghosts go all the same. Threads know no virtual
time: they have a test of their own on a real clock.

Written by `python -m tests.supervisor.matrix_table`; `test_matrix.py` holds it against what it measures.

"""

HEAD = (
    "| | kind | verdict | asked: bound | worst | unasked: bound | worst | end | newcomer | reason | cells |\n"
    "|---|---|---|--:|--:|--:|--:|---|---|---|--:|\n"
)


@attrs.frozen
class Row:
    """What came of all cells of one kind."""

    kind: Kind
    broken: tuple[str, ...]
    """Claims that did not hold, with their cells."""
    asked: float | None
    unasked: float | None
    """The worst that was measured, in seconds; None where nobody left."""
    cells: int


def cells_of(kind: Kind) -> Iterator[Cell]:
    for limit in LIMITS:
        for count in sorted({1, max(limit, 1)}):
            for condition in Condition:
                for asked in (True, False):
                    yield Cell(kind, limit, count, condition, asked)


@cache
def row_of(name: str) -> Row:
    """Play all cells of one kind; once, however many tests look at them."""
    kind = VIRTUAL[name]
    played = [(cell, examine(cell)) for cell in cells_of(kind)]
    broken = tuple(f"{cell}: {claim}" for cell, result in played for claim in result.broken)

    def worst(*, asked: bool) -> float | None:
        took = [result.took for cell, result in played if cell.asked is asked and result.took is not None]
        return max(took, default=None)

    return Row(kind, broken, worst(asked=True), worst(asked=False), len(played))


def render() -> str:
    return INTRODUCTION + HEAD + "".join(map(_line, KINDS.values()))


def _line(kind: Kind) -> str:
    promise = kind.promise
    newcomer = "refused" if promise.end is End.STAYS else "let in"
    reason = promise.reason.value if promise.reason is not None else "-"
    columns = (_verdict(kind), *_times(kind), promise.end.value, newcomer, reason, _count(kind))
    return f"| {kind.specimen.code} | {kind} | {' | '.join(columns)} |\n"


def _verdict(kind: Kind) -> str:
    if kind.promise.end is End.STAYS:
        return "alive"
    return "none needed" if kind.promise.health is None else kind.promise.health.value


def _times(kind: Kind) -> tuple[str, str, str, str]:
    """Bound and worst, asked and unasked."""
    promise = kind.promise
    if promise.end is End.STAYS:
        return "-", "-", "-", "-"
    unasked = "by chance" if promise.by_chance else _seconds(bound_unasked(kind))
    if kind.specimen.real_time:
        return _seconds(promise.grace), "real clock", unasked, "real clock"
    row = row_of(str(kind))
    return _seconds(promise.grace), _seconds(row.asked), unasked, _seconds(row.unasked)


def _seconds(value: float | None) -> str:
    """Rounded up; floats are not exact."""
    return "-" if value is None else f"{math.ceil(100 * value - 1e-4) / 100:.2f}"


def _count(kind: Kind) -> str:
    return "2" if kind.specimen.real_time else str(row_of(str(kind)).cells)


if __name__ == "__main__":
    PAGE.write_text(render())
