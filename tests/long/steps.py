"""The machine for a million steps: `python -m tests.long.steps --steps 1000000 [--seed N] [--jobs 2]`.

Prints the seed of each batch, and at the end how often each rule, each kind and each situation came.
A violation is printed with its seed and the shortest script that shows it; then it exits with 1.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from functools import partial

import attrs
from hypothesis import HealthCheck, Phase, given, seed, settings

from supervisor.testing import Script, SupervisorMachine

# Long scripts share the price of opening and judging; a batch is some ten seconds.
MAX_STEPS = 100
EXAMPLES = 300

SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.generate, Phase.shrink],
)


@attrs.frozen
class Batch:
    """What came of one batch of scripts, all drawn from one seed."""

    seed: int
    steps: int
    seen: Counter[str]
    violation: str | None


def perform(number: int) -> Batch:
    """Perform the batch with that seed. The same seed is the same batch, shrinking included."""
    steps, seen = 0, Counter[str]()

    @seed(number)
    @SETTINGS
    @given(SupervisorMachine.scripts(max_steps=MAX_STEPS))
    def batch(script: Script) -> None:
        nonlocal steps
        machine = SupervisorMachine.perform(script)
        steps += machine.performed
        seen.update(machine.seen)

    try:
        batch()
    except Exception:  # noqa: BLE001  # whatever it is, it is told with its seed
        return Batch(number, steps, seen, traceback.format_exc())
    return Batch(number, steps, seen, None)


def batches(first: int, jobs: int) -> Iterator[Batch]:
    """One after the other for ever, in so many processes, in order of their seeds."""
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        while True:
            yield from pool.imap(perform, range(first, first + 8 * jobs))
            first += 8 * jobs


def say(words: str) -> None:
    print(words, flush=True)  # a command


def run(wanted: int, first: int, jobs: int) -> int:
    """Until so many steps are done, or a promise is broken; how many violations there were."""
    say(f"{wanted:,} steps from seed {first}, {jobs} jobs; one batch again: --seed N --steps 1")
    began, done, seen = time.perf_counter(), 0, Counter[str]()
    found: list[Batch] = []
    for batch in batches(first, jobs):
        done += batch.steps
        seen += batch.seen
        rate = done / (time.perf_counter() - began)
        say(f"seed {batch.seed}: {batch.steps:6,} steps; {done:9,} in all, {rate:,.0f} a second")
        if batch.violation is not None:
            say(batch.violation)
            found.append(batch)
        if found or done >= wanted:
            break
    for what, times in sorted(seen.items()):
        say(f"{times:9,}  {what}")
    say(f"{done:,} steps in {time.perf_counter() - began:,.0f} s, {len(found)} violations")
    return len(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None, help="of the first batch; drawn if not given")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    drawn = partial(random.SystemRandom().randrange, 10**9)
    first = drawn() if arguments.seed is None else arguments.seed
    return 1 if run(arguments.steps, first, arguments.jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
