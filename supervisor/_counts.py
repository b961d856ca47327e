"""What happened, in numbers: the stream of events, folded into plain ints. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from actors import ExitReason

from ._cluster_facts import ClusterStatistics
from ._events import (
    CleanedUp,
    Condemned,
    ConnectionAttached,
    ConnectionDetached,
    EngineChanged,
    Event,
    Found,
    FoundElsewhere,
    HandlerFailed,
    LeaseLost,
    LimitChanged,
    LoopBlocked,
    MailDeadLettered,
    NodeJoined,
    NotAdmitted,
    OwnersAsked,
    ReapStarted,
    Reconciled,
    Refused,
    Reserved,
    Stalled,
    Started,
    StartFailed,
    SweeperFailed,
    SweeperStarted,
    SweepHeld,
    Swept,
    Terminal,
)
from ._histogram import Bins, Histogram
from ._report import RefusalReason, Stage, Trigger

CLEANED_UP = frozenset({ExitReason.UNRESPONSIVE, ExitReason.DISCONNECTED, ExitReason.IDLE})
"""Why somebody ends whom a cleanup removed."""


@attrs.frozen
class StageCounts:
    """What one stage has done, over all cleanups."""

    runs: int = 0
    reaped: int = 0
    kept: int = 0
    failed: int = 0
    seconds: float = 0.0


@attrs.frozen
class Counts:
    """What one supervisor has seen so far, and how many are here. Immutable, also for other threads."""

    events: int
    """The `seq` of the last event that is counted in."""
    background_cleanup_task_started: int
    background_cleanup_failures: int
    sweeps: int
    sweeps_held: int
    emergency_cleanup_triggers: int
    """Cleanups since somebody waited for a slot."""
    successful_emergency_cleanups: int
    """Those after which whoever waited had one."""
    emergency_cleanups_all_alive: int
    """Those that made no room since there was nobody to remove: all who hold a slot are alive."""
    resource_limit_hits: int
    """Refusals."""
    managers_created: int
    managers_found: int
    """Requests served by a manager that somebody else created, before or just then."""
    managers_cleaned_up: int
    """Ended since a cleanup removed them."""
    starts_failed: int
    condemned: int
    managers: int
    """Slots' holders here now, those included that start or stop; not the condemned."""
    max_concurrent_managers: int
    zombies: int
    """Condemned that run on."""
    users: int
    users_at_manager_limit: int
    connections: int
    dead_letters: int
    handler_failures: int
    stalls: int
    stalled_seconds: float
    loop_blocks: int
    refusals: Mapping[RefusalReason, int]
    ends: Mapping[ExitReason, int]
    reaps: Mapping[ExitReason, int]
    cleanups: Mapping[Trigger, int]
    stages: Mapping[Stage, StageCounts]
    found: Histogram
    """Seconds from a request to the manager that it found: 0, but where it joined a start under way."""
    spawned: Histogram
    """Seconds from a request to the running manager, where there was room at once."""
    spawned_after_cleanup: Histogram
    refused: Histogram
    """Seconds from a request to its refusal."""
    reaped: Histogram
    """Seconds from the beginning of an end to the end, or to the condemnation."""
    leases_begun: int = 0
    leases_lost: int = 0
    warmings: int = 0
    """Leases that began with the engine's data being new: nobody was admitted at first."""
    engine_changes: int = 0
    """Times that the engine of the cluster went away, or came back."""
    owners_asked: int = 0
    """Other nodes that were asked to judge and reap for a user who held all slots."""
    owners_silent: int = 0
    """Those of them that did not answer in time."""
    slots_freed_elsewhere: int = 0
    """Slots of other nodes that came free by that."""
    orphans_dropped: int = 0
    """Slots that the cluster counted for this node, and that nobody here held."""
    slots_added: int = 0
    """Slots that are held here, and that the cluster had forgotten."""
    slots_lost: int = 0
    """Slots that it had forgotten, and for which there was no room any more: their managers ended."""
    found_elsewhere: int = 0
    """Requests for a manager that lives on another node."""
    not_admitted: int = 0
    """Requests that came while the cluster could not be asked."""
    cluster: ClusterStatistics | None = None
    """How this node stood in its cluster: the only field that is not counted from the events. None: there
    is no cluster."""

    @property
    def average_managers_per_user(self) -> float:
        """Of those users who have any."""
        return self.managers / self.users if self.users else 0.0


@attrs.define(eq=False)
class _User:
    """How one user stands, as the events have told."""

    held: int
    limit: int

    @property
    def at_limit(self) -> bool:
        return 0 < self.limit <= self.held


@attrs.define(eq=False)
class Tally:
    """Counts events as they come, some microseconds each. Its size is that of those who are here."""

    _last: int = attrs.field(init=False, default=0)
    _kinds: Counter[type[Event]] = attrs.field(init=False, factory=Counter[type[Event]])
    _plain: Counter[str] = attrs.field(init=False, factory=Counter[str])
    _stalled: float = attrs.field(init=False, default=0.0)
    _managers: int = attrs.field(init=False, default=0)
    _most: int = attrs.field(init=False, default=0)
    _refusals: Counter[RefusalReason] = attrs.field(init=False, factory=Counter[RefusalReason])
    _ends: Counter[ExitReason] = attrs.field(init=False, factory=Counter[ExitReason])
    _reaps: Counter[ExitReason] = attrs.field(init=False, factory=Counter[ExitReason])
    _cleanups: Counter[Trigger] = attrs.field(init=False, factory=Counter[Trigger])
    _stages: dict[Stage, StageCounts] = attrs.field(init=False, factory=dict[Stage, StageCounts])
    _found: Bins = attrs.field(init=False, factory=Bins)
    _spawned: Bins = attrs.field(init=False, factory=Bins)
    _spawned_after_cleanup: Bins = attrs.field(init=False, factory=Bins)
    _refused: Bins = attrs.field(init=False, factory=Bins)
    _reaped: Bins = attrs.field(init=False, factory=Bins)
    _users: dict[str, _User] = attrs.field(init=False, factory=dict[str, _User])
    _own_limits: set[str] = attrs.field(init=False, factory=set[str])
    _at_limit: dict[str, None] = attrs.field(init=False, factory=dict[str, None])

    @property
    def users_at_limit(self) -> tuple[str, ...]:
        """Their names, whoever reached it first being first."""
        return tuple(self._at_limit)

    def add(self, event: Event) -> None:
        self._last = event.stamp.seq
        self._kinds[type(event)] += 1
        count = _COUNTERS.get(type(event))
        if count is not None:
            count(self, event)

    def counts(self) -> Counts:
        kinds, plain = self._kinds, self._plain
        return Counts(
            events=self._last,
            background_cleanup_task_started=kinds[SweeperStarted],
            background_cleanup_failures=kinds[SweeperFailed],
            sweeps=kinds[Swept],
            sweeps_held=kinds[SweepHeld],
            emergency_cleanup_triggers=self._cleanups[Trigger.ADMISSION],
            successful_emergency_cleanups=plain["made room"],
            emergency_cleanups_all_alive=plain["all alive"],
            resource_limit_hits=kinds[Refused],
            managers_created=kinds[Started],
            managers_found=kinds[Found],
            managers_cleaned_up=sum(self._ends[reason] for reason in CLEANED_UP),
            starts_failed=kinds[StartFailed],
            condemned=kinds[Condemned],
            managers=self._managers,
            max_concurrent_managers=self._most,
            zombies=plain["zombies"],
            users=len(self._users),
            users_at_manager_limit=len(self._at_limit),
            connections=kinds[ConnectionAttached] - kinds[ConnectionDetached],
            dead_letters=plain["dead letters"],
            handler_failures=kinds[HandlerFailed],
            stalls=kinds[Stalled],
            stalled_seconds=self._stalled,
            loop_blocks=kinds[LoopBlocked],
            refusals=_frozen(self._refusals),
            ends=_frozen(self._ends),
            reaps=_frozen(self._reaps),
            cleanups=_frozen(self._cleanups),
            stages=_frozen(self._stages),
            found=self._found.histogram(),
            spawned=self._spawned.histogram(),
            spawned_after_cleanup=self._spawned_after_cleanup.histogram(),
            refused=self._refused.histogram(),
            reaped=self._reaped.histogram(),
            leases_begun=kinds[NodeJoined],
            leases_lost=kinds[LeaseLost],
            warmings=plain["warmings"],
            engine_changes=kinds[EngineChanged],
            owners_asked=plain["owners asked"],
            owners_silent=plain["owners silent"],
            slots_freed_elsewhere=plain["freed elsewhere"],
            orphans_dropped=plain["orphans"],
            slots_added=plain["slots added"],
            slots_lost=plain["slots lost"],
            found_elsewhere=kinds[FoundElsewhere],
            not_admitted=kinds[NotAdmitted],
        )

    # One kind of event each

    def reserved(self, event: Reserved) -> None:
        self._managers += 1
        self._most = max(self._most, self._managers)
        user = self._users.get(event.user)
        if user is None:
            user = self._users[event.user] = _User(event.held, event.limit)
        else:
            user.held, user.limit = event.held, event.limit
        if event.held >= event.limit or event.user in self._at_limit:
            self._note(event.user, user)

    def found(self, event: Found) -> None:
        self._found.add(event.waited)

    def started(self, event: Started) -> None:
        (self._spawned_after_cleanup if event.after_cleanup else self._spawned).add(event.waited)

    def condemned(self, event: Condemned) -> None:
        self._managers -= 1
        self._plain["zombies"] += 1
        if event.cancelled_at is not None:
            self._reaped.add(event.stamp.at - event.cancelled_at)
        self._hold(event.user, event.held)

    def terminal(self, event: Terminal) -> None:
        if event.was_condemned:
            self._plain["zombies"] -= 1
        else:
            self._managers -= 1
        self._ends[event.exit.reason] += 1
        if event.ending_since is not None and not event.was_condemned:
            self._reaped.add(event.stamp.at - event.ending_since)
        self._hold(event.user, event.held)

    def reap_started(self, event: ReapStarted) -> None:
        self._reaps[event.reason] += 1

    def refused(self, event: Refused) -> None:
        self._refusals[event.refusal.reason] += 1
        self._refused.add(event.waited)

    def dead_lettered(self, event: MailDeadLettered) -> None:
        self._plain["dead letters"] += event.count

    def cleaned_up(self, event: CleanedUp) -> None:
        self._cleanups[event.trigger] += 1
        if event.trigger is Trigger.ADMISSION:
            self._plain["made room"] += event.made_room
            self._plain["all alive"] += event.all_alive
        for report in event.report.stages:
            before = self._stages.get(report.stage, StageCounts())
            self._stages[report.stage] = StageCounts(
                before.runs + 1,
                before.reaped + len(report.reaped),
                before.kept + len(report.kept),
                before.failed + len(report.failed),
                before.seconds + report.duration,
            )

    def limit_changed(self, event: LimitChanged) -> None:
        if event.user is not None:
            self._own_limits.add(event.user)
        for name, user in self._users.items():
            if event.user == name or (event.user is None and name not in self._own_limits):
                user.limit = event.limit
                self._note(name, user)

    def stalled(self, event: Stalled) -> None:
        self._stalled += event.duration

    def node_joined(self, event: NodeJoined) -> None:
        self._plain["warmings"] += event.warming > 0

    def owners_asked(self, event: OwnersAsked) -> None:
        self._plain["owners asked"] += len(event.asked)
        self._plain["owners silent"] += len(event.silent)
        self._plain["freed elsewhere"] += event.freed

    def reconciled(self, event: Reconciled) -> None:
        self._plain["orphans"] += event.dropped
        self._plain["slots added"] += event.added
        self._plain["slots lost"] += len(event.lost)

    # What they share

    def _hold(self, name: str, held: int | None) -> None:
        user = self._users.get(name)
        if user is None or held is None:
            return
        user.held = held
        self._note(name, user)
        if not held:
            del self._users[name]

    def _note(self, name: str, user: _User) -> None:
        if user.at_limit:
            self._at_limit[name] = None
        else:
            self._at_limit.pop(name, None)


def _frozen(counts: Mapping[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(dict(counts))


_COUNTERS: Mapping[type[Event], Callable[[Tally, Any], None]] = {
    Reserved: Tally.reserved,
    Found: Tally.found,
    Started: Tally.started,
    Condemned: Tally.condemned,
    Terminal: Tally.terminal,
    ReapStarted: Tally.reap_started,
    Refused: Tally.refused,
    MailDeadLettered: Tally.dead_lettered,
    CleanedUp: Tally.cleaned_up,
    LimitChanged: Tally.limit_changed,
    Stalled: Tally.stalled,
    NodeJoined: Tally.node_joined,
    OwnersAsked: Tally.owners_asked,
    Reconciled: Tally.reconciled,
}
"""Of other kinds there is nothing to count but how many."""
