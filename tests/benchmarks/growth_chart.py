"""The second chart: what one manager costs when there are n of them; where it is flat, all is linear."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Page
from matplotlib.ticker import FuncFormatter, NullFormatter

from .chart import NothingToCompare
from .figures import Figure, Figures, short
from .line import OURS, Line
from .own_lines import GROWTH, WORSE

_COLUMNS = 3

# Inches.
_WIDTH, _HEIGHT = 4.6, 3.0

# As it is, and what is done about the garbage collector.
_COLOURS = ("#0f766e", "#b45309", "#64748b")
_INK, _SHADE = "#1f2937", "#f1f5f9"


@attrs.frozen
class Curve:
    """One row of the table: its points by n."""

    name: str
    points: tuple[tuple[int, Figure], ...]


@attrs.frozen
class Panel:
    """One cost, by every way that it was measured in; of one unit."""

    title: str
    curves: tuple[Curve, ...]


def panels(figures: Figures, lines: Sequence[Line], *, quick: bool = False) -> list[Panel]:
    """One for each cost of which there are two points at least."""
    curves: dict[tuple[str, str], dict[str, list[tuple[int, Figure]]]] = {}
    for line in lines:
        figure = figures.figure(line, OURS)
        if line.place is None or line.place.table != GROWTH or figure is None:
            continue
        cost, *ways = line.place.row.removesuffix(f", {line.unit.value}").split(", ")
        curve = curves.setdefault((cost, line.unit.value), {}).setdefault(", ".join(ways) or "as it is", [])
        curve.append((line.size(OURS, quick=quick), figure))
    found = [
        Panel(f"{cost}, {unit}", tuple(Curve(name, tuple(points)) for name, points in ways.items()))
        for (cost, unit), ways in curves.items()
    ]
    return [panel for panel in found if max(len(curve.points) for curve in panel.curves) > 1]


# Drawing


def draw(path: Path, figures: Figures, lines: Sequence[Line], header: str, *, quick: bool = False) -> None:
    """As a PNG (or what else the file's name says). Raises NothingToCompare."""
    every = panels(figures, lines, quick=quick)
    if not every:
        raise NothingToCompare("no cost was measured for two numbers of managers")
    down = -(-len(every) // _COLUMNS)
    page: Any = Page(figsize=(_WIDTH * _COLUMNS, _HEIGHT * down + 0.9), dpi=110, layout="constrained")
    FigureCanvasAgg(page)
    numbers = [n for panel in every for curve in panel.curves for n, _ in curve.points]
    for place, panel in enumerate(every):
        axes = page.add_subplot(down, _COLUMNS, place + 1)
        _draw_panel(axes, panel)
        axes.set_xlim(min(numbers) / 1.6, max(numbers) * 2.2)
    page.suptitle("\n".join(textwrap.wrap(f"{GROWTH}. {header}", 160)), fontsize=8, color=_INK)
    page.savefig(path)


def _draw_panel(axes: Any, panel: Panel) -> None:
    ends = sorted(panel.curves, key=lambda curve: -curve.points[-1][1].median)
    for curve, colour in zip(panel.curves, _COLOURS, strict=False):
        medians = [figure.median for _, figure in curve.points]
        whiskers = [
            [figure.median - figure.low for _, figure in curve.points],
            [figure.high - figure.median for _, figure in curve.points],
        ]
        numbers = [n for n, _ in curve.points]
        axes.errorbar(
            numbers, medians, yerr=whiskers, fmt="o-", color=colour, capsize=3, markersize=5, label=curve.name
        )
        axes.annotate(
            short(medians[-1]),
            (numbers[-1], medians[-1]),
            xytext=(6, 10 - 10 * ends.index(curve)),  # the highest stands highest
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=8,
        )
    _shade(axes, panel.curves[0])
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_tick))
        axis.set_minor_formatter(NullFormatter())
    axes.set_title(panel.title, fontsize=9, loc="left", color=_INK)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False, loc="upper left")


def _shade(axes: Any, curve: Curve) -> None:
    """From what the fewest cost to where it would be worse than linear."""
    least = curve.points[0][1].median
    axes.axhspan(least / WORSE, least * WORSE, color=_SHADE, zorder=0)
    lows, highs = zip(*((figure.low, figure.high) for _, figure in curve.points), strict=True)
    axes.set_ylim(min(least / WORSE, *lows) / 1.5, max(least * WORSE, *highs) * 1.5)


def _tick(value: float, _: int | None) -> str:
    return short(value)
