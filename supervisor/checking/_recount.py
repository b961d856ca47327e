"""The books that the judge keeps: who holds what, as far as the log has told it. Pure."""

from __future__ import annotations

import math

import attrs

from supervisor import Event, HealthPolicy, Reserved, StageReport, Stalled, SupervisorSpec, Suspected

from ._promises import Rule, Violation

# Sums of the same seconds in another order differ by less.
EPSILON = 1e-6

# How long before it was measured a stall may have begun, in seconds: the period of the beat that
# measures it.
BEAT = 0.25

# A log that breaks more promises than this is not read for the next one.
MOST_VIOLATIONS = 1000


@attrs.define(eq=False)
class Life:
    """One incarnation. What the log has not told is None."""

    user: str
    key: str
    incarnation: int
    birth: Reserved | None = None
    """None: it began before the log."""
    begins: float = -math.inf
    """When it is to begin: it follows one that ended."""
    started: float | None = None
    found: float = -math.inf
    """When it was handed out last."""
    dying: float | None = None
    """Since when it is known that its end has begun."""
    cancelled: float | None = None
    """When it was reaped as unresponsive, and so cancelled at once."""
    suspicion: Suspected | None = None
    """Waits for its reaping."""
    condemned: float | None = None
    forced: int = 0
    """Steps of force; each has a cancel grace of its own."""
    counts_nowhere: bool = False
    """Condemned within the allowance, at some time: the process has its slot back."""
    failed: int | None = None
    """The `seq` of its failed start."""
    refused: bool = False
    """The process was full: it must not start."""
    connections: int | None = None
    attached: float | None = None
    """When the last connection came."""
    unconnected: float | None = None
    """When the last of several connections had gone."""
    phase_since: float = -math.inf
    """The latest beginning of a phase that was told."""
    asked: float | None = None
    """When it was told to wait for a slot."""
    overtaken: bool = False
    """Somebody who came later was served before it."""
    fenced: float | None = None
    """When the lease was lost under which it ran."""
    lost_its_slot: bool = False
    """The cluster had none for it any more."""
    doubts: list[tuple[float, Violation]] = attrs.field(factory=list[tuple[float, Violation]])
    """What holds only if its end had not begun by that time; its end will tell."""

    @property
    def policy(self) -> HealthPolicy | None:
        return self.birth.policy if self.birth is not None else None

    def __str__(self) -> str:
        return f"{self.user}/{self.key}#{self.incarnation}"


# More rounds of reaping than anybody waits for.
ROUNDS_KEPT = 30


@attrs.define(eq=False)
class Ledger:
    """What one user holds."""

    limit: int | None
    """None: nobody has said it yet."""
    allowance_set: int | None
    own: bool = False
    """Its limit was set for this user alone."""
    live: dict[str, Life] = attrs.field(factory=dict[str, Life])
    """By key; those that are stopping included."""
    condemned: dict[int, Life] = attrs.field(factory=dict[int, Life])
    """By incarnation, oldest first."""
    unstarted: int = 0
    waiting: dict[str, tuple[int, float]] = attrs.field(factory=dict[str, tuple[int, float]])
    """By key: the `seq` and the time at which it was told to wait. Some may have given up since."""
    heirs: set[str] = attrs.field(factory=set[str])
    """Keys that became free while no slot was: who waits for one of them is never told to wait."""
    freed: str | None = None
    """The key that became free with the user's last event: it is served first."""
    served: int = 0
    """The `seq` of the latest arrival that was served."""
    cleaned: tuple[StageReport, ...] = ()
    """The last cleanup that was told."""
    cleaned_at: float = -math.inf
    told: list[StageReport] = attrs.field(factory=list[StageReport])
    """All that was told while somebody was starting."""
    reaped_at: list[float] = attrs.field(factory=list[float])
    """The instants of the last reapings."""
    owners_asked: frozenset[str] = frozenset()
    """The nodes that were asked last to make room for this user."""
    takeovers: dict[str, list[StageReport]] = attrs.field(factory=dict[str, list[StageReport]])
    """By key: several, where one gave up and the next one asked for the same key."""

    @property
    def allowance(self) -> int:
        return (self.limit or 0) if self.allowance_set is None else self.allowance_set

    @property
    def held(self) -> int:
        if not self.condemned:
            return len(self.live)
        return len(self.live) + max(0, len(self.condemned) - self.allowance)

    def reaped(self, at: float) -> None:
        """Somebody is reaped: all that are at one instant are one round."""
        if at not in self.reaped_at[-1:]:
            self.reaped_at = [*self.reaped_at[-ROUNDS_KEPT:], at]

    def rounds_since(self, at: float) -> int:
        """How often somebody was reaped since then."""
        return sum(round_at >= at for round_at in self.reaped_at)

    @property
    def beyond(self) -> tuple[Life, ...]:
        """The condemned who hold a slot."""
        return tuple(self.condemned.values())[self.allowance :]

    def settle_condemned(self) -> None:
        """Those within the allowance give their slot back to the process."""
        for life in list(self.condemned.values())[: self.allowance]:
            life.counts_nowhere = True

    @property
    def beyond_the_allowance(self) -> list[Life]:
        return list(self.condemned.values())[self.allowance :]


@attrs.define(eq=False)
class Leases:
    """Those of this node in a cluster."""

    clustered: bool = False
    """There is one: how long an admission takes is not for this process alone to say."""
    now: str | None = None
    """The session that holds one; None: there is none, or it is not known."""
    last: str | None = None
    lost_at: float = -math.inf
    """When one was lost last, and nobody was kept."""
    none_since: float | None = None
    """Since when nobody may begin; None: somebody may."""
    unexplained: list[Violation] = attrs.field(factory=list[Violation])
    """Of those that were fenced: that a lease was lost may be told after its first ends, in that moment."""


def _shortest_wait(spec: SupervisorSpec) -> float:
    return spec.slot_wait if spec.standing_wait is None else min(spec.slot_wait, spec.standing_wait)


@attrs.define(eq=False)
class Books:
    """All that the log has told, folded: its size is that of those who live, not of the log."""

    spec: SupervisorSpec
    limit: int | None
    """Of all users that have none of their own."""
    limit_known: bool
    """Otherwise only the events know it, since a function gives it."""
    slack: float
    shortest_wait: float = attrs.field(
        init=False, default=attrs.Factory(lambda self: _shortest_wait(self.spec), takes_self=True)
    )
    """The least `slot_wait` so far; the spec has the longest."""
    violations: list[Violation] = attrs.field(factory=list[Violation])
    seq: int | None = None
    """Of the last event; None: the next one may have any."""
    at: float = -math.inf
    blind: bool = True
    """Part of the log is missing: somebody may be here of whom it has not told."""
    lives: dict[int, Life] = attrs.field(factory=dict[int, Life])
    """Live or condemned, by incarnation."""
    condemned: dict[int, Life] = attrs.field(factory=dict[int, Life])
    gone_old: set[int] = attrs.field(factory=set[int])
    """Those that were there before the log, and have ended."""
    first_born: int | None = None
    last_born: int = 0
    ledgers: dict[str, Ledger] = attrs.field(factory=dict[str, Ledger])
    running: int = 0
    """Started, and neither gone nor condemned."""
    unstarted: int = 0
    stalls: list[tuple[float, float]] = attrs.field(factory=list[tuple[float, float]])
    """When each ended, and how long it was."""
    late: list[tuple[float, float, Violation]] = attrs.field(factory=list[tuple[float, float, Violation]])
    """Since when, and how long was allowed: a stall that is yet to be told may excuse it."""
    swept_at: float = -math.inf
    """When the last round of the sweep was over, or the log began."""
    backoff: float = 0.0
    """What the last crash of the sweeper cost."""
    restart_due: float | None = None
    held_until: float = -math.inf
    """Till when the sweep ends nobody."""
    longest_grace: float = 0.0
    leases: Leases = attrs.field(factory=Leases)

    # Blaming

    def blame(self, rule: Rule, detail: str, event: Event | None) -> None:
        if len(self.violations) < MOST_VIOLATIONS:
            self.violations.append(Violation(rule, detail, event))

    def expect_by(self, since: float, allowed: float, violation: Violation) -> None:
        """What happens now was due `allowed` seconds after `since`, unless the loop stalled."""
        if self.at > self.fair_due(since, allowed) and len(self.late) < MOST_VIOLATIONS:
            self.late.append((since, allowed, violation))

    def fair_due(self, since: float, allowed: float) -> float:
        """Time that a stall fell into begins anew at its end."""
        due = since + allowed
        for ended, lasted in self.stalls:
            if ended > since and ended - lasted - BEAT <= due:
                due = max(due, ended + allowed)
        return due + self.slack + EPSILON

    def respecify(self, new: SupervisorSpec) -> None:
        """From now on `new` holds; what began before may go by the old one still: the laxer counts."""
        old = self.spec
        self.shortest_wait = min(self.shortest_wait, _shortest_wait(new))
        self.spec = attrs.evolve(
            new,
            sweep_period=max(old.sweep_period, new.sweep_period),
            sweep_jitter=max(old.sweep_jitter, new.sweep_jitter),
            mass_hold=max(old.mass_hold, new.mass_hold),
            slot_wait=max(old.slot_wait, new.slot_wait),
            admission_deadline=max(old.admission_deadline, new.admission_deadline),
            # A lower one ends nobody: from then on, nobody knows from the log alone.
            process_limit=new.process_limit if new.process_limit == old.process_limit else None,
        )

    def stalled(self, event: Stalled) -> None:
        self.stalls.append((event.stamp.at, event.duration))
        self.late = [
            (since, allowed, violation)
            for since, allowed, violation in self.late
            if violation.event is not None and violation.event.stamp.at > self.fair_due(since, allowed)
        ]

    def settle_late(self) -> None:
        """At the end: a stall is told when the loop is back, maybe after much else of that moment."""
        told, self.late = self.late, []
        self.violations.extend(violation for *_, violation in told)

    def nobody_waits_if_there_is_room(self, ledger: Ledger) -> None:
        """So those told to wait have been served, or have given up."""
        if self.knows_limit_of(ledger) and ledger.held < (ledger.limit or 0):
            ledger.waiting.clear()
            ledger.heirs.clear()

    @property
    def last_stall(self) -> float:
        return self.stalls[-1][0] if self.stalls else -math.inf

    # Knowing

    def ledger(self, user: str) -> Ledger:
        found = self.ledgers.get(user)
        if found is None:
            found = self.ledgers[user] = Ledger(self.limit, self.spec.condemned_allowance)
        return found

    def close_if_empty(self, user: str, ledger: Ledger) -> None:
        """A user of whom nothing is left needs no page, unless somebody may wait there."""
        if not (ledger.live or ledger.condemned or ledger.waiting or ledger.heirs or ledger.own):
            del self.ledgers[user]

    def knows_limit_of(self, ledger: Ledger) -> bool:
        return not self.blind and (ledger.own or self.limit_known) and ledger.limit is not None

    def is_before_the_log(self, incarnation: int) -> bool:
        """May it have been born before, and not have ended?"""
        if not self.blind or incarnation in self.gone_old:
            return False
        return self.first_born is None or incarnation < self.first_born

    def lose(self) -> None:
        """A part of the log is missing: forget who is here, and begin anew in the middle."""
        self.blind = True
        self.seq = self.first_born = self.restart_due = None
        self.running = self.unstarted = 0
        self.leases = Leases(clustered=self.leases.clustered)
        for kept in (self.lives, self.condemned, self.gone_old, self.ledgers):
            kept.clear()

    # What the process holds

    def process_runs(self) -> int:
        """Slots that surely count for the whole process."""
        return self.running + sum(not life.counts_nowhere for life in self.condemned.values())

    def process_holds_at_most(self) -> int:
        """Slots that may count: those of the condemned are given back a moment later.

        So a limit that is raised and lowered at once may have given back none.
        """
        beyond = {id(life) for ledger in self.ledgers.values() for life in ledger.beyond_the_allowance}
        fresh = sum(
            not life.counts_nowhere or life.condemned == self.at or id(life) in beyond
            for life in self.condemned.values()
        )
        return len(self.lives) - len(self.condemned) + fresh
