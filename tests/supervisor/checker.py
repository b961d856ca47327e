"""An independent judge: recomputes from the event log alone what the supervisor promises."""

from __future__ import annotations

from collections import defaultdict

import attrs

from supervisor import (
    ActorEvent,
    CleanedUp,
    Condemned,
    Event,
    Found,
    Health,
    LimitChanged,
    ReapStarted,
    Refused,
    Reserved,
    Stage,
    StageReport,
    Stalled,
    Started,
    StartFailed,
    Suspected,
    Terminal,
)

CANCEL_GRACE = 0.05
BUDGET = 5.0
SETTLED = {Health.HEALTHY, Health.BUSY, Health.STARTING, Health.STOPPING, Health.UNKNOWN}


@attrs.define
class Life:
    """One incarnation, as its events tell it."""

    born: Reserved
    seen: list[ActorEvent] = attrs.field(factory=list[ActorEvent])

    def has(self, kind: type[ActorEvent]) -> bool:
        return any(isinstance(event, kind) for event in self.seen)


@attrs.define
class Ledger:
    """What one user must hold at this point of the log."""

    limit: int
    allowance: int | None
    live: dict[str, int] = attrs.field(factory=dict[str, int])
    """Incarnations by key."""
    condemned: set[int] = attrs.field(factory=set[int])
    cleaned: list[StageReport] = attrs.field(factory=list[StageReport])

    @property
    def beyond(self) -> int:
        allowance = self.limit if self.allowance is None else self.allowance
        return max(0, len(self.condemned) - allowance)

    @property
    def held(self) -> int:
        return len(self.live) + self.beyond


@attrs.define
class Checker:
    """Feed it the whole log, then call `finish`."""

    limit: int
    allowance: int | None
    good: set[int]
    """Incarnations that must never be found unresponsive."""
    stuck_since: dict[int, float] = attrs.field(factory=dict[int, float])
    """Incarnations that hung on one piece of work for good, and since when: they know it best."""
    lives: dict[int, Life] = attrs.field(init=False, factory=dict[int, Life])
    ledgers: dict[str, Ledger] = attrs.field(init=False)
    last_seq: int | None = attrs.field(init=False, default=None)
    stalled: bool = attrs.field(init=False, default=False)
    refusals: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.ledgers = defaultdict(lambda: Ledger(self.limit, self.allowance))

    def feed(self, event: Event) -> None:
        assert self.last_seq is None or event.stamp.seq == self.last_seq + 1, "a gap in the log"
        self.last_seq = event.stamp.seq
        match event:
            case Reserved():
                self.reserved(event)
            case ActorEvent():
                self.lived(event)
            case LimitChanged(user=None, limit=limit):
                self.limit = limit
                for ledger in self.ledgers.values():
                    ledger.limit = limit
            case CleanedUp(report=report) if report.user is not None:
                self.ledgers[report.user].cleaned.extend(report.stages)
            case Refused():
                self.refused(event)
            case Stalled():
                self.stalled = True
            case _:
                pass

    def reserved(self, event: Reserved) -> None:
        ledger = self.ledgers[event.user]
        assert event.incarnation not in self.lives, "an incarnation was born twice"
        assert event.key not in ledger.live, "two incarnations under one key"
        self.lives[event.incarnation] = Life(event, [event])
        ledger.live[event.key] = event.incarnation
        assert event.limit == ledger.limit, "the limit of the event is not the one that was set"
        assert event.held == ledger.held, "the count of the event is not the recount"
        assert ledger.held <= ledger.limit, "more than the limit"

    def lived(self, event: ActorEvent) -> None:
        assert event.incarnation in self.lives, f"{event} of nobody"
        life = self.lives[event.incarnation]
        ledger = self.ledgers[event.user]
        assert (event.user, event.key) == (life.born.user, life.born.key)
        assert not life.has(Terminal), f"{event} after the end"
        assert not life.has(Condemned) or isinstance(event, Terminal), f"{event} of a condemned"
        match event:
            case Started():
                assert not life.has(Started), "started twice"
                assert not life.has(ReapStarted), "started while it was being reaped"
            case StartFailed():
                assert not life.has(Started)
            case Found():
                assert life.has(Started), "handed out before it ran"
                assert not life.has(ReapStarted), "a dying one was handed out"
            case Suspected(verdict=verdict):
                if verdict.health is Health.UNRESPONSIVE:
                    assert event.incarnation not in self.good, f"convicted an innocent: {verdict}"
            case _:
                self.left(event, ledger)
        life.seen.append(event)

    def left(self, event: ActorEvent, ledger: Ledger) -> None:
        match event:
            case Condemned():
                assert ledger.live.pop(event.key) == event.incarnation
                ledger.condemned.add(event.incarnation)
            case Terminal(was_condemned=was_condemned):
                error = event.exit.error
                assert error is None or isinstance(error, OSError), f"not an error of a specimen: {error!r}"
                assert was_condemned == (event.incarnation in ledger.condemned)
                if was_condemned:
                    ledger.condemned.remove(event.incarnation)
                else:
                    assert ledger.live.pop(event.key) == event.incarnation
            case _:
                pass

    def refused(self, event: Refused) -> None:
        self.refusals += 1
        ledger, refusal = self.ledgers[event.user], event.refusal
        tried = [report.stage for report in refusal.stages]
        assert {Stage.GARBAGE, Stage.LIVENESS} <= set(tried), "refused without cleaning up"
        for report in refusal.stages:
            assert report in ledger.cleaned, "claims a cleanup of which nobody was told"
        assert refusal.limit == ledger.limit
        assert refusal.live == ledger.held == len(refusal.holders)
        assert refusal.live >= refusal.limit, "refused although there was room"
        alive = [h for h in refusal.holders if h.verdict.health is not Health.CONDEMNED]
        assert {h.key: h.incarnation for h in alive} == ledger.live
        assert len(refusal.holders) - len(alive) == ledger.beyond
        for holder in alive:
            assert holder.verdict.health in SETTLED, f"locked out by a ghost: {holder}"
            assert holder.verdict.health is not Health.UNKNOWN or self.stalled
            hangs = event.stamp.at - self.stuck_since.get(holder.incarnation, float("inf"))
            assert holder.verdict.health is not Health.BUSY or hangs <= BUDGET or self.stalled

    def finish(self) -> None:
        """At the end of the supervisor's block."""
        for life in self.lives.values():
            ends = [event for event in life.seen if isinstance(event, Terminal)]
            assert len(ends) == 1, f"{len(ends)} ends of {life.born}"
            if life.has(Suspected):
                assert life.has(ReapStarted), "detected and not acted upon"
            self.acted_in_time(life)
        for user, ledger in self.ledgers.items():
            assert ledger.held == 0, f"{user} still holds {ledger.live} {ledger.condemned}"
            assert not ledger.condemned

    def acted_in_time(self, life: Life) -> None:
        """Who is found unresponsive is gone, or condemned, one grace later."""
        convicted = [
            event.stamp.at
            for event in life.seen
            if isinstance(event, Suspected) and event.verdict.health is Health.UNRESPONSIVE
        ]
        if convicted and not self.stalled:
            gone = next(e.stamp.at for e in life.seen if isinstance(e, Condemned | Terminal))
            assert gone <= convicted[0] + CANCEL_GRACE + 1e-6, f"{life.born} outlived its verdict"
