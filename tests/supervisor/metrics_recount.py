"""The metrics once more, counted from a list of events in the plainest way, to compare with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import attrs

from actors import ExitReason
from supervisor import (
    BOUNDS,
    ActorEvent,
    CleanedUp,
    Condemned,
    ConnectionAttached,
    ConnectionDetached,
    Event,
    Found,
    HandlerFailed,
    LimitChanged,
    LoopBlocked,
    MailDeadLettered,
    ReapStarted,
    RefusalReason,
    Refused,
    Reserved,
    Stage,
    Stalled,
    Started,
    StartFailed,
    SweeperFailed,
    SweeperStarted,
    SweepHeld,
    Swept,
    Terminal,
    Trigger,
)

E = TypeVar("E", bound=Event)

Series = tuple[str, frozenset[tuple[str, str]]]
Samples = dict[Series, float]


def series(name: str, **labels: str) -> Series:
    return f"trouper_{name}", frozenset(labels.items())


def recounted(events: Sequence[Event], *, limit: int, allowance: int) -> Samples:
    """Every sample that a scrape must give after these events: all of one supervisor, from the first."""
    return {
        **_plain(events),
        **_labelled(events),
        **_stages(events),
        **_here(events, limit, allowance),
        **_distribution("spawn_seconds", [e.waited for e in _of(events, Found)], outcome="found"),
        **_distribution("spawn_seconds", _waits(events, after=False), outcome="spawned"),
        **_distribution("spawn_seconds", _waits(events, after=True), outcome="after_cleanup"),
        **_distribution("spawn_seconds", [e.waited for e in _of(events, Refused)], outcome="refused"),
        **_distribution("reap_seconds", list(_ends(events))),
    }


def _of(events: Iterable[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def _plain(events: Sequence[Event]) -> Samples:
    removed = (ExitReason.UNRESPONSIVE, ExitReason.DISCONNECTED, ExitReason.IDLE)
    numbers: Mapping[str, float] = {
        "events": len(events),
        "background_cleanup_task_started": len(_of(events, SweeperStarted)),
        "background_cleanup_failures": len(_of(events, SweeperFailed)),
        "sweeps": len(_of(events, Swept)),
        "sweeps_held": len(_of(events, SweepHeld)),
        "emergency_cleanup_triggers": sum(e.trigger is Trigger.ADMISSION for e in _of(events, CleanedUp)),
        "successful_emergency_cleanups": sum(
            e.trigger is Trigger.ADMISSION and e.made_room for e in _of(events, CleanedUp)
        ),
        "emergency_cleanups_all_alive": sum(
            e.trigger is Trigger.ADMISSION and e.all_alive for e in _of(events, CleanedUp)
        ),
        "managers_created": len(_of(events, Started)),
        "managers_found": len(_of(events, Found)),
        "managers_cleaned_up": sum(e.exit.reason in removed for e in _of(events, Terminal)),
        "managers_condemned": len(_of(events, Condemned)),
        "manager_starts_failed": len(_of(events, StartFailed)),
        "dead_letters": sum(e.count for e in _of(events, MailDeadLettered)),
        "handler_failures": len(_of(events, HandlerFailed)),
        "stalls": len(_of(events, Stalled)),
        "stalled_seconds": sum(e.duration for e in _of(events, Stalled)),
        "loop_blocks": len(_of(events, LoopBlocked)),
    }
    return {series(f"{name}_total"): number for name, number in numbers.items()}


def _labelled(events: Sequence[Event]) -> Samples:
    samples: Samples = {}
    refused = Counter(e.refusal.reason for e in _of(events, Refused))
    ended = Counter(e.exit.reason for e in _of(events, Terminal))
    reaped = Counter(e.reason for e in _of(events, ReapStarted))
    cleaned = Counter(e.trigger for e in _of(events, CleanedUp))
    for why in RefusalReason:
        samples[series("resource_limit_hits_total", reason=why.name.lower())] = refused[why]
    for reason in ExitReason:
        samples[series("manager_ends_total", reason=reason.name.lower())] = ended[reason]
        samples[series("reaps_total", reason=reason.name.lower())] = reaped[reason]
    for trigger in Trigger:
        samples[series("cleanups_total", trigger=trigger.name.lower())] = cleaned[trigger]
    return samples


def _stages(events: Sequence[Event]) -> Samples:
    samples: Samples = {}
    for stage in Stage:
        name = stage.name.lower()
        reports = [r for e in _of(events, CleanedUp) for r in e.report.stages if r.stage is stage]
        samples[series("cleanup_stage_runs_total", stage=name)] = len(reports)
        samples[series("cleanup_stage_seconds_total", stage=name)] = sum(r.duration for r in reports)
        for outcome in ("reaped", "kept", "failed"):
            number = sum(len(getattr(r, outcome)) for r in reports)
            samples[series("cleanup_stage_managers_total", stage=name, outcome=outcome)] = number
    return samples


@attrs.define(eq=False)
class _Here:
    """Who is here, as sets of incarnations."""

    limit: int
    limits: dict[str, int] = attrs.field(factory=dict[str, int])
    live: dict[int, str] = attrs.field(factory=dict[int, str])
    condemned: dict[int, str] = attrs.field(factory=dict[int, str])
    connections: dict[int, int] = attrs.field(factory=dict[int, int])

    def see(self, event: Event) -> None:
        match event:
            case Reserved():
                self.live[event.incarnation] = event.user
            case Condemned():
                self.condemned[event.incarnation] = self.live.pop(event.incarnation)
            case Terminal():
                for gone in (self.live, self.condemned, self.connections):
                    gone.pop(event.incarnation, None)
            case ConnectionAttached() | ConnectionDetached():
                self.connections[event.incarnation] = event.connections
            case LimitChanged(user=None):
                self.limit = event.limit
            case LimitChanged(user=str() as user):
                self.limits[user] = event.limit
            case _:
                pass

    def held(self, allowance: int) -> Counter[str]:
        """Slots by user: the condemned hold one only beyond the allowance."""
        held = Counter(self.live.values())
        for user, number in Counter(self.condemned.values()).items():
            held[user] += max(0, number - allowance)
        return +held


def _here(events: Sequence[Event], limit: int, allowance: int) -> Samples:
    here, most = _Here(limit), 0
    for event in events:
        here.see(event)
        most = max(most, len(here.live))
    held = here.held(allowance)
    full = [user for user, n in held.items() if 0 < here.limits.get(user, here.limit) <= n]
    return {
        series("managers"): len(here.live),
        series("zombies"): len(here.condemned),
        series("max_concurrent_managers"): most,
        series("users"): len(held),
        series("users_at_manager_limit"): len(full),
        series("average_managers_per_user"): len(here.live) / len(held) if held else 0.0,
        series("connections"): sum(here.connections.values()),
    }


def _waits(events: Sequence[Event], *, after: bool) -> list[float]:
    return [e.waited for e in _of(events, Started) if e.after_cleanup is after]


def _ends(events: Sequence[Event]) -> Iterable[float]:
    """How long each end took, until it was one, or until the condemnation."""
    for event in _of(events, ActorEvent):
        if isinstance(event, Condemned) and event.cancelled_at is not None:
            yield event.stamp.at - event.cancelled_at
        elif isinstance(event, Terminal) and not event.was_condemned and event.ending_since is not None:
            yield event.stamp.at - event.ending_since


def _distribution(name: str, seconds: Sequence[float], **labels: str) -> Samples:
    samples = {
        series(f"{name}_bucket", le=str(bound), **labels): sum(each <= bound for each in seconds)
        for bound in BOUNDS
    }
    return {
        **samples,
        series(f"{name}_bucket", le="+Inf", **labels): len(seconds),
        series(f"{name}_count", **labels): len(seconds),
        series(f"{name}_sum", **labels): sum(seconds),
    }
