"""What the tests of the lookout share: C code that lets no thread in, and processes seen from outside."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

from actors import Actor

# A lookout stands at its post so long after its start, in seconds; on a busy machine it takes longer.
AT_ITS_POST = 0.5

# C code called through this lets no other thread in.
_c = ctypes.PyDLL(None)


def sleep_in_c(seconds: float) -> None:
    """Nothing of Python runs meanwhile, nor does anything else."""
    _c.usleep(int(seconds * 1_000_000))


def _adding_up(numbers: int) -> float:
    began = time.perf_counter()
    sum(range(numbers))
    return time.perf_counter() - began


# What this machine, left alone, adds up in a second.
_NUMBERS = 1_000_000 / min(_adding_up(1_000_000) for _ in range(5))


def compute_in_c(seconds: float) -> None:
    """For so long or, on a busy machine, longer."""
    _adding_up(int(_NUMBERS * seconds))


class HoldsAsleep(Actor[float]):
    """Its C code sleeps."""

    async def handle(self, message: float) -> None:
        sleep_in_c(message)


class HoldsBusy(Actor[float]):
    """Its C code computes."""

    async def handle(self, message: float) -> None:
        compute_in_c(message)


class HoldsInChild(Actor[float]):
    """It is a child task of a child task's that holds."""

    async def handle(self, message: float) -> None:
        self.start_soon(self.hold, message)

    async def hold(self, seconds: float) -> None:
        sleep_in_c(seconds)


class Quick(Actor[None]):
    """Holds nobody up."""

    async def handle(self, message: None) -> None: ...


def children(process: int) -> list[int]:
    """Processes whose parent it is, those that nobody has reaped included."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == process:
            found.append(int(stat.parent.name))
    return found


def lookouts(process: int | None = None) -> list[int]:
    """Of that process, or of this one."""
    every = children(os.getpid() if process is None else process)
    return [child for child in every if b"supervisor._lookout" in _command(child)]


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def is_there(process: int) -> bool:
    """Also as a zombie."""
    return Path(f"/proc/{process}").exists()


def processor_time(process: int) -> float:
    """Seconds it has had of a processor."""
    nanoseconds = Path(f"/proc/{process}/schedstat").read_text().split()[0]
    return int(nanoseconds) / 1e9
