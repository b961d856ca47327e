"""Facts as the API gives them, made up: each with all its fields, and those that matter as asked for."""

from __future__ import annotations

from typing import Any

from supervisor.cli._contract import (
    Alert,
    Cluster,
    Finding,
    Holder,
    Line,
    Located,
    Manager,
    Node,
    Nodes,
    Overview,
    Refusal,
    Report,
    Stage,
    Standing,
    Survey,
    User,
    Whereabouts,
)

WHERE = "/srv/chat/session.py:41 in Session.flush"
STACK = ["/srv/chat/main.py:12 in serve", WHERE]


def user(name: str = "ann", **others: Any) -> User:
    plain: User = {"user": name, "held": 1, "limit": 20, "condemned": 0, "waiting": 0}
    return {**plain, **others}  # type: ignore[typeddict-item]


def manager(key: str = "tab", health: str = "healthy", **others: Any) -> Manager:
    plain: Manager = {
        "user": "ann",
        "key": key,
        "incarnation": 7,
        "health": health,
        "evidence": "parked on its empty mailbox",
        "until_in": None,
        "age": 12.0,
        "connections": None,
        "phase": "parked",
        "phase_for": 3.0,
        "where": "",
        "stack": [],
        "cause": "",
        "node": "",
    }
    return {**plain, **others}  # type: ignore[typeddict-item]


def stuck(key: str = "tab", **others: Any) -> Manager:
    evidence = "in handle(Work) for 42.3 s, budget 5 s"
    return manager(key, "unresponsive", **{"evidence": evidence, "where": WHERE, "stack": STACK} | others)


def finding(key: str = "tab", health: str = "unresponsive", **others: Any) -> Finding:
    plain: Finding = {"user": "ann", "key": key, "incarnation": 7, "health": health, "evidence": "hangs"}
    return {**plain, **others}  # type: ignore[typeddict-item]


def stage(name: str, *, reaped: int = 0, kept: int = 0, failed: int = 0, named: int = 200) -> Stage:
    def several(kind: str, number: int) -> list[Finding]:
        return [finding(f"{kind}-{n}") for n in range(min(number, named))]

    return {
        "stage": name,
        "before": reaped + kept + failed,
        "after": kept + failed,
        "duration": 0.012,
        "reaped": several("gone", reaped),
        "kept": several("kept", kept),
        "failed": several("left", failed),
        "reaped_total": reaped,
        "kept_total": kept,
        "failed_total": failed,
    }


def report(*stages: Stage, user: str | None = "ann", dry_run: bool = False) -> Report:
    return {
        "user": user,
        "dry_run": dry_run,
        "summary": "",
        "reaped": sum(one["reaped_total"] for one in stages),
        "kept": stages[-1]["kept_total"] if stages else 0,
        "failed": sum(one["failed_total"] for one in stages),
        "stages": list(stages),
    }


def standing(*managers: Manager, **others: Any) -> Standing:
    plain: Standing = {
        "user": "ann",
        "here": True,
        "clustered": False,
        "limit": 20,
        "own_limit": False,
        "held": len(managers),
        "waiting": 0,
        "threads": 0,
        "would_admit": True,
        "managers": list(managers),
        "condemned": [],
        "dry_run": report(dry_run=True),
    }
    return {**plain, **others}  # type: ignore[typeddict-item]


def event(text: str = "ann/tab#7 runs", *, seq: int = 1, level: str = "INFO", ago: float = 0.0) -> Line:
    return {
        "seq": seq,
        "ago": ago,
        "event": "supervisor.spawn.started",
        "level": level,
        "text": text,
        "user": "ann",
        "key": "tab",
        "incarnation": 7,
    }


def alert(name: str = "TrouperUsersAtLimit", **others: Any) -> Alert:
    plain: Alert = {"name": name, "summary": "1 user is at the limit.", "user": None, "ago": 61.0}
    return {**plain, **others}  # type: ignore[typeddict-item]


def refusal(key: str = "more", **others: Any) -> Refusal:
    holder: Holder = {**manager("tab-0"), "kept": ["liveness: healthy"]}
    plain: Refusal = {
        "seq": 7,
        "ago": 5.0,
        "user": "ann",
        "key": key,
        "waited": 0.001,
        "reason": "limit",
        "sentence": "Limit reached: 1 of 1 sessions alive. Tried garbage, liveness. Retry in 5 s.",
        "limit": 1,
        "live": 1,
        "condemned": 0,
        "retry_after": 5.0,
        "stages": [stage("garbage", kept=1), stage("liveness", kept=1)],
        "holders": [holder],
    }
    return {**plain, **others}  # type: ignore[typeddict-item]


def survey(*managers: Manager, **others: Any) -> Survey:
    """Of those who hang, among ten healthy ones."""
    hanging = [one for one in managers if one["health"] == "unresponsive"]
    condemned = [one for one in managers if one["health"] == "condemned"]
    plain: Survey = {
        "ago": 0.5,
        "took": 0.01,
        "users": 10,
        "managers": 10 + len(hanging),
        "health": {"unresponsive": len(hanging), "condemned": len(condemned), "healthy": 10},
        "stuck": hanging,
        "condemned": condemned,
        "fullest": [],
        "stuck_users": [],
    }
    return {**plain, **others}  # type: ignore[typeddict-item]


def overview(**others: Any) -> Overview:
    fit: Any = {"ok": True, "problems": []}
    plain: Overview = {
        "at": 1.0,
        "uptime": 8000.0,
        "pid": 4711,
        "version": "0.1.0",
        "live": fit,
        "ready": fit,
        "warnings": [],
        "cluster": None,
        "probing": True,
        "limit": 20,
        "process_limit": None,
        "sweep_period": 300.0,
        "lag": {"now": 0.0003, "worst": 0.012},
        "counts": {
            "managers": 2020,
            "users": 2001,
            "connections": 1980,
            "zombies": 0,
            "resource_limit_hits": 3,
        },
        "rates": {
            "managers_created": 120.0,
            "managers_cleaned_up": 3.0,
            "resource_limit_hits": 0.0,
            "emergency_cleanup_triggers": 1.0,
        },
        "spawn": {"p50": 0.0005, "p99": None},
        "survey": survey(),
        "at_limit": {"total": 0, "users": []},
        "alerts": [],
    }
    return {**plain, **others}  # type: ignore[typeddict-item]


def cluster(**others: Any) -> Cluster:
    """A node among three that is well."""
    plain: Cluster = {
        "node": "chat-1",
        "address": "10.0.0.1:8000",
        "engine": "redis://engine:6379",
        "state": "up",
        "standing": "up",
        "standing_for": 8000.0,
        "why": "",
        "lease": 15.0,
        "lease_left": 12.5,
        "no_lease": "",
        "kept": False,
        "lets_in": True,
        "limits_may_be_exceeded": False,
        "warming": 0.0,
        "nodes": 3,
        "slots": 2020,
        "calls": 9000,
        "failures": 0,
        "connects": 1,
        "gaps": 0,
        "round_trip": 0.0004,
    }
    return {**plain, **others}  # type: ignore[typeddict-item]


AWAY: dict[str, Any] = {
    "state": "down",
    "standing": "down",
    "standing_for": 21.0,
    "lease_left": None,
    "no_lease": "its last one is over: the connection was cut",
    "nodes": 0,
    "slots": 0,
    "lets_in": False,
    "failures": 42,
}
"""How a node stands whose engine is away."""


def node(name: str = "chat-1", **others: Any) -> Node:
    plain: Node = {
        "session": f"{name}-4f",
        "name": name,
        "address": "10.0.0.1:8000",
        "lease": 15.0,
        "expires_in": 13.5,
        "figures": {"managers": 2020, "users": 2001, "zombies": 0},
        "is_me": False,
    }
    return {**plain, **others}  # type: ignore[typeddict-item]


def nodes(*those: Node, **others: Any) -> Nodes:
    names = (
        ("leases_begun", 1),
        ("leases_lost", 0),
        ("warmings", 0),
        ("engine_changes", 0),
        ("owners_asked", 6),
        ("owners_silent", 0),
        ("slots_freed_elsewhere", 5),
        ("orphans_dropped", 1),
        ("slots_added", 2),
        ("slots_lost", 0),
        ("found_elsewhere", 3),
        ("not_admitted", 0),
    )
    plain: Nodes = {"cluster": cluster(), "problem": None, "nodes": [*those], "counted": dict(names)}
    return {**plain, **others}  # type: ignore[typeddict-item]


def located(key: str = "tab", on: str = "chat-1", health: str = "healthy", **others: Any) -> Located:
    return {**manager(key, health), "node": on, "here": on == "chat-1", **others}  # type: ignore[typeddict-item]


def whereabouts(*managers: Located, **others: Any) -> Whereabouts:
    plain: Whereabouts = {
        "user": "ann",
        "problem": None,
        "total": len(managers),
        "managers": [*managers],
    }
    return {**plain, **others}  # type: ignore[typeddict-item]
