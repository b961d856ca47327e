"""What an operator is shown, as plain JSON: managers, users, reports, refusals, lines. Pure.

Ages and durations are seconds. A moment of Trio's clock becomes how long ago it was, or how far off.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, TypeAlias, cast

import attrs

from supervisor import (
    BOUNDS,
    CleanedUp,
    CleanupReport,
    ClusterStatistics,
    Condemned,
    Counts,
    EngineChanged,
    Event,
    EventsLost,
    Explanation,
    Finding,
    Forced,
    GaveUp,
    Histogram,
    Holder,
    LeaseLost,
    LimitChanged,
    Node,
    NodeJoined,
    OwnersAsked,
    ReapStarted,
    Reconciled,
    RecycleAdvised,
    Refused,
    SettingsChanged,
    Stage,
    StageCounts,
    StageReport,
    Standing,
    Survey,
    SweeperFailed,
    SweepHeld,
)
from supervisor._log_lines import entry_of
from supervisor._survey import MOST_NAMED

Json: TypeAlias = dict[str, Any]
Stuck: TypeAlias = tuple[tuple[str, Holder], ...]
StuckUsers: TypeAlias = tuple[tuple[Standing, int], ...]

# Managers of one user that are told one by one.
MOST_MANAGERS = 500

# Of one list of a report so many are named; how many there are stands beside it.
MOST_FINDINGS = 200


def manager(user: str, holder: Holder, now: float) -> Json:
    """One slot holder, or one that is condemned."""
    until = holder.verdict.until
    return {
        "user": user,
        "key": holder.key,
        "incarnation": holder.incarnation,
        "health": holder.verdict.health.value,
        "evidence": holder.verdict.evidence,
        "until_in": None if until is None or math.isinf(until) else until - now,
        "age": holder.age,
        "connections": holder.connections,
        "phase": None if holder.phase is None else holder.phase.value,
        "phase_for": None if holder.since is None else now - holder.since,
        "where": holder.where,
        "stack": list(holder.stack),
        "cause": holder.cause,
        "node": holder.node,
    }


def user(standing: Standing) -> Json:
    """One user, in one line."""
    return {
        "user": standing.user,
        "held": standing.slots_held,
        "limit": standing.limit,
        "condemned": standing.condemned,
        "waiting": standing.waiting,
    }


def explanation(
    stands: Explanation, now: float, *, here: bool, own_limit: bool, clustered: bool = False
) -> Json:
    """How one user stands, and what an admission would do now; in a cluster, as far as this node goes."""
    return {
        "user": stands.user,
        "here": here,
        "clustered": clustered,
        "limit": stands.limit,
        "own_limit": own_limit,
        "held": stands.slots_held,
        "waiting": stands.waiting,
        "threads": stands.threads,
        "would_admit": stands.would_admit,
        "managers": [manager(stands.user, holder, now) for holder in stands.holders[:MOST_MANAGERS]],
        "condemned": [manager(stands.user, holder, now) for holder in stands.condemned[:MOST_MANAGERS]],
        "dry_run": report(stands.dry_run),
    }


def cluster(stands: ClusterStatistics) -> Json:
    """How this node stands in its cluster."""
    return attrs.asdict(stands) | {
        "state": stands.state,
        "lets_in": stands.lets_in,
        "limits_may_be_exceeded": stands.limits_may_be_exceeded,
    }


CLUSTER_COUNTS = (
    "leases_begun",
    "leases_lost",
    "warmings",
    "engine_changes",
    "owners_asked",
    "owners_silent",
    "slots_freed_elsewhere",
    "orphans_dropped",
    "slots_added",
    "slots_lost",
    "found_elsewhere",
    "not_admitted",
)


def nodes(members: Iterable[Node], numbers: Counts, *, problem: str | None) -> Json:
    """All nodes, how this one stands, and what it has counted of the cluster so far."""
    return {
        "cluster": None if numbers.cluster is None else cluster(numbers.cluster),
        "problem": problem,
        "nodes": [node(member) for member in members],
        "counted": {name: getattr(numbers, name) for name in CLUSTER_COUNTS},
    }


def node(member: Node) -> Json:
    """One node of the cluster, with how much lived there at its last beat."""
    figures = {name: member.figures.get(name) for name in ("managers", "users", "zombies")}
    return attrs.asdict(member) | {"figures": figures}


def whereabouts(user: str, holders: Iterable[Holder], me: str, now: float, *, problem: str | None) -> Json:
    """Who holds the user's slots on which node; if not all could be asked, why."""
    those = [*holders]
    return {
        "user": user,
        "problem": problem,
        "total": len(those),
        "managers": [
            manager(user, holder, now) | {"node": holder.node or me, "here": not holder.node}
            for holder in those[:MOST_MANAGERS]
        ],
    }


def survey(found: Survey, first: Survey | None, now: float) -> Json:
    """How everybody stood; and, from a later survey, those at their limit, who are looked at more often."""
    stuck, stuck_users = found.stuck, found.stuck_users
    if first is not None and first.at > found.at:
        stuck, stuck_users = _with_first(found, first)
    return {
        "ago": now - found.at,
        "took": found.took,
        "users": found.users,
        "managers": found.managers,
        "health": {health.value: number for health, number in found.health.items()},
        "stuck": [manager(who, holder, found.at) for who, holder in stuck],
        "condemned": [manager(who, holder, found.at) for who, holder in found.condemned],
        "stuck_users": [
            {"user": whose.user, "stuck": number, "held": whose.slots_held, "limit": whose.limit}
            for whose, number in stuck_users
        ],
        "fullest": [user(whose) for whose in found.fullest],
    }


def _with_first(found: Survey, first: Survey) -> tuple[Stuck, StuckUsers]:
    """Those who are stuck, by the later look at each."""
    seen = {whose.user for whose in first.fullest}
    stuck = (*first.stuck, *(one for one in found.stuck if one[0] not in seen))
    users = (*first.stuck_users, *(one for one in found.stuck_users if one[0].user not in seen))
    return stuck[:MOST_NAMED], users[:MOST_NAMED]


def report(done: CleanupReport) -> Json:
    """What a cleanup did, or would do."""
    return {
        "user": done.user,
        "dry_run": done.dry_run,
        "summary": str(done),
        "reaped": len(done.reaped),
        "kept": len(done.kept),
        "failed": len(done.failed),
        "stages": [_stage(stage) for stage in _one_each(done.stages)],
    }


def _one_each(stages: Iterable[StageReport]) -> Iterator[StageReport]:
    """A cleanup of many users has each stage once a user; here it is one, of all."""
    same: dict[Stage, list[StageReport]] = {}
    for stage in stages:
        same.setdefault(stage.stage, []).append(stage)
    for which, several in same.items():
        yield StageReport(
            which,
            sum(one.before for one in several),
            sum(one.after for one in several),
            tuple(found for one in several for found in one.reaped),
            tuple(found for one in several for found in one.kept),
            tuple(found for one in several for found in one.failed),
            max(one.duration for one in several),
        )


def _stage(stage: StageReport) -> Json:
    lists = {"reaped": stage.reaped, "kept": stage.kept, "failed": stage.failed}
    named = {name: [_finding(found) for found in several[:MOST_FINDINGS]] for name, several in lists.items()}
    totals = {f"{name}_total": len(several) for name, several in lists.items()}
    return {
        "stage": stage.stage.value,
        "before": stage.before,
        "after": stage.after,
        "duration": stage.duration,
        **named,
        **totals,
    }


def _finding(found: Finding) -> Json:
    return {
        "user": found.user,
        "key": found.key,
        "incarnation": found.incarnation,
        "health": found.verdict.health.value,
        "evidence": found.verdict.evidence,
    }


def refusal(event: Refused, now: float, *, brief: bool) -> Json:
    """A refusal; with its whole proof, as of when it was given, unless it is to be brief."""
    proof, then = event.refusal, event.stamp.at
    facts: Json = {
        "seq": event.stamp.seq,
        "ago": now - then,
        "user": event.user,
        "key": event.key,
        "waited": event.waited,
        "reason": proof.reason.value,
        "sentence": proof.sentence,
        "limit": proof.limit,
        "live": proof.live,
        "condemned": proof.condemned,
        "retry_after": proof.retry_after,
    }
    if brief:
        return facts
    holders = [
        manager(event.user, holder, then) | {"kept": list(holder.kept)}
        for holder in proof.holders[:MOST_FINDINGS]
    ]
    return facts | {"stages": [_stage(stage) for stage in proof.stages], "holders": holders}


_ACTS = (
    ReapStarted,
    Forced,
    Condemned,
    GaveUp,
    LimitChanged,
    SettingsChanged,
    SweepHeld,
    SweeperFailed,
    RecycleAdvised,
    NodeJoined,
    LeaseLost,
    EngineChanged,
    Reconciled,
)


def is_act(event: Event) -> bool:
    """Was something done about somebody? Of cleanups, also on other nodes, those that found anybody."""
    if isinstance(event, CleanedUp):
        return bool(event.report.reaped or event.report.failed)
    if isinstance(event, OwnersAsked):
        return bool(event.freed)
    return isinstance(event, _ACTS)


def line(event: Event | EventsLost, now: float) -> Json:
    """One event as one line, as the log would say it; or how many were skipped."""
    if isinstance(event, EventsLost):
        return {"skipped": event.count}
    entry = entry_of(event)
    facts = {} if entry is None else entry.facts
    return {
        "seq": event.stamp.seq,
        "ago": now - event.stamp.at,
        "event": type(event).__name__ if entry is None else entry.row.event_id,
        "level": logging.getLevelName(logging.DEBUG if entry is None else entry.row.level),
        "text": type(event).__name__ if entry is None else entry.message,
        "user": facts.get("user"),
        "key": facts.get("key"),
        "incarnation": facts.get("incarnation"),
        "act": is_act(event),
    }


def counts(numbers: Counts) -> Json:
    """All counts by their names."""
    names = [field.name for field in attrs.fields(Counts) if field.name != "cluster"]
    facts = {name: _count(getattr(numbers, name)) for name in names}
    return facts | {"average_managers_per_user": numbers.average_managers_per_user}


def _count(value: object) -> object:
    match value:
        case Histogram():
            return {"bounds": BOUNDS, "counts": value.counts, "sum": value.sum, "count": value.count}
        case StageCounts():
            return attrs.asdict(value)
        case Mapping():
            each = cast("Mapping[Enum, object]", value)
            return {key.value: _count(number) for key, number in each.items()}
        case _:
            return value
