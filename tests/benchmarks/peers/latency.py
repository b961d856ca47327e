"""Many waits in a few numbers: the middle one, the longest of all but one in a hundred, the longest."""

from __future__ import annotations

import math
from collections.abc import Sequence

P50, P99, MAX = "p50", "p99", "max"


def in_short(waits: Sequence[float], prefix: str = "") -> dict[str, float]:
    """By name; each is one that was measured, none lies between two."""
    order = sorted(waits)
    return {
        f"{prefix}{name}": order[math.ceil(len(order) * part) - 1]
        for name, part in ((P50, 0.5), (P99, 0.99), (MAX, 1.0))
    }
