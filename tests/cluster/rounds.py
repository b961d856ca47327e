"""Many rounds of the cluster's tests, or of others: which of them fail now and then, and with what?

    python -m tests.cluster.rounds 20 [PYTEST ARGUMENT ...]

Each round is a process of its own. Exits with 1 if any test failed in any round.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from xml.etree import ElementTree as ET

import attrs
from rich.console import Console
from rich.table import Table

from .fleet import ROOT

# Of a failure's text: where it happened, and what.
LINES = 6


@attrs.define
class Rounds:
    """What has failed so far."""

    failures: Counter[str] = attrs.field(init=False, factory=Counter[str])
    """By test."""
    texts: dict[str, Counter[str]] = attrs.field(
        init=False, factory=lambda: defaultdict[str, Counter[str]](Counter)
    )
    took: list[float] = attrs.field(init=False, factory=list[float])
    latest: list[tuple[str, str]] = attrs.field(init=False, factory=list[tuple[str, str]])
    """What failed in the last round, and how."""
    ran: int = attrs.field(init=False, default=0)
    skipped: set[str] = attrs.field(init=False, factory=set[str])

    def run(self, arguments: Sequence[str]) -> int:
        """One round; gives how many failed in it."""
        with tempfile.TemporaryDirectory(prefix="rounds-") as folder:
            report, began = Path(folder) / "report.xml", time.monotonic()
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
            done = subprocess.run(
                [*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
            )
            self.took.append(time.monotonic() - began)
            self.latest.clear()
            if report.exists():
                self._read(ET.parse(report).getroot())  # noqa: S314  # pytest has just written it
            elif done.returncode:
                self._note("pytest itself", done.stdout[-2000:] + done.stderr[-2000:])
            return len(self.latest)

    def _read(self, report: ET.Element) -> None:
        for case in report.iter("testcase"):
            self.ran += 1
            name = f"{case.get('classname')}::{case.get('name')}"
            if case.find("skipped") is not None:
                self.skipped.add(name)
            for kind in ("failure", "error"):
                found = case.find(kind)
                if found is not None:
                    self._note(name, f"{found.get('message')}\n{found.text or ''}")

    def _note(self, name: str, text: str) -> None:
        self.failures[name] += 1
        told = "\n".join([line for line in text.splitlines() if line.strip()][:LINES])
        self.texts[name][told] += 1
        self.latest.append((name, told))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.rounds")
    parser.add_argument("rounds", type=int)
    options, rest = parser.parse_known_args(arguments)
    out, rounds = Console(width=None if sys.stdout.isatty() else 140), Rounds()
    for number in range(1, options.rounds + 1):
        failed = rounds.run(rest or ["tests/cluster"])
        out.print(f"round {number}: {failed} failed, {rounds.took[-1]:.0f} s")
        for name, text in rounds.latest:
            out.print(f"{name}\n{text}", markup=False, highlight=False)
    out.print(
        f"{options.rounds} rounds, {rounds.ran} tests, {rounds.failures.total()} failures;"
        f" a round takes {median(rounds.took):.0f} s (max {max(rounds.took):.0f})"
    )
    for name in sorted(rounds.skipped):
        out.print(f"skipped: {name}", markup=False)
    if rounds.failures:
        out.print(_table(rounds))
    return 1 if rounds.failures else 0


def _table(rounds: Rounds) -> Table:
    table = Table(title="What failed", show_lines=True)
    for head in ("test", "times", "how"):
        table.add_column(head, justify="right" if head == "times" else "left")
    for name, times in rounds.failures.most_common():
        how = "\n\n".join(f"{count}x {text}" for text, count in rounds.texts[name].most_common())
        table.add_row(name, str(times), how.replace("[", r"\["))
    return table


if __name__ == "__main__":
    sys.exit(main())
