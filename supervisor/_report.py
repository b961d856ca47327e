"""What was found and what was done about it: verdicts, stages, reports, refusals. Plain facts."""

from __future__ import annotations

import enum
import math

import attrs

from actors import Phase


class Health(enum.Enum):
    """The kinds of verdict. They are disjoint; only UNRESPONSIVE comes from missed liveness."""

    HEALTHY = "healthy"
    BUSY = "busy"
    """In a hook, within its budget."""
    STARTING = "starting"
    """Newborn: its start, or its first connection, is within its grace."""
    IDLE = "idle"
    DISCONNECTED = "disconnected"
    """No connection. With `until` it may still be resumed; without, it is abandoned."""
    UNRESPONSIVE = "unresponsive"
    STOPPING = "stopping"
    CONDEMNED = "condemned"
    UNKNOWN = "unknown"
    """The observer itself was late: its timeouts prove nothing."""


@attrs.frozen(repr=False)
class Verdict:
    """What the evidence says of one actor, and the evidence in words."""

    health: Health
    _words: str
    until: float | None = None
    """When this may turn into something worse, on Trio's clock; None when no time is running."""
    _facts: tuple[object, ...] = ()
    """Go into the words when somebody reads them: a sweep makes many verdicts that nobody reads."""

    @property
    def evidence(self) -> str:
        return self._words.format(*self._facts) if self._facts else self._words

    def __repr__(self) -> str:
        return f"<Verdict {self}>"

    def __str__(self) -> str:
        return f"{self.health.value}: {self.evidence}"


class Stage(enum.Enum):
    """The steps of making room, in their order. Eviction comes only where policy says so."""

    TAKEOVER = "takeover"
    GARBAGE = "garbage"
    LIVENESS = "liveness"
    EVICT = "evict"
    """Takes the healthy: only for a newcomer, and only whom a policy chooses."""


@attrs.frozen
class Finding:
    """One actor as a stage saw it."""

    user: str
    key: str
    incarnation: int
    verdict: Verdict

    def __str__(self) -> str:
        return f"{self.key} ({self.verdict})"


@attrs.frozen
class StageReport:
    """What one stage did. Every actor it looked at is in exactly one of the three lists."""

    stage: Stage
    before: int
    """Slots held when it began."""
    after: int
    reaped: tuple[Finding, ...]
    kept: tuple[Finding, ...]
    """Why each was kept stands in its verdict."""
    failed: tuple[Finding, ...]
    """To be reaped, but not gone when the stage ended: still stopping, or condemned."""
    duration: float


class Trigger(enum.Enum):
    """What a cleanup was for."""

    ADMISSION = "admission"
    """Somebody waited for a slot of this user."""
    FULL_PROCESS = "full process"
    """Somebody, perhaps another user, waited for a slot of the whole process."""
    FULL_CLUSTER = "full cluster"
    """Somebody waited here for a slot of this user, who holds all of them on the nodes of the cluster."""
    SWEEP = "sweep"
    HIGH_WATER = "high water"
    """A user came near the limit."""
    ELSEWHERE = "elsewhere"
    """Somebody waited on another node of the cluster."""
    REQUEST = "request"
    """Somebody asked for it, by `Supervisor.cleanup`."""


@attrs.frozen
class CleanupReport:
    """What a cleanup did, or, as a dry run, would do. `user` is None when it was for all."""

    user: str | None
    stages: tuple[StageReport, ...]
    dry_run: bool = False

    @property
    def reaped(self) -> tuple[Finding, ...]:
        return tuple(finding for stage in self.stages for finding in stage.reaped)

    @property
    def failed(self) -> tuple[Finding, ...]:
        return tuple(finding for stage in self.stages for finding in stage.failed)

    @property
    def kept(self) -> tuple[Finding, ...]:
        """Those that every stage kept, as the last one to look saw them."""
        bad = {(f.user, f.key, f.incarnation) for f in (*self.reaped, *self.failed)}
        last = {(f.user, f.key, f.incarnation): f for s in self.stages for f in s.kept}
        return tuple(finding for who, finding in last.items() if who not in bad)

    def __str__(self) -> str:
        verb = "would remove" if self.dry_run else "removed"
        return f"cleanup {verb} {len(self.reaped)}, kept {len(self.kept)}, failed {len(self.failed)}"


@attrs.frozen
class Holder:
    """Who holds a slot, and why each stage left it there."""

    key: str
    incarnation: int
    verdict: Verdict
    age: float
    """Seconds since its slot was reserved."""
    connections: int | None
    _kept: tuple[tuple[Stage, Verdict], ...] = ()
    phase: Phase | None = None
    """Where its task is."""
    since: float | None = None
    """When that phase began, on Trio's clock."""
    where: str = ""
    """The line in which it is, `file:line in function`; only of one that somebody looked at closely."""
    stack: tuple[str, ...] = ()
    """Where its tasks are, each from the outside in; likewise."""
    cause: str = ""
    """Why its cancellation does not end it: what it waits for. Only of a condemned one; likewise."""
    node: str = ""
    """The node of a cluster where it lives; empty: here."""

    @property
    def kept(self) -> tuple[str, ...]:
        """Why it was left there: one sentence per stage that looked at it."""
        return tuple(f"{stage.value}: {verdict}" for stage, verdict in self._kept)


@attrs.frozen
class Explanation:
    """How one user stands: the limit, who holds the slots, and what an admission would do now."""

    user: str
    limit: int
    holders: tuple[Holder, ...]
    condemned: tuple[Holder, ...]
    """Cancelled, still running; those beyond the allowance hold slots too."""
    slots_held: int
    waiting: int
    """Spawns that wait for a slot."""
    threads: int
    """Threads of `run_blocking` that run now; one whose manager has gone counts until it ends."""
    dry_run: CleanupReport

    @property
    def would_admit(self) -> bool:
        """Would one more spawn be admitted now, cleanup included?"""
        return self.slots_held - len(self.dry_run.reaped) + self.waiting < self.limit


@attrs.frozen
class Standing:
    """How one user stands, in one line."""

    user: str
    limit: int
    slots_held: int
    waiting: int
    condemned: int


@attrs.frozen
class UserSnapshot:
    """How one user stood."""

    user: str
    limit: int
    slots_held: int
    waiting: int
    threads: int
    """Threads of `run_blocking`; a user may have left and occupy some still."""
    managers: tuple[Holder, ...]
    condemned: tuple[Holder, ...]


@attrs.frozen
class Snapshot:
    """How everybody stood at one moment. Immutable: keep it, or hand it to another thread."""

    at: float
    users: tuple[UserSnapshot, ...]

    @property
    def slots_held(self) -> int:
        return sum(user.slots_held for user in self.users)

    @property
    def condemned(self) -> int:
        return sum(len(user.condemned) for user in self.users)

    @property
    def threads(self) -> int:
        return sum(user.threads for user in self.users)


@attrs.frozen
class DrainReport:
    """How a process emptied before its end; durations in seconds."""

    managers: int
    """So many were here."""
    overdue: tuple[str, ...]
    """Who had to be cancelled, having had time enough, and where it hung: it held the others up."""
    condemned: tuple[str, ...]
    """Who runs on even so, and where."""
    noticing: float
    stopping: float
    leaving: float

    @property
    def duration(self) -> float:
        return self.noticing + self.stopping + self.leaving

    def __str__(self) -> str:
        held_up = f"{len(self.overdue)} cancelled, {len(self.condemned)} condemned"
        return f"drained {self.managers} managers in {self.duration:.1f} s, {held_up}"


class RefusalReason(enum.Enum):
    LIMIT = "limit"
    """Every slot of the user is held by an actor known to be alive or newborn."""
    REAP_PENDING = "reap_pending"
    """Some slots are held by actors that are being removed; they come back by themselves."""
    PROCESS_LIMIT = "process_limit"
    """The whole process is full."""
    CLUSTER_LIMIT = "cluster_limit"
    """Every slot of the user is held, some of them on other nodes of the cluster."""
    FAIR_SHARE = "fair_share"
    """The process is nearly full, and the user has his share of it."""
    OVERLOADED = "overloaded"
    """More are starting than the process begins at once; its turn did not come in time."""

    @property
    def is_beyond_the_user(self) -> bool:
        """Has the user a slot left, and others none for him?"""
        return self not in (RefusalReason.LIMIT, RefusalReason.REAP_PENDING)


@attrs.frozen
class Refusal:
    """The proof that comes with a refusal."""

    user: str
    key: str
    reason: RefusalReason
    limit: int
    live: int
    """Slots held, by the user, or by all where the process is full; or who starts or waits to."""
    holders: tuple[Holder, ...]
    condemned: int
    stages: tuple[StageReport, ...]
    retry_after: float
    """Seconds after which it is worth another try, jittered."""

    @property
    def sentence(self) -> str:
        """Why, in one short sentence that names no user: it fits into a Close frame."""
        tried = ", ".join(dict.fromkeys(report.stage.value for report in self.stages))
        if self.reason is RefusalReason.PROCESS_LIMIT:
            what = f"The server is full ({self.limit} sessions)"
        elif self.reason is RefusalReason.CLUSTER_LIMIT:
            what = f"Limit reached: {self.live} of {self.limit} slots held on all servers"
        elif self.reason is RefusalReason.FAIR_SHARE:
            what = f"The server is nearly full: your share is {self.limit} sessions"
        elif self.reason is RefusalReason.OVERLOADED:
            what = f"The server is overloaded: {self.live} sessions start, {self.limit} may"
        elif self.reason is RefusalReason.REAP_PENDING:
            what = f"Limit reached: {self.live} of {self.limit} slots held, some being freed"
        else:
            what = f"Limit reached: {self.live} of {self.limit} sessions alive"
        return f"{what}. Tried {tried or 'nothing'}. Retry in {math.ceil(self.retry_after)} s."

    def __str__(self) -> str:
        who = "; ".join(f"{h.key}{h.node and f' on {h.node}'}: {h.verdict}" for h in self.holders)
        return f"{self.sentence} Holders: {who or 'none'}."
