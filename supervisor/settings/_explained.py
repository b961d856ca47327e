"""Where each value came from, and what it overrode: as facts, and as a table for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import TypeAlias

import attrs

from supervisor._settings import MASK

Row: TypeAlias = tuple[Sequence[str], ...]
"""Four cells, each of one line or more."""

HEAD: Row = (["option"], ["value"], ["source"], ["overrode"])
GAP = "  "

# No column is made narrower than so many characters, however narrow the terminal is.
NARROWEST = 12


@attrs.frozen
class Explained:
    """One option: what it is, and why. A secret is masked everywhere."""

    option: str
    value: object
    source: str
    """`default`, `profile staging`, `trouper.toml [supervisor]`, `TROUPER_LIMIT`, `overrides`."""
    overrode: tuple[tuple[object, str], ...] = ()
    """The values below it with their sources, nearest first. Without a default that a factory makes."""


def as_table(explained: Iterable[Explained], *, width: int = 100) -> tuple[str, ...]:
    """Lines of aligned columns; but for the names of options, what does not fit in `width` is folded."""
    rows = [HEAD, *(_cells(one) for one in explained)]
    widths = _fitted([max(len(line) for row in rows for line in row[n]) for n in range(len(HEAD))], width)
    return tuple(line for row in rows for line in _lines(row, widths))


def _cells(one: Explained) -> Row:
    overrode = [f"{_text(value)} ({source})" for value, source in one.overrode]
    return [one.option], [_text(one.value)], [one.source], overrode or [""]


def _text(value: object) -> str:
    return MASK if value == MASK else repr(value)


def _fitted(widths: Sequence[int], total: int) -> list[int]:
    """The widest gives way first, until they fit; the first never, since names are looked for."""
    name, *rest = widths
    room = total - name - len(GAP) * len(rest)
    while sum(rest) > room and max(rest) > NARROWEST:
        rest[rest.index(max(rest))] -= 1
    return [name, *rest]


def _lines(row: Row, widths: Sequence[int]) -> Iterator[str]:
    folded = [_folded(cell, width) for cell, width in zip(row, widths, strict=True)]
    for parts in zip_longest(*folded, fillvalue=""):
        yield GAP.join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()


def _folded(cell: Sequence[str], width: int) -> list[str]:
    return [part for line in cell for part in wrap(line, width, break_on_hyphens=False)]
