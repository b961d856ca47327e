"""How long and how often: the full run, and the quick one. Plain facts."""

from __future__ import annotations

from pathlib import Path

import attrs

# What "4 KiB" is here: the chat's limit is 4,000 characters.
SMALL, LARGE = 100, 4000


@attrs.frozen
class Plan:
    """Durations are seconds."""

    folder: Path
    """Where the chat's databases lie."""
    members: tuple[int, ...] = (200, 1000, 2000)
    repetitions: int = 5
    measured: float = 3.0
    """Of one cell of the closed loop."""
    rates: tuple[int, ...] = (5, 10, 20, 40, 60, 80, 120, 160, 240, 320)
    """Messages a second of the open loop."""
    at_rate: float = 10.0
    idle: int = 10_000
    at_rest: float = 60.0
    stuck_repetitions: int = 5
    stuck: float = 25.0


def quick(folder: Path) -> Plan:
    """Minutes instead of most of an hour; says whether it works, and roughly where we stand."""
    return Plan(
        folder=folder,
        members=(200, 1000),
        repetitions=2,
        measured=1.0,
        rates=(5, 10, 20, 40, 80, 160),
        at_rate=4.0,
        idle=2_000,
        at_rest=25.0,
        stuck_repetitions=2,
        stuck=20.0,
    )
