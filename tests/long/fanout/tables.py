"""What is printed: tables, and bars that are held or not. Pure, but for `say`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import attrs

# Two runs on one noisy machine that differ by less say nothing.
NOISE = 1.15


@attrs.frozen
class Bar:
    """One claim, and what was measured of it."""

    claim: str
    measured: str
    held: bool

    def __str__(self) -> str:
        return f"{'PASS' if self.held else 'FAIL'}  {self.claim}: {self.measured}"


def at_least(claim: str, value: float, bound: float, unit: str = "x") -> Bar:
    return Bar(f"{claim}, at least {bound:.3g}{unit}", f"{value:.3g}{unit}", value >= bound)


def below(claim: str, value: float, bound: float, unit: str) -> Bar:
    return Bar(f"{claim}, below {bound:.3g}{unit}", f"{value:.3g}{unit}", value < bound)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As Markdown, with its columns aligned."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = line(["-" * width for width in widths])
    return "\n".join(("", f"### {title}", "", line(head), rule, *map(line, rows), ""))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed; infinity of none."""
    if not values:
        return float("inf")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g}" if seconds != float("inf") else "-"


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
