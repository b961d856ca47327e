"""The table: lines down, peers across; and the bars. For a terminal, or as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
from rich.table import Table
from rich.text import Text

from .bars import Judgement
from .figures import Figures, advantage
from .line import EVERYBODY, OURS, Line
from .lines import BY_KEY
from .peers import PEERS

NOTE = (
    "Median (min-max) of {repetitions} samples, or fewer where one takes long, each a process of its own, "
    "interleaved; xN: ours is N times as good."
)


def notes(figures: Figures) -> str:
    """What one has to know of those who took part."""
    return "\n".join(
        f"{peer.title}: {peer.note}." for peer in PEERS.values() if peer.note and peer.key in figures.peers()
    )


@attrs.frozen
class Grid:
    """A table before it is printed."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    stacked: bool = False
    """In a terminal the words of a cell stand below each other: there are many columns."""


def figures_grid(figures: Figures, lines: Sequence[Line], *, quick: bool = False) -> Grid:
    """All figures, and ours against everybody's."""
    peers = [peer for peer in EVERYBODY if peer in figures.peers()]
    rows = [
        (_name(line, quick=quick), *(cell(figures, line, peer) for peer in peers))
        for line in lines
        if line.place is None and is_told(figures, line)
    ]
    return Grid("Benchmarks", ("", *(PEERS[peer].title for peer in peers)), tuple(rows), stacked=True)


def is_told(figures: Figures, line: Line) -> bool:
    return any(where[0] == line.key for where in (*figures.values, *figures.failures))


def own_grids(figures: Figures, lines: Sequence[Line], *, quick: bool = False) -> list[Grid]:
    """The tables of our own, each with its rows and columns in the order in which they first come."""
    tables: dict[str, dict[tuple[str, str], Line]] = {}
    for line in lines:
        if line.place is not None and is_told(figures, line):
            place = (line.place.table, line.place.row, line.place.column)
            table, row, column = (line.filled(words, quick=quick) for words in place)
            tables.setdefault(table, {})[row, column] = line
    return [_own_grid(title, cells, figures) for title, cells in tables.items()]


def _own_grid(title: str, cells: Mapping[tuple[str, str], Line], figures: Figures) -> Grid:
    columns = dict.fromkeys(column for _, column in cells)
    rows = [
        (row, *(_own_cell(figures, cells.get((row, column))) for column in columns))
        for row in dict.fromkeys(row for row, _ in cells)
    ]
    return Grid(title, ("", *columns), tuple(rows))


def _own_cell(figures: Figures, line: Line | None) -> str:
    return "-" if line is None else cell(figures, line, OURS)


def _name(line: Line, *, quick: bool) -> str:
    return f"{line.heading(quick=quick)}, {line.unit.value}"


def cell(figures: Figures, line: Line, peer: str) -> str:
    """One figure, and how much better ours is; of a variant that they have not, only the latter."""
    if (line.key, peer) in figures.failures:
        return "failed"
    ours, own = figures.figure(line, OURS), figures.figure(line, peer)
    base = line if own is not None or line.variant_of is None else BY_KEY[line.variant_of]
    other = figures.figure(base, peer)
    if other is None:
        return "-"
    times = "" if ours is None or peer == OURS else f"x{advantage(line, ours, other):.3g}"
    return times or str(other) if own is None else f"{other} {times}".strip()


def bars_grid(judgements: Sequence[Judgement], *, quick: bool = False) -> Grid:
    rows = tuple((one.line.heading(quick=quick), one.claim, one.measured, one.word) for one in judgements)
    return Grid("Bars", ("", "bar", "measured", ""), rows)


# Printing


def for_terminal(grid: Grid) -> Table:
    table = Table(title=grid.title, title_justify="left", show_lines=True)
    for name in grid.head:
        table.add_column(name, overflow="fold")
    for first, *rest in grid.rows:
        cells = (each.replace(" ", "\n") if grid.stacked else each for each in rest)
        table.add_row(Text(first, style="bold"), *(Text(each, style=_style(each)) for each in cells))
    return table


def _style(words: str) -> str:
    return {"NOT HELD": "bold red", "held": "green", "failed": "bold red"}.get(words, "")


def as_markdown(grid: Grid) -> str:
    """With its columns aligned, for those who read the source."""
    widths = [max(map(len, column)) for column in zip(grid.head, *grid.rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(each.ljust(width) for each, width in zip(cells, widths, strict=True))} |"

    return "\n".join((line(grid.head), line(["-" * width for width in widths]), *map(line, grid.rows)))
