"""Two runs, of two commits: what became slower or faster, by pyperf, and against raw Trio of the same run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .figures import Figures, advantage
from .line import OURS, TRIO, Line
from .lines import BY_KEY
from .tables import Grid

# Two runs on one noisy machine whose ratios differ by less say nothing.
NOISE = 1.15


def by_pyperf(old: Path, new: Path) -> str:
    """Slower, faster, or not to be told apart, each with its means: pyperf's t-test."""
    command = [sys.executable, "-m", "pyperf", "compare_to", "--group-by-speed", str(old), str(new)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


def by_ratio(old: Figures, new: Figures, lines: Sequence[Line]) -> Grid:
    """Ours against raw Trio in either run: what the machine had in common falls out."""
    rows = [
        (line.title.format(n="n"), *found) for line in lines if (found := _row(old, new, line)) is not None
    ]
    return Grid("Ours against raw Trio", ("", "old", "new", ""), tuple(rows))


def _row(old: Figures, new: Figures, line: Line) -> tuple[str, str, str] | None:
    before, after = (_times(figures, line) for figures in (old, new))
    if before is None or after is None:
        return None
    return f"x{before:.3g}", f"x{after:.3g}", verdict(before, after)


def _times(figures: Figures, line: Line) -> float | None:
    """How many times better ours is; None: nobody knows."""
    ours = figures.figure(line, OURS)
    trio = figures.figure(BY_KEY[line.variant_of] if line.variant_of else line, TRIO)
    return None if ours is None or trio is None else advantage(line, ours, trio)


def verdict(before: float, after: float) -> str:
    """Of two ratios, of which more is better."""
    if after > before * NOISE:
        return f"{after / before:.2f}x faster"
    if before > after * NOISE:
        return f"{before / after:.2f}x slower"
    return "no difference"
