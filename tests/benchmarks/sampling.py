"""Samples: each a fresh process, in shuffled order, again and again, and each for a bounded time."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import cast

from .figures import Figures
from .line import Line
from .peers import Values

ROOT = Path(__file__).parents[2]

PATIENCE = 120.0
"""Seconds for one sample; the slowest takes ten."""

# Of what a failed one wrote: its last line says what was wrong.
_LAST = 300

Sampler = Callable[[str, str, int], Values]
"""Peer, function, n -> seconds, or bytes, per operation, by part. Raises SampleFailed."""


class SampleFailed(Exception):
    """There is no value, and this is why."""


def sample(peer: str, function: str, n: int, *, patience: float = PATIENCE) -> Values:
    """One sample in a process of its own, which is gone when this returns, with all that it began."""
    command = [sys.executable, "-m", "tests.benchmarks.peer", peer, function, str(n)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise SampleFailed(f"not done after {patience:g} s") from None
    if process.returncode:
        raise SampleFailed(f"exit code {process.returncode}: {err.strip()[-_LAST:]}")
    return cast("Values", json.loads(out.splitlines()[-1]))


def take_part(line: Line, peers: Sequence[str]) -> list[str]:
    return [peer for peer in peers if peer in line.peers]


def batches(lines: Iterable[Line]) -> list[list[Line]]:
    """Those that have their samples in common, together."""
    found: dict[tuple[str, int, int], list[Line]] = {}
    for line in lines:
        found.setdefault((line.function, line.n, line.quick), []).append(line)
    return list(found.values())


def measure(
    batch: Sequence[Line],
    peers: Sequence[str],
    repetitions: int,
    into: Figures,
    *,
    quick: bool = False,
    sampler: Sampler = sample,
) -> None:
    """Everybody on these lines, shuffled, and then again. Who fails once is not tried again."""
    line = batch[0]
    for _ in range(line.repetitions(repetitions, quick=quick)):
        for peer in random.sample(order := take_part(line, peers), len(order)):
            if (line.key, peer) in into.failures:
                continue
            try:
                values = sampler(peer, line.function, line.size(peer, quick=quick))
                parts = {each.key: measured(values, each.part) for each in batch}
            except SampleFailed as failure:
                into.failures.update({(each.key, peer): str(failure) for each in batch})
            else:
                for key, value in parts.items():
                    into.values.setdefault((key, peer), []).append(value)


def measured(values: Values, part: str) -> float:
    """Raises SampleFailed: it is none."""
    value = values.get(part)
    if value is None or not value > 0:
        raise SampleFailed(f"{value!r} is no measurement{part and f' of {part}'}")
    return value
