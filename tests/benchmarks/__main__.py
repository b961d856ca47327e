"""Measures ours and every peer that is installed, side by side, and judges our bars.

    python -m tests.benchmarks [--quick] [--only WORD] [--peers a,b] [--json FILE]
    python -m tests.benchmarks --from FILE.json [--markdown] [--chart FILE] [--growth-chart FILE]
    python -m tests.benchmarks --compare OLD.json [NEW.json]

Every sample is a process of its own; those of one line are interleaved over the peers. Exits with 1
when a bar is not held or ours fails, with 2 when plain Trio or asyncio fails. What to install for the
peers and the chart: `pip install --group benchmarks --group peers`, and `apt-get install erlang-base`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import attrs
from rich.console import Console

from . import chart, growth_chart, results
from .bars import Judgement, judge_all
from .compare import by_pyperf, by_ratio
from .figures import Figures, exit_code
from .line import EVERYBODY, Line
from .lines import LINES, choose
from .machine import Facts, header, look
from .peers import PEERS
from .sampling import batches, measure, take_part
from .tables import NOTE, Grid, as_markdown, bars_grid, figures_grid, for_terminal, notes, own_grids

REPETITIONS, QUICK_REPETITIONS = 5, 2

# Into a file or a pipe, where nobody says how wide it is: wide enough for everybody.
_WIDTH = None if sys.stdout.isatty() else 140

OUT, PROGRESS = Console(width=_WIDTH), Console(stderr=True)


@attrs.frozen
class Run:
    """What was measured, and where."""

    lines: Sequence[Line]
    figures: Figures
    facts: Facts
    quick: bool


def main(arguments: Sequence[str] | None = None) -> int:
    options = _checked(_parser(), arguments)
    lines = choose(options.only)
    if len(options.compare) == 2:
        old, new = options.compare
        _compare(old, new, lines)
        return 0
    run = _read(options.read, lines) if options.read else _measure(options, lines)
    judgements = judge_all(run.figures, run.lines)
    _say(run, judgements, markdown=options.markdown)
    if options.json:
        results.write(options.json, run.figures, run.facts, quick=run.quick)
    if options.chart:
        _draw(chart, options.chart, run)
    if options.growth_chart:
        _draw(growth_chart, options.growth_chart, run)
    if options.compare:
        _compare(options.compare[0], options.json, lines)
    return exit_code(run.figures.failures, [one.held for one in judgements])


def _read(path: Path, lines: Sequence[Line]) -> Run:
    figures, facts = results.read(path)
    told = [line for line in lines if any(key == line.key for key, _ in figures.values)]
    return Run(told, figures, facts, facts.get("size") == "quick")


def _measure(options: argparse.Namespace, lines: Sequence[Line]) -> Run:
    here = [peer for peer in options.peers if PEERS[peer].is_installed]
    for peer in options.peers:
        if peer not in here:
            PROGRESS.print(f"{PEERS[peer].title} is missing: {PEERS[peer].get}", style="bold red")
    figures, facts = Figures(), look(here)
    PROGRESS.print(header(facts))
    for batch in batches(lines):
        if take_part(batch[0], here):
            measure(batch, here, options.repetitions, figures, quick=options.quick)
            for line in batch:
                _say_progress(line, here, figures, quick=options.quick)
    return Run(lines, figures, facts, options.quick)


def _say_progress(line: Line, here: Sequence[str], figures: Figures, *, quick: bool) -> None:
    told = ", ".join(f"{peer} {figures.figure(line, peer) or 'failed'}" for peer in take_part(line, here))
    PROGRESS.print(f"{line.heading(quick=quick)}: {told} {line.unit.value}", highlight=False)


# Telling


def _say(run: Run, judgements: Sequence[Judgement], *, markdown: bool) -> None:
    grids = [
        figures_grid(run.figures, run.lines, quick=run.quick),
        *own_grids(run.figures, run.lines, quick=run.quick),
        bars_grid(judgements, quick=run.quick),
    ]
    repetitions = max(map(len, run.figures.values.values()), default=0)
    OUT.print(
        f"{header(run.facts)} {NOTE.format(repetitions=repetitions)}\n", highlight=False, soft_wrap=True
    )
    for grid in grids:
        _say_grid(grid, markdown=markdown)
    OUT.print(notes(run.figures), markup=False, highlight=False, soft_wrap=True)
    for (line, peer), why in run.figures.failures.items():
        OUT.print(f"{PEERS[peer].title} failed on {line}: {why}", style="red", markup=False, soft_wrap=True)


def _say_grid(grid: Grid, *, markdown: bool) -> None:
    if not grid.rows:
        return
    if markdown:
        OUT.print(f"{as_markdown(grid)}\n", markup=False, highlight=False, soft_wrap=True)
    else:
        OUT.print(for_terminal(grid))


def _draw(kind: ModuleType, path: Path, run: Run) -> None:
    try:
        kind.draw(path, run.figures, run.lines, header(run.facts), quick=run.quick)
    except chart.NothingToCompare as nothing:
        OUT.print(f"No {path.name}: {nothing}")


def _compare(old: Path, new: Path, lines: Sequence[Line]) -> None:
    OUT.print(by_pyperf(old, new), markup=False, highlight=False, soft_wrap=True)
    grid = by_ratio(results.read(old)[0], results.read(new)[0], lines)
    OUT.print(for_terminal(grid) if grid.rows else "Nothing of ours beside raw Trio is in both.")


# Options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer operations, and 2 repetitions")
    add("--repetitions", type=int, help=f"samples of each; {REPETITIONS} unless said otherwise")
    add("--only", action="append", default=[], metavar="WORD", help="lines with this word; may be repeated")
    add("--peers", type=_peers, default=list(EVERYBODY), help=f"some of {','.join(EVERYBODY)}")
    add("--markdown", action="store_true", help="the tables as Markdown")
    add("--chart", type=Path, metavar="FILE", help="the chart, as a PNG")
    add("--growth-chart", type=Path, metavar="FILE", help="how costs grow with the number of managers")
    add("--json", type=Path, metavar="FILE", help="all values, as a suite of pyperf")
    add("--from", type=Path, metavar="FILE", dest="read", help="measure nothing, take such a file")
    add(
        "--compare",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="OLD.json, and NEW.json or this run",
    )
    return parser


def _peers(words: str) -> list[str]:
    peers = words.split(",")
    if unknown := [peer for peer in peers if peer not in PEERS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: none of {', '.join(EVERYBODY)}")
    return peers


def _checked(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options that make sense together; otherwise it says so, and exits with 2."""
    options = parser.parse_args(arguments)
    if len(options.compare) > 2:
        parser.error("--compare takes one file, or two")
    if len(options.compare) == 1 and not options.json:
        parser.error("--compare OLD.json compares with this run: say --json where it is to be written")
    if options.repetitions is None:
        options.repetitions = QUICK_REPETITIONS if options.quick else REPETITIONS
    if options.repetitions < 1:
        parser.error("--repetitions: at least one")
    if not choose(options.only):
        parser.error(
            f"no line has {' or '.join(options.only)} in its name: {', '.join(line.key for line in LINES)}"
        )
    return options


if __name__ == "__main__":
    sys.exit(main())
