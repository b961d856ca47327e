"""Is each bar held? Judged on the medians of one run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from .figures import Figures, ratio, short
from .line import OURS, Bar, Line
from .lines import BY_KEY
from .peers import PEERS


@attrs.frozen
class Judgement:
    """One bar, and what became of it."""

    line: Line
    claim: str
    measured: str
    held: bool | None
    """None: it cannot be said."""

    @property
    def word(self) -> str:
        return {True: "held", False: "NOT HELD", None: "not judged"}[self.held]


def judge_all(figures: Figures, lines: Iterable[Line]) -> list[Judgement]:
    """Each bar of these lines."""
    return [judge(figures, line, bar) for line in lines for bar in line.bars]


def judge(figures: Figures, line: Line, bar: Bar, lines: Mapping[str, Line] = BY_KEY) -> Judgement:
    """That of a line which ours failed on is not held."""
    claim = claim_of(line, bar, lines)
    ours = figures.figure(line, OURS)
    if ours is None:
        failed = (line.key, OURS) in figures.failures
        held = False if failed else None
        return Judgement(line, claim, f"ours {'failed' if failed else 'took no part'}", held)
    if bar.peer is None and bar.line is None:
        return Judgement(line, claim, str(ours), is_held(line, bar, ours.median))
    peer = bar.peer or OURS
    other = figures.figure(lines[bar.line] if bar.line else line, peer)
    if other is None:
        failed = (bar.line or line.key, peer) in figures.failures
        why = f"{PEERS[peer].title} {'failed' if failed else 'took no part'}"
        return Judgement(line, claim, why, None)
    if bar.more:
        return Judgement(line, claim, f"{ours}, and {other}", is_held(line, bar, ours.median, other.median))
    found = ratio(ours, other)
    return Judgement(line, claim, str(found), is_held(line, bar, found.median))


def is_held(line: Line, bar: Bar, value: float, of: float = 1.0) -> bool:
    bound = bar.bound * of + bar.more
    return value >= bound if line.unit.more_is_better else value <= bound


def claim_of(line: Line, bar: Bar, lines: Mapping[str, Line] = BY_KEY) -> str:
    """In words: `at least 15x raw Trio`."""
    direction = "at least" if line.unit.more_is_better else "at most"
    if bar.peer is None and bar.line is None:
        return f"{direction} {short(bar.bound)} {line.unit.value}"
    of = [] if bar.peer is None else [PEERS[bar.peer].title]
    of += [] if bar.line is None else [f"({lines[bar.line].key})"]
    more = f" and {short(bar.more)} {line.unit.value}" if bar.more else ""
    return f"{direction} {bar.bound:g}x {' '.join(of)}{more}"
