"""Hand-made logs: a story tells events one by one, consistent unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from actors import Exit, ExitReason, Phase
from supervisor import (
    ActorEvent,
    CleanedUp,
    CleanupReport,
    Condemned,
    Event,
    EventsLost,
    Finding,
    Health,
    HealthPolicy,
    Holder,
    ReapStarted,
    Refusal,
    RefusalReason,
    Refused,
    Reserved,
    Stage,
    StageReport,
    Stalled,
    Stamp,
    Started,
    StartFailed,
    SupervisorSpec,
    Suspected,
    Terminal,
    Verdict,
    Waited,
)
from supervisor.testing import Rule, Violation, check_events

POLICY = HealthPolicy()
BUDGET, CANCEL_GRACE = POLICY.budget, POLICY.cancel_grace


@attrs.frozen
class Who:
    """One incarnation in a story."""

    user: str
    key: str
    incarnation: int
    born: float

    @property
    def name(self) -> tuple[str, str, int]:
        return self.user, self.key, self.incarnation


@attrs.define(eq=False)
class Story:
    """Tells what happens to one user, `ann`, and keeps the log."""

    limit: int | None = 2
    spec: SupervisorSpec = attrs.field(factory=SupervisorSpec)
    over: bool = False
    now: float = 0.0
    log: list[Event | EventsLost] = attrs.field(factory=list[Event | EventsLost])
    seq: int = 0
    born: int = 0

    def judge(self, **options: Any) -> tuple[Violation, ...]:
        return check_events(self.log, spec=self.spec, limit=self.limit, **{"over": self.over} | options)

    def at(self, now: float) -> None:
        self.now = now

    def tell(self, kind: Callable[..., Event], *args: Any, **kwargs: Any) -> None:
        self.seq += 1
        self.log.append(kind(Stamp(self.seq, self.now), *args, **kwargs))

    def about(self, kind: Callable[..., ActorEvent], who: Who, *args: Any, **kwargs: Any) -> None:
        self.tell(kind, *who.name, *args, **kwargs)

    # The life of one

    def reserve(self, key: str = "a", held: int = 1, *, limit: int = 2, user: str = "ann") -> Who:
        self.born += 1
        who = Who(user, key, self.born, self.now)
        self.about(Reserved, who, held, limit, POLICY)
        return who

    def begin(self, key: str = "a", held: int = 1, *, limit: int = 2, user: str = "ann") -> Who:
        """Reserve a slot, and start."""
        who = self.reserve(key, held, limit=limit, user=user)
        self.about(Started, who, 0.0)
        return who

    def suspect(
        self,
        who: Who,
        health: Health = Health.UNRESPONSIVE,
        *,
        phase: Phase = Phase.HANDLE,
        since: float = 0.0,
        until: float | None = None,
    ) -> None:
        self.about(Suspected, who, Verdict(health, "as the story says", until), phase, since)

    def reap(self, who: Who, health: Health = Health.UNRESPONSIVE, **evidence: Any) -> None:
        """Find it bad, and begin its end."""
        self.suspect(who, health, **evidence)
        self.about(ReapStarted, who, ExitReason[health.name])

    def condemn(self, who: Who, cancelled_at: float, phase: Phase = Phase.HANDLE, since: float = 0.0) -> None:
        self.about(Condemned, who, "shielded", (), cancelled_at, phase, since)

    def end(
        self,
        who: Who,
        reason: ExitReason = ExitReason.STOPPED,
        *,
        since: float | None = None,
        condemned: bool = False,
    ) -> None:
        if reason is ExitReason.START_FAILED:
            self.about(StartFailed, who, Exit(reason))
        self.about(Terminal, who, Exit(reason), condemned, self.now if since is None else since)

    def stall(self, seconds: float) -> None:
        """The loop stands still, and says so when it is back."""
        self.now += seconds
        self.tell(Stalled, seconds)

    # Refusals

    def wait(self, key: str, ahead: int = 0) -> None:
        self.tell(Waited, "ann", key, ahead)

    def clean(self, *reports: StageReport, user: str = "ann") -> tuple[StageReport, ...]:
        """Both stages, unless others are given; nobody was there to be removed."""
        stages = reports or (report(Stage.GARBAGE), report(Stage.LIVENESS))
        self.tell(CleanedUp, CleanupReport(user, stages))
        return stages

    def holder(self, who: Who, health: Health = Health.HEALTHY, **evidence: Any) -> Holder:
        until = evidence.pop("until", None)
        usual: dict[str, Any] = {"phase": Phase.PARKED, "since": who.born, "connections": None}
        verdict = Verdict(health, "as the story says", until)
        return Holder(who.key, who.incarnation, verdict, self.now - who.born, **usual | evidence)

    def refuse(self, *holders: Holder, stages: tuple[StageReport, ...], **facts: Any) -> None:
        usual: dict[str, Any] = {
            "key": "late",
            "reason": RefusalReason.LIMIT,
            "limit": 2,
            "live": len(holders),
            "condemned": 0,
            "retry_after": 1.0,
            "user": "ann",
        }
        facts = usual | facts
        refusal = Refusal(holders=holders, stages=stages, **facts)
        self.tell(Refused, facts["user"], facts["key"], refusal)


def report(stage: Stage, **lists: tuple[Finding, ...]) -> StageReport:
    found: dict[str, tuple[Finding, ...]] = {"reaped": (), "kept": (), "failed": ()} | lists
    return StageReport(stage, 0, 0, **found, duration=0.0)


def finding(who: Who, health: Health) -> Finding:
    return Finding(*who.name, Verdict(health, "as the story says"))


Telling = Callable[[Story, bool], None]

CASES: list[tuple[Rule, str, Telling]] = []
"""Stories that are fine, and that break one rule when told wrongly."""


def breaks(rule: Rule) -> Callable[[Telling], Telling]:
    """Register a story: told right it breaks nothing, told wrong it breaks just this rule."""

    def register(tell: Telling) -> Telling:
        CASES.append((rule, tell.__name__, tell))
        return tell

    return register
