"""Figures as a file: a pyperf suite, so that pyperf's own commands read it too."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .figures import Figures, Where
from .lines import BY_KEY
from .machine import Facts
from .peers import PEERS

pyperf: Any = importlib.import_module("pyperf")


def write(path: Path, figures: Figures, facts: Facts, *, quick: bool) -> None:
    """Overwrites. What failed is not in it: a suite knows only values."""
    benchmarks = [
        _benchmark(where, values, facts, quick=quick) for where, values in figures.values.items() if values
    ]
    pyperf.BenchmarkSuite(benchmarks).dump(str(path), replace=True)


def _benchmark(where: Where, values: Sequence[float], facts: Facts, *, quick: bool) -> Any:
    line, peer = where
    about = {
        **facts,
        "name": f"{line}, {PEERS[peer].title}",
        "unit": BY_KEY[line].unit.measured_in,
        "line": line,
        "peer": peer,
        "n": BY_KEY[line].size(peer, quick=quick),
        "size": "quick" if quick else "full",
    }
    return pyperf.Benchmark([pyperf.Run([value], metadata=about, collect_metadata=False) for value in values])


def read(path: Path) -> tuple[Figures, Facts]:
    """What `write` wrote; lines and peers that are not known any more are left out."""
    figures, facts = Figures(), dict[str, Any]()
    for benchmark in pyperf.BenchmarkSuite.load(str(path)):
        facts = benchmark.get_metadata()
        where = str(facts.get("line")), str(facts.get("peer"))
        if where[0] in BY_KEY and where[1] in PEERS:
            figures.values[where] = list(benchmark.get_values())
    return figures, facts
