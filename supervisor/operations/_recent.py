"""What happened of late: the last events, the last refusals with their proofs, the alerts that stand."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import attrs

from supervisor import Event, EventsLost, Refused
from supervisor.alerts import Alert, AlertName

from . import _shapes
from ._shapes import Json

MOST_EVENTS = 1000
MOST_ACTS = 100
MOST_REFUSALS = 100
MOST_ALERTS = 50

# Of events that a page is told at once, so many are told; the others are counted.
MOST_AT_ONCE = 100

# An alert that was not told again for so many windows stands no longer.
WINDOWS = 2.5


@attrs.define(eq=False)
class Feed:
    """The last events, oldest first."""

    _last: int = 0
    """The number of the last event that was seen, or that had happened before anybody looked."""
    _events: deque[Event] = attrs.field(init=False, factory=lambda: deque[Event](maxlen=MOST_EVENTS))
    _acts: deque[Event] = attrs.field(init=False, factory=lambda: deque[Event](maxlen=MOST_ACTS))
    """Those in which something was done about somebody: they are few, and are to be seen for longer."""
    _refusals: deque[Refused] = attrs.field(init=False, factory=lambda: deque[Refused](maxlen=MOST_REFUSALS))

    def add(self, events: Iterable[Event | EventsLost]) -> None:
        for event in events:
            if isinstance(event, EventsLost):
                continue  # the gap in the numbers tells of them
            self._events.append(event)
            self._last = event.stamp.seq
            if _shapes.is_act(event):
                self._acts.append(event)
            if isinstance(event, Refused):
                self._refusals.append(event)

    @property
    def last(self) -> int:
        """The number of the last event."""
        return self._last

    def lines(self, now: float, *, most: int) -> list[Json]:
        """The last ones."""
        return [_shapes.line(event, now) for event in list(self._events)[-most:]] if most > 0 else []

    def acts(self, now: float, *, most: int) -> list[Json]:
        """The last ones in which something was done."""
        return [_shapes.line(event, now) for event in list(self._acts)[-most:]] if most > 0 else []

    def lines_since(self, seq: int, now: float) -> list[Json]:
        """Those after that number; of too many the oldest are skipped, and counted."""
        missed = self._last - seq
        if missed <= 0:
            return []
        newest = [event for event in self._events if event.stamp.seq > seq][-MOST_AT_ONCE:]
        skipped = missed - len(newest)
        told = [_shapes.line(event, now) for event in newest]
        return [{"skipped": skipped}, *told] if skipped else told

    def refusals(self, now: float, *, since: int, brief: bool) -> list[Json]:
        """Those after that number, newest first; brief ones without their proofs, which are long."""
        newer = [event for event in reversed(self._refusals) if event.stamp.seq > since]
        return [_shapes.refusal(event, now, brief=brief) for event in newer]

    def refusal(self, seq: int, now: float) -> Json | None:
        """The one of that number; None: it is too old, or none."""
        found = (event for event in self._refusals if event.stamp.seq == seq)
        return next((_shapes.refusal(event, now, brief=False) for event in found), None)


@attrs.define
class _Standing:
    """An alert, and since when it stands."""

    alert: Alert
    since: float
    told: float


@attrs.define(eq=False)
class Alerts:
    """Those that were told in the last windows."""

    window: float
    _standing: dict[tuple[AlertName, str | None], _Standing] = attrs.field(
        init=False, factory=dict[tuple[AlertName, str | None], _Standing]
    )

    def add(self, alert: Alert, now: float) -> None:
        self._forget(now)
        which = (alert.name, alert.user)
        before = self._standing.get(which)
        self._standing[which] = _Standing(alert, now if before is None else before.since, now)

    def _forget(self, now: float) -> None:
        """Those that stand no longer; also while nobody looks, for there are ever new users."""
        bound = WINDOWS * self.window
        self._standing = {which: one for which, one in self._standing.items() if now - one.told <= bound}

    def shown(self, now: float) -> list[Json]:
        """Newest first."""
        self._forget(now)
        newest = sorted(self._standing.values(), key=lambda one: -one.since)
        return [
            {
                "name": one.alert.name.value,
                "summary": one.alert.summary,
                "user": one.alert.user,
                "ago": now - one.since,
            }
            for one in newest[:MOST_ALERTS]
        ]
