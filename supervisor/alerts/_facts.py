"""Which alerts there are, and from where on they fire. Pure."""

from __future__ import annotations

import enum

import attrs
from attrs import validators

from supervisor import BOUNDS


class AlertName(enum.Enum):
    """As in `rules.yml`, so that both can be routed and silenced alike."""

    SWEEPER_NOT_RUNNING = "TrouperSweeperNotRunning"
    SWEEPER_CRASHED = "TrouperSweeperCrashed"
    EMERGENCY_CLEANUP_FAILING = "TrouperEmergencyCleanupFailing"
    SPAWN_SLOW = "TrouperSpawnSlow"
    REPEATED_REFUSALS = "TrouperRepeatedRefusals"
    """Of one user; the rule, which knows no users, counts those of all."""
    REPEATED_FAILURES = "TrouperRepeatedFailures"
    """Crashes and failed starts of one user's managers; the rule counts those of all."""
    GROWTH_WITHOUT_BOUND = "TrouperGrowthWithoutBound"
    ZOMBIES = "TrouperZombies"
    USERS_AT_LIMIT = "TrouperUsersAtLimit"
    LOOP_STALLED = "TrouperLoopStalled"
    ENGINE_AWAY = "TrouperEngineAway"
    LEASE_LOST = "TrouperLeaseLost"
    CLUSTER_WARMING = "TrouperClusterWarming"
    ORPHANS = "TrouperOrphans"
    OWNERS_SILENT = "TrouperOwnersSilent"


@attrs.frozen
class Alert:
    """Something that a person should look at."""

    name: AlertName
    summary: str
    """What it is, with its numbers, in one sentence."""
    user: str | None = None
    """Whom it is about, where it is about one user."""

    def __str__(self) -> str:
        return f"{self.name.value}: {self.summary}"


_positive = validators.gt(0)


@attrs.frozen(kw_only=True)
class Thresholds:
    """From where on each alert fires; numbers are of one window, but for growth."""

    success: float = attrs.field(default=0.95, validator=validators.and_(validators.ge(0), validators.le(1)))
    """The part that should make room, of the emergency cleanups that have somebody to remove."""
    least_cleanups: int = attrs.field(default=5, validator=_positive)
    """Of fewer cleanups no part is taken."""
    spawn_seconds: float = attrs.field(default=0.5, validator=validators.in_(BOUNDS))
    """How long 99 of 100 spawns may take; one of `supervisor.BOUNDS`."""
    failures: int = attrs.field(default=5, validator=_positive)
    """So many refusals, or so many failures, of one user are repeated ones."""
    growth: float = attrs.field(default=1.5, validator=validators.gt(1))
    """By which factor the managers may have become more over `growth_windows`, rising in each third."""
    growth_windows: int = attrs.field(default=60, validator=validators.ge(3))
    growth_least: int = attrs.field(default=100, validator=_positive)
    """Growth from fewer managers is how a process begins."""
    stalled_seconds: float = attrs.field(default=1.0, validator=validators.gt(0.0))
    """By how much the event loop may come back late, in all."""
    orphans: int = attrs.field(default=10, validator=_positive)
    """So many slots that the cluster counted wrongly are more than a cancelled admission now and then."""
    silent: int = attrs.field(default=3, validator=_positive)
    """So often may other nodes be asked, and not answer in time."""
