"""Do the tests have teeth? Plants one bug after the other and says which of them the suite finds.

    python -m tests.long.mutants [--jobs 2] [--only WORD] [--list]

Each bug of `planted.py` goes into a copy of the tree, and the unit tests run there until the first
one fails. A bug that none finds is a missing test: the exit status is then 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import attrs

from .planted import MUTANTS, Mutant
from .planted_cluster import CLUSTER_MUTANTS

ROOT = Path(__file__).parent.parent.parent

# What a copy needs. The chat's tests go through real sockets and processes, and are not asked.
PARTS = ("actors", "supervisor", "tests", "examples", "pyproject.toml", "README.md", ".flake8")
UNITS = ("tests/actors", "tests/supervisor", "tests/test_architecture.py")

# No single test takes as long as this, in seconds, on a machine that does other things too: it hangs.
HANGS = 100


@attrs.frozen
class Finding:
    """What became of one bug."""

    mutant: Mutant
    by: str
    """The first test that failed; empty when none did."""
    took: float

    def __str__(self) -> str:
        verdict = f"found by {self.by}" if self.by else "SURVIVED"
        return f"{self.mutant.name:58} {self.mutant.file:28} {verdict} ({self.took:.0f} s)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant them all; 1 when one survived (or the tests fail without any), 2 when one has no place."""
    options = _parser().parse_args(arguments)
    chosen = [mutant for mutant in (*MUTANTS, *CLUSTER_MUTANTS) if options.only in mutant.name]
    unplantable = [mutant.name for mutant in chosen if _occurrences(ROOT, mutant) != 1]
    if unplantable:
        _say(f"not found exactly once in their files: {unplantable}")
        return 2
    if options.list:
        for mutant in chosen:
            _say(f"{mutant.file:28} {mutant.name}")
        return 0
    survived = _plant_all(chosen, jobs=options.jobs)
    _say(f"{len(chosen) - len(survived)} of {len(chosen)} found")
    for mutant in survived:
        _say(f"survived: {mutant.name} ({mutant.file})")
    return 1 if survived else 0


def _plant_all(mutants: Sequence[Mutant], *, jobs: int) -> list[Mutant]:
    trees: Queue[Path] = Queue()
    survived: list[Mutant] = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        for number in range(jobs):
            trees.put(_copy_tree(Path(folder, str(number))))
        if (already := _first_failure(trees.queue[0], UNITS)) != "":
            raise SystemExit(f"nothing is planted yet, and {already} fails")

        def plant(mutant: Mutant) -> Finding:
            tree = trees.get()
            try:
                with planted(tree, mutant):
                    return _judge(tree, mutant)
            finally:
                trees.put(tree)

        for finding in pool.map(plant, mutants):
            _say(str(finding))
            if not finding.by:
                survived.append(finding.mutant)
    return survived


@contextmanager
def planted(tree: Path, mutant: Mutant) -> Generator[None]:
    """The bug is in the tree while inside."""
    path = tree / mutant.file
    sound = path.read_text()
    assert sound.count(mutant.old) == 1
    path.write_text(sound.replace(mutant.old, mutant.new))
    try:
        yield
    finally:
        path.write_text(sound)


def _judge(tree: Path, mutant: Mutant) -> Finding:
    """Run the tests until one fails."""
    began = time.monotonic()
    shutil.rmtree(tree / ".hypothesis", ignore_errors=True)  # what another bug made fail
    first = [name for name in mutant.first if (tree / name).exists()]
    by = _first_failure(tree, first) if first else ""
    by = by or _first_failure(tree, UNITS)
    return Finding(mutant, by, time.monotonic() - began)


def _first_failure(tree: Path, tests: Sequence[str]) -> str:
    hanging = ("-o", f"faulthandler_timeout={HANGS}", "-o", "faulthandler_exit_on_timeout=true")
    command = [sys.executable, "-m", "pytest", "-x", "-v", "-p", "no:cacheprovider", *hanging, *tests]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if failed:
        return failed[0].split(" - ")[0].partition(" ")[2]
    last = next((line for line in reversed(done.stdout.splitlines()) if "::" in line), "?")
    return f"{last.split()[0]} (it hangs, or crashes)"


def _occurrences(tree: Path, mutant: Mutant) -> int:
    return (tree / mutant.file).read_text().count(mutant.old)


def _copy_tree(target: Path) -> Path:
    target.mkdir()
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / part)
    return target


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.long.mutants", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="suites at a time (default 2)")
    parser.add_argument("--only", default="", metavar="WORD", help="only bugs with this in their name")
    parser.add_argument("--list", action="store_true", help="say what would be planted, and plant nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
