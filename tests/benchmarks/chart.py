"""The chart: a panel for each line of the table, in it a point for each peer, on a log scale."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Page
from matplotlib.ticker import FuncFormatter, NullFormatter

from .figures import Figure, Figures, short
from .line import EVERYBODY, OURS, Line
from .peers import PEERS

_COLUMNS = 3

# Inches.
_PANEL_WIDTH, _STRIP_HEIGHT, _PANEL_MARGIN = 5.2, 0.27, 0.75

_OURS, _OTHERS, _INK = "#0f766e", "#64748b", "#1f2937"


class NothingToCompare(Exception):
    """A chart of this would be empty."""


@attrs.frozen
class Strip:
    """One point of the chart, and how far it varied."""

    name: str
    figure: Figure
    is_ours: bool


@attrs.frozen
class Panel:
    """One line of the table, with its variants."""

    title: str
    strips: tuple[Strip, ...]


def panels(figures: Figures, lines: Sequence[Line], *, quick: bool = False) -> list[Panel]:
    """Those with something to compare: at least two points."""
    found = [_panel(figures, line, lines, quick=quick) for line in lines]
    return [panel for panel in found if len(panel.strips) > 1]


def _panel(figures: Figures, line: Line, lines: Sequence[Line], *, quick: bool) -> Panel:
    variants = [other for other in lines if other.variant_of == line.key]
    asked = [(line, OURS), *((variant, OURS) for variant in variants)]
    asked += [(line, peer) for peer in EVERYBODY if peer != OURS]
    strips = [
        Strip(_name(line, one, peer, quick=quick), figure, peer == OURS)
        for one, peer in asked
        if (figure := figures.figure(one, peer)) is not None
    ]
    better = "more is better" if line.unit.more_is_better else "less is better"
    return Panel(f"{line.heading(quick=quick)}\n{line.unit.value}, {better}", tuple(strips))


def _name(base: Line, line: Line, peer: str, *, quick: bool) -> str:
    """Of a variant only what it has not in common with the base."""
    if line is base:
        return PEERS[peer].title
    words = [
        part
        for part in line.heading(quick=quick).split(", ")
        if part not in base.heading(quick=quick).split(", ")
    ]
    return f"{PEERS[peer].title}: {', '.join(words)}"


# Drawing


def draw(path: Path, figures: Figures, lines: Sequence[Line], header: str, *, quick: bool = False) -> None:
    """As a PNG (or what else the file's name says). Raises NothingToCompare."""
    every = panels(figures, lines, quick=quick)
    if not every:
        raise NothingToCompare("no line has two figures")
    rows = [every[at : at + _COLUMNS] for at in range(0, len(every), _COLUMNS)]
    heights = [max(len(panel.strips) for panel in row) * _STRIP_HEIGHT + _PANEL_MARGIN for row in rows]
    page: Any = Page(figsize=(_PANEL_WIDTH * _COLUMNS, sum(heights) + 0.9), dpi=110, layout="constrained")
    FigureCanvasAgg(page)
    grid = page.add_gridspec(len(rows), _COLUMNS, height_ratios=heights)
    for down, row in enumerate(rows):
        for across, panel in enumerate(row):
            _draw_panel(page.add_subplot(grid[down, across]), panel)
    page.suptitle("\n".join(textwrap.wrap(header, 190)), fontsize=8, color=_INK)
    page.savefig(path)


def _draw_panel(axes: Any, panel: Panel) -> None:
    """From the top down; the whiskers go from the least to the most that was measured."""
    for place, strip in enumerate(panel.strips):
        figure, colour = strip.figure, _OURS if strip.is_ours else _OTHERS
        whiskers = [[figure.median - figure.low], [figure.high - figure.median]]
        axes.errorbar(figure.median, place, xerr=whiskers, fmt="o", color=colour, capsize=3, markersize=6)
        axes.annotate(
            short(figure.median),
            (figure.high, place),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=8,
        )
    axes.set_xscale("log")
    low, high = min(s.figure.low for s in panel.strips), max(s.figure.high for s in panel.strips)
    axes.set_xlim(low / 2, high * 4)
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(panel.strips)), [strip.name for strip in panel.strips], fontsize=8)
    axes.set_ylim(len(panel.strips) - 0.5, -0.5)
    axes.set_title(panel.title, fontsize=9, loc="left", color=_INK)
    axes.tick_params(axis="x", labelsize=7)
    axes.grid(axis="y", color="#e5e7eb")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _tick(value: float, _: int | None) -> str:
    return short(value)
