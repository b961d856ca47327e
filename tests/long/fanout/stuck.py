"""One of a thousand reads nothing: what that does to the others, to the memory, and to that one."""

from __future__ import annotations

import array
import fcntl
import termios
import time
from collections.abc import Sequence
from statistics import median

import attrs

from .crowd import Crowd
from .members import Member
from .open_loop import speak
from .plan import LARGE, Plan
from .process import OURS, Server, serving
from .tables import Bar, below, milliseconds, percentile, say, table

MEMBERS = 1000
STUCK = 501
"""The number of the one that reads nothing; none of those whose latencies are noted."""

# Messages a second: enough to fill the kernel's buffers of one connection within seconds.
RATE = 15

# As long as an untroubled room may take to come to rest, before and after, in seconds.
_WARM_UP = 4.0
_GRACE = 10.0

# Looks at the memory and at the stuck one, in seconds.
_LOOK = 0.5

# The most that others may be later, that the memory may grow by, in bytes, and that the stuck one may
# stay once its own kernel takes no more, in seconds: ten without progress, and the server's kernel's share.
_LATER = 1.10
_MEMORY = 1e6
_BOUND = 13.0


@attrs.frozen
class Measured:
    """One repetition, with somebody stuck or without."""

    p99: float
    """Seconds, of the others."""
    grown: int
    """Bytes of memory at the most, over what it was when one stopped reading."""
    stayed: float
    """Seconds that the stuck one was kept once its kernel took no more; infinity: to the end."""
    after: float
    """Seconds from when it stopped reading to its end."""
    why: str
    """What the server says of its end, and what the stuck one found when it read on."""


def run(plan: Plan) -> list[Bar]:
    """With and without by turns."""
    found: dict[bool, list[Measured]] = {True: [], False: []}
    for repetition in range(2 * plan.stuck_repetitions):
        stuck = bool((repetition + repetition // 2) % 2)  # each comes first as often as second
        came = _measure(plan, stuck=stuck)
        found[stuck].append(came)
        ended = f"; gone after {came.after:.1f} s: {came.why}" if stuck else ""
        words = f"p99 {milliseconds(came.p99)} ms, {came.grown / 1e6:+.2f} MB{ended}"
        say(f"{'one stuck' if stuck else 'none stuck'}: {words}")
    _print(found)
    return _bars(found)


def _measure(plan: Plan, *, stuck: bool) -> Measured:
    with serving(OURS, plan.folder) as server:
        crowd = Crowd.gather(server.port, server.dialect(), MEMBERS)
        try:
            speak(crowd, RATE, LARGE, _WARM_UP)
            crowd.drain(within=_GRACE)
            crowd.latencies.clear()
            watch = _Watch(crowd, server, crowd.members.all[STUCK])
            if stuck:
                crowd.silence(watch.member)
            watch.speak(plan.stuck)
            crowd.drain(within=_GRACE)
            late = crowd.latencies + crowd.overdue(time.perf_counter())
            after, why = watch.end() if stuck else (float("inf"), "")
        finally:
            crowd.close()
    stayed = after - (watch.full_at - watch.began)
    return Measured(percentile(late, 0.99), watch.most - watch.before, stayed, after, why)


@attrs.define(eq=False)
class _Watch:
    """Looks at the server's memory and at one member's unread bytes while the room goes on."""

    crowd: Crowd
    server: Server
    member: Member
    began: float = attrs.field(init=False, factory=time.perf_counter)
    before: int = attrs.field(init=False)
    most: int = attrs.field(init=False)
    full_at: float = attrs.field(init=False)
    """When the member's kernel last took something that is still unread."""
    _unread: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.before = self.most = self.server.rss()
        self.full_at = self.began

    def speak(self, seconds: float) -> None:
        for _ in range(round(seconds / _LOOK)):
            speak(self.crowd, RATE, LARGE, _LOOK)
            self._look()

    def _look(self) -> None:
        self.most = max(self.most, self.server.rss())
        count = array.array("i", [0])
        fcntl.ioctl(self.member.socket, termios.FIONREAD, count)
        if count[0] > self._unread:
            self._unread, self.full_at = count[0], time.perf_counter()

    def end(self) -> tuple[float, str]:
        """When the server let the member go, in seconds, and why; what the member finds of it."""
        found = _detached(self.server)
        self.crowd.members.resume(self.member)
        deadline = time.perf_counter() + _GRACE
        while not self.member.end and time.perf_counter() < deadline:
            self.crowd.turn(0.1)
        seen = f"it saw: {self.member.end or 'nothing'}"
        if not found:
            return float("inf"), f"still there; {seen}"
        when, why = found[0]
        return when - self.began, f"{why}; {seen}"


def _detached(server: Server) -> list[tuple[float, str]]:
    """When connections were let go, and why, as the server printed it."""
    lines = [line.split(" ", 2) for line in server.log.read_text().splitlines()]
    return [(float(line[1]), line[2]) for line in lines if line[0] == "detached"]


def _print(found: dict[bool, list[Measured]]) -> None:
    rows = [
        [
            "one" if stuck else "none",
            milliseconds(median(one.p99 for one in came)),
            f"{median(one.grown for one in came) / 1e6:+.2f}",
            f"{median(one.after for one in came):.1f}" if stuck else "",
            f"{median(one.stayed for one in came):.1f}" if stuck else "",
        ]
        for stuck, came in found.items()
    ]
    head = ("stuck", "others' p99, ms", "memory, MB", "gone after, s", "once its kernel was full, s")
    say(table(f"One stuck reader among {MEMBERS}, {RATE} messages/s of {LARGE} B; medians", head, rows))


def _bars(found: dict[bool, list[Measured]]) -> list[Bar]:
    later = _median(found[True], "p99") / _median(found[False], "p99")
    grown = _median(found[True], "grown") - _median(found[False], "grown")
    reasons = sorted({one.why for one in found[True]})
    return [
        below("others' p99, with one stuck over without", later, _LATER, "x"),
        below("memory for the stuck one", grown / 1e6, _MEMORY / 1e6, " MB"),
        below("it stayed at most", max(one.stayed for one in found[True]), _BOUND, " s"),
        Bar("it was let go with 4008", "; ".join(reasons), all("4008" in one.why for one in found[True])),
    ]


def _median(came: Sequence[Measured], name: str) -> float:
    return float(median(getattr(one, name) for one in came))
