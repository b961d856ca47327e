"""Erlang's gen_server: the lines are in `bench.erl`, which is compiled into a temporary folder and run."""

from __future__ import annotations

import subprocess
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from .work import ACTORS, CALLERS, FIRST

SOURCE = Path(__file__).with_name("bench.erl")


@cache
def compiled() -> TemporaryDirectory[str]:
    """Where it is, for as long as this process runs."""
    folder = TemporaryDirectory(prefix="bench-erl-")
    subprocess.run(["erlc", "-o", folder.name, str(SOURCE)], check=True)
    return folder


def run(line: str, n: int) -> float:
    numbers = map(str, (n, ACTORS, CALLERS, FIRST))
    command = ["erl", "-noshell", "-pa", compiled().name, "-s", "bench", "main", line, *numbers]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{line} in Erlang failed: {done.stdout} {done.stderr}")
    return float(done.stdout)


tell_one = partial(run, "tell_one")
tell_round_robin = partial(run, "tell_round_robin")
ask_sequential = partial(run, "ask_sequential")
ask_callers = partial(run, "ask_callers")
spawn_one_by_one = partial(run, "spawn_one_by_one")
memory = partial(run, "memory")
stop_all = partial(run, "stop_all")
lookup = partial(run, "lookup")
