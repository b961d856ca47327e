"""Several processes want more managers of a user than there may be, while things go wrong: does it hold?

    python -m tests.cluster.contention [--seconds 60] [--processes 4] [--lease 3] [--scenario NAME ...]
        [--seed N] [--json FILE]

Without a scenario: all of them, and the naive control. Exits with 1 when the limit was exceeded
anywhere but in a documented window, when the peak was not reached, or when the control was not caught.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import attrs
import trio
from rich.console import Console
from rich.table import Table

from .checker import SECOND, Handover, Judgement, Life, back_after, handover, judge, longest_pause
from .fleet import PATIENCE, Fleet, now, open_fleet
from .marks import Count
from .namespaces import why_not
from .node_process import LIMIT
from .scenarios import NAIVE, SCENARIOS, Scenario, Stage, Trouble

# A step that takes longer from its decision to its writing was interrupted by a freeze: told, see `checker`.
LATE_AFTER = 0.3

# Slots change hands all the time, so that all of them are taken in few moments only: this is as good as full.
MOST = LIMIT - 4


@attrs.frozen
class Recovery:
    """What one trouble did to the first user; seconds since it began."""

    trouble: Trouble
    pause: float
    """The longest time without an admission of anybody."""
    full: float | None
    """Until `MOST` acted at once, after the fewest did, without those it happened to; None: never."""
    handover: Handover | None


@attrs.frozen
class Result:
    """What one run showed."""

    scenario: Scenario
    lease: float
    seconds: float
    judgement: Judgement
    counts: dict[Count, int]
    recoveries: tuple[Recovery, ...]

    @property
    def peak(self) -> int:
        return self.judgement.peaks.get(0, 0)

    @property
    def holds(self) -> bool:
        return self.judgement.holds and self.peak == LIMIT

    @property
    def goes_on(self) -> bool:
        """Was somebody let in again soon after each trouble was over? New data takes a lease."""
        return all(
            each.pause < (each.trouble.over - each.trouble.at) / SECOND + 1.75 * self.lease
            for each in self.recoveries
        )

    @property
    def gaps(self) -> list[float]:
        """Seconds from the last step of who was cut off to when a slot of his was given away."""
        found = [each.handover.gap for each in self.recoveries if each.handover is not None]
        return [gap for gap in found if gap is not None]


async def contend(
    scenario: Scenario, *, seconds: float, processes: int = 4, lease: float = 2.0, seed: int = 0
) -> Result:
    """One run; it begins when the first has been admitted."""
    naive, lease = scenario is NAIVE, max(lease, scenario.least_lease)
    async with (
        scenario.opens(processes) as setting,
        open_fleet(lease=lease, seed=seed, naive=naive) as fleet,
    ):
        stage = Stage(fleet, setting, Random(seed), lease)  # noqa: S311  # dice, not secrets
        for number in range(processes):
            stage.launch(number)
        await fleet.wait_ready()
        await _wait_full(fleet)
        until, began, before = trio.current_time() + seconds, now(), fleet.counts()
        stage.until = until
        await stage.play(scenario.troubles)
        await trio.sleep_until(until)
        ended, counted = now(), fleet.counts()
        fleet.check()
        await fleet.end()
        lives = fleet.lives()
        judgement = judge(lives, LIMIT, late_after=LATE_AFTER)
        took = (ended - began) / SECOND
        counts = {count: counted[count] - before[count] for count in Count}
        return Result(scenario, lease, took, judgement, counts, _recoveries(lives, stage.troubles, ended))


async def _wait_full(fleet: Fleet) -> None:
    """The engine's data is new at first, and admits nobody; then the limit is soon reached."""
    with trio.fail_after(PATIENCE):
        while fleet.counts()[Count.REFUSED] == 0:
            await trio.sleep(0.05)
    await trio.sleep(1.0)  # and each node has its share


def _recoveries(lives: Sequence[Life], troubles: Sequence[Trouble], ended: int) -> tuple[Recovery, ...]:
    moments = [*(trouble.at for trouble in troubles), ended]
    return tuple(_recovery(lives, trouble, end) for trouble, end in zip(troubles, moments[1:], strict=True))


def _recovery(lives: Sequence[Life], trouble: Trouble, end: int) -> Recovery:
    others = [life for life in lives if life.node not in trouble.victims or life.first > trouble.at]
    first_users = [life for life in others if life.user == 0]
    full = back_after(first_users, trouble.at, end, MOST)
    over = None
    if trouble.victims:
        over = handover([life for life in lives if life.user == 0], trouble.victims, trouble.at, LIMIT)
    pause = longest_pause(others, trouble.at, end)
    return Recovery(trouble, pause, None if full is None else (full - trouble.at) / SECOND, over)


# Telling


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    return [
        {
            "scenario": result.scenario.name,
            "lease": result.lease,
            "seconds": result.seconds,
            "holds": result.holds,
            "peak": result.peak,
            "violations": len(result.judgement.violations),
            "doubles": len(result.judgement.doubles),
            "seconds_beyond": result.judgement.seconds_beyond,
            "stopped": result.judgement.stopped,
            "late": result.judgement.late,
            "managers": result.judgement.managers,
            "steps": result.judgement.steps,
            "counts": {count.name.lower(): number for count, number in result.counts.items()},
            "recoveries": [
                {
                    "what": each.trouble.what,
                    "lasted": (each.trouble.over - each.trouble.at) / SECOND,
                    "pause": each.pause,
                    "full": each.full,
                    "gap": each.handover.gap if each.handover is not None else None,
                    "held": each.handover.held if each.handover is not None else None,
                }
                for each in result.recoveries
            ],
        }
        for result in results
    ]


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} (max {max(values):.2f})" if values else "-"


def table(results: Sequence[Result], *, processes: int) -> Table:
    """One row for each scenario."""
    grid = Table(title=f"{processes} processes, limit {LIMIT}")
    for head in (
        "scenario",
        "lease\ns",
        "for\ns",
        "peak",
        "viol.",
        "keys\ntwice",
        "stopped\nby check",
        "late",
    ):
        grid.add_column(head, justify="left" if head == "scenario" else "right")
    for head in (
        "admitted\n/s",
        "refused\n/s",
        "unavail.\n/s",
        "troubles",
        "pause s",
        f"{MOST} of {LIMIT}\nagain s",
        "gap s min",
    ):
        grid.add_column(head, justify="right")
    for result in results:
        grid.add_row(*_row(result))
    return grid


def _row(result: Result) -> list[str]:
    judgement, counts, seconds = result.judgement, result.counts, result.seconds
    rates = [f"{counts[count] / seconds:.0f}" for count in (Count.ADMITTED, Count.REFUSED, Count.UNAVAILABLE)]
    fulls = [each.full for each in result.recoveries if each.full is not None]
    missing = len(result.recoveries) - len(fulls)
    violations = str(len(judgement.violations))
    if judgement.violations:
        violations += f" ({judgement.seconds_beyond:.2f} s)"
    return [
        result.scenario.name,
        f"{result.lease:g}",
        f"{seconds:.0f}",
        str(result.peak),
        violations,
        str(len(judgement.doubles)),
        str(judgement.stopped),
        str(judgement.late),
        *rates,
        str(len(result.recoveries) or "-"),
        _spread([each.pause for each in result.recoveries]),
        _spread(fulls) + (f", {missing} never" if missing else ""),
        f"{min(result.gaps):.2f}" if result.gaps else "-",
    ]


def is_as_expected(result: Result) -> bool:
    if result.scenario is NAIVE:
        return not result.judgement.holds
    if not result.scenario.window:
        return result.holds
    window = result.scenario.window * len(result.recoveries)
    return result.peak >= LIMIT and result.judgement.seconds_beyond <= window


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.contention")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--lease", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenario", nargs="+", choices=[*SCENARIOS, NAIVE.name])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    progress, out = Console(stderr=True), Console(width=None if sys.stdout.isatty() else 170)
    results: list[Result] = []
    for name in options.scenario or [*SCENARIOS, NAIVE.name]:
        scenario = SCENARIOS.get(name, NAIVE)
        if scenario.namespace and why_not():
            progress.print(f"{name}: left out, it {why_not()}")
            continue
        progress.print(f"{name} ...")
        how = {key: getattr(options, key) for key in ("seconds", "processes", "lease", "seed")}
        results.append(trio.run(partial(contend, scenario, **how)))
        if options.json:
            options.json.write_text(json.dumps(as_json(results), indent=1))
    out.print(table(results, processes=options.processes))
    return 0 if all(map(is_as_expected, results)) else 1


if __name__ == "__main__":
    sys.exit(main())
