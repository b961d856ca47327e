"""The wheel on every Python to be had, and with the oldest dependencies that it allows.

    python -m tests.release [--quick] [--only WORD]

In a clean environment for each: the examples run with nothing but the core, and what wants an extra
says so; every module is imported and the commands run with all extras; and the tests pass against what
is installed there (not with `--quick`). uv fetches the packages from whichever index it is set up for.
Exits with 1 when something does not hold, and with 2 when there is nothing to try.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from .environment import Failed
from .pythons import pythons
from .smoke import Unexpected
from .steps import Step, steps
from .workshop import Workshop


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="without the tests: a few minutes")
    parser.add_argument("--only", default="", metavar="WORD", help="what has this in its name: 3.12, lowest")
    options = parser.parse_args()
    here = pythons()
    say(f"Pythons: {', '.join(here) or 'none'}")
    with tempfile.TemporaryDirectory(prefix="trouper-") as folder:
        tried = steps(Workshop.opened(Path(folder)), here, tests=not options.quick) if here else ()
        verdicts = [holds(step) for step in tried if options.only in step.name]
    say(f"{sum(verdicts)} of {len(verdicts)} hold")
    return (0 if all(verdicts) else 1) if verdicts else 2


def holds(step: Step) -> bool:
    """Perform it, and say what came of it."""
    began = time.perf_counter()
    try:
        step.perform()
    except (Failed, Unexpected) as problem:
        say(f"{step.name}: fails\n{problem}")
        return False
    say(f"{step.name}: holds, {time.perf_counter() - began:.0f} s")
    return True


def say(words: str) -> None:
    print(words, flush=True)  # a command


if __name__ == "__main__":
    sys.exit(main())
