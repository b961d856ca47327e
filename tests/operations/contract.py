"""The contract between the operations and their clients, written down once: the keys of each answer.

A dict is an object with exactly these keys; what is not said to be anything else is a plain value.
"""

from __future__ import annotations

from typing import Any

import attrs

from supervisor import ClusterStatistics, Counts

ANY = object()
"""A plain value."""


def plain(*names: str, **nested: Any) -> dict[str, Any]:
    """An object of plain values, and of others."""
    return dict.fromkeys(names, ANY) | nested


@attrs.frozen
class Each:
    """A list, or a mapping, of which each value is like this."""

    of: Any


@attrs.frozen
class Maybe:
    """Like this, or null."""

    of: Any


USER = plain("user", "held", "limit", "condemned", "waiting")
MANAGER = plain(
    "user",
    "key",
    "incarnation",
    "health",
    "evidence",
    "until_in",
    "age",
    "connections",
    "phase",
    "phase_for",
    "where",
    "cause",
    "node",
    stack=Each(ANY),
)
FINDING = plain("user", "key", "incarnation", "health", "evidence")
STAGE = plain(
    "stage",
    "before",
    "after",
    "duration",
    "reaped_total",
    "kept_total",
    "failed_total",
    reaped=Each(FINDING),
    kept=Each(FINDING),
    failed=Each(FINDING),
)
REPORT = plain("user", "dry_run", "summary", "reaped", "kept", "failed", stages=Each(STAGE))
LINE = plain("seq", "ago", "event", "level", "text", "user", "key", "incarnation", "act")
FIT = plain("ok", problems=Each(ANY))
HISTOGRAM = plain("sum", "count", bounds=Each(ANY), counts=Each(ANY))
STAGE_COUNTS = plain("runs", "reaped", "kept", "failed", "seconds")

_COUNTED = [field.name for field in attrs.fields(Counts) if field.name != "cluster"]

COUNTS = plain(*_COUNTED, "average_managers_per_user") | {
    "refusals": Each(ANY),
    "ends": Each(ANY),
    "reaps": Each(ANY),
    "cleanups": Each(ANY),
    "stages": Each(STAGE_COUNTS),
    "found": HISTOGRAM,
    "spawned": HISTOGRAM,
    "spawned_after_cleanup": HISTOGRAM,
    "refused": HISTOGRAM,
    "reaped": HISTOGRAM,
}

SURVEY = plain(
    "ago",
    "took",
    "users",
    "managers",
    health=Each(ANY),
    stuck=Each(MANAGER),
    condemned=Each(MANAGER),
    stuck_users=Each(plain("user", "stuck", "held", "limit")),
    fullest=Each(USER),
)

CLUSTER = plain(
    *(field.name for field in attrs.fields(ClusterStatistics)), "state", "lets_in", "limits_may_be_exceeded"
)

NODE = plain(
    "session",
    "name",
    "address",
    "lease",
    "expires_in",
    "is_me",
    figures=plain("managers", "users", "zombies"),
)
CLUSTER_COUNTS = plain(
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
NODES = {"cluster": CLUSTER, "problem": ANY, "nodes": Each(NODE), "counted": CLUSTER_COUNTS}
WHERE = plain("user", "problem", "total", managers=Each(MANAGER | {"here": ANY}))

OVERVIEW = plain(
    "at",
    "access",
    "uptime",
    "pid",
    "version",
    "probing",
    "limit",
    "process_limit",
    "sweep_period",
    live=FIT,
    ready=FIT,
    warnings=Each(ANY),
    cluster=Maybe(CLUSTER),
    lag=plain("now", "worst"),
    counts=COUNTS,
    rates=plain(
        "managers_created", "managers_cleaned_up", "resource_limit_hits", "emergency_cleanup_triggers"
    ),
    spawn=plain("p50", "p99"),
    survey=Maybe(SURVEY),
    at_limit=plain("total", users=Each(USER)),
    alerts=Each(plain("name", "summary", "user", "ago")),
)

SERIES = ("managers", "users", "zombies", "connections", "created", "refused", "cleaned", "spawn_p99", "lag")
HISTORY = plain("step", "ends_ago", series=dict.fromkeys(SERIES, Each(ANY)))
EVENTS = {"events": Each(LINE)}
USERS = plain("next", "total", "clustered", users=Each(USER))
EXPLANATION = plain(
    "user",
    "here",
    "clustered",
    "limit",
    "own_limit",
    "held",
    "waiting",
    "threads",
    "would_admit",
    managers=Each(MANAGER),
    condemned=Each(MANAGER),
    dry_run=REPORT,
)
REFUSALS = {
    "refusals": Each(
        plain(
            "seq",
            "ago",
            "user",
            "key",
            "waited",
            "reason",
            "sentence",
            "limit",
            "live",
            "condemned",
            "retry_after",
            stages=Each(STAGE),
            holders=Each(MANAGER | {"kept": Each(ANY)}),
        )
    )
}
STOPPED = plain("stopped", "condemned", "problem", ended=Each(plain("key", "incarnation", "node", "exit")))
LIMIT = plain("user", "limit", "clustered")
PROBING = plain("probing", changes=Each(ANY))
DUMP = plain(
    "tasks",
    groups=Each(plain("count", "depth", names=Each(ANY), stack=Each(ANY))),
    threads=Each(plain("name", stack=Each(ANY))),
)


def mistakes(facts: Any, contract: Any, where: str = "$") -> list[str]:
    """Where the facts are not as the contract says."""
    match contract:
        case Maybe(of):
            return [] if facts is None else mistakes(facts, of, where)
        case Each(of):
            each: dict[Any, Any] = facts if is_object(facts) else dict(enumerate(list[Any](facts)))
            return _below(each, dict.fromkeys(each, of), where)
        case _ if is_object(contract):
            fits = is_object(facts) and set(facts) == set(contract)
            return (
                _below(facts, contract, where) if fits else [f"{where} is {facts!r:.300}, not {[*contract]}"]
            )
        case _:
            is_plain = facts is None or isinstance(facts, str | int | float)
            return [] if is_plain else [f"{where} is {facts!r:.99}"]


def is_object(facts: Any) -> bool:
    """Is it what JSON calls an object?"""
    return isinstance(facts, dict)


def _below(facts: dict[Any, Any], contracts: dict[Any, Any], where: str) -> list[str]:
    """The mistakes of each value."""
    found = (mistakes(facts[name], of, f"{where}.{name}") for name, of in contracts.items())
    return [bad for several in found for bad in several]
