"""The facts of an event as plain JSON, and the words for a sentence about it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum
from typing import Any, TypeAlias, cast

import attrs

from actors import Exit

from ._events import Event, EventsLost, Stamp
from ._report import CleanupReport, DrainReport, Finding, Holder, Refusal, StageReport, Verdict
from ._spec import HealthPolicy, SupervisorSpec

# No word of a sentence is longer, in characters: who chooses his name does not choose the log's size.
LONGEST_WORD = 500

Fact: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None
"""Plain JSON, without infinities."""

Facts: TypeAlias = dict[str, Fact]


def facts_of(event: Event | EventsLost) -> Facts:
    """All that it says, and whom it is about: None where it is about no one."""
    facts: Facts = dict.fromkeys(("seq", "at", "user", "key", "incarnation"))
    now = event.stamp.at if isinstance(event, Event) else 0.0
    for field in attrs.fields(type(event)):
        facts |= _facts_of(field.name, getattr(event, field.name), now)
    return facts


# Points in time of Trio's clock say nothing to a reader: durations do. In seconds, up to the event.
_SINCE = {"since": "in_phase", "cancelled_at": "cancelled_for", "ending_since": "took"}

# `name` is LogRecord's own.
_RENAMED = _SINCE | {"name": "handler"}


def _facts_of(name: str, value: object, now: float) -> Facts:
    """One field of an event as facts: several, where it is a record itself."""
    match value:
        case Stamp(seq=seq, at=at):
            return {"seq": seq, "at": _plain(at)}
        case Verdict() | Exit() | CleanupReport() | DrainReport() | Refusal():
            return _of_record(value)
        case HealthPolicy() | SupervisorSpec():
            return {}  # long, and known from where it was set
        case float() if name == "until":
            return {"hold": _plain(value - now)}
        case float() if name in _SINCE:
            value = now - value
        case _:
            pass
    return {_RENAMED.get(name, name): _plain(value)}


def _of_record(record: Verdict | Exit | CleanupReport | DrainReport | Refusal) -> Facts:
    match record:
        case Verdict():
            return {"health": record.health.value, "evidence": record.evidence}
        case Exit(reason=reason, detail=detail, error=error):
            return {
                "reason": reason.value,
                "detail": detail,
                "error": None if error is None else _repr(error),
            }
        case CleanupReport():
            return _of_report(record)
        case DrainReport():
            return _of_drain(record)
        case Refusal():
            return _of_refusal(record)


def _plain(value: object) -> Fact:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Enum():
            return str(value.value)
        case tuple():
            return [_plain(item) for item in cast("tuple[object, ...]", value)]
        case _:
            return _repr(value)


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001  # somebody's error, which is told all the same
        return f"<{type(value).__qualname__}, whose repr raises>"


def _of_report(report: CleanupReport) -> Facts:
    """Of all users together, how many; of one user, what each stage did."""
    counts: Facts = {
        "user": report.user,
        "reaped": len(report.reaped),
        "kept": len(report.kept),
        "failed": len(report.failed),
    }
    return counts if report.user is None else counts | {"stages": _of_stages(report.stages)}


def _of_stages(stages: Iterable[StageReport]) -> list[Any]:
    return [
        {
            "stage": stage.stage.value,
            "reaped": _keys(stage.reaped),
            "kept": _keys(stage.kept),
            "failed": _keys(stage.failed),
            "duration": _plain(stage.duration),
        }
        for stage in stages
    ]


def _keys(findings: Iterable[Finding]) -> list[str]:
    return [finding.key for finding in findings]


def _of_drain(report: DrainReport) -> Facts:
    return {
        "managers": report.managers,
        "overdue": list(report.overdue),
        "condemned": list(report.condemned),
        "duration": _plain(report.duration),
    }


def _of_refusal(refusal: Refusal) -> Facts:
    return {
        "reason": refusal.reason.value,
        "why": refusal.sentence,
        "limit": refusal.limit,
        "held": refusal.live,
        "condemned": refusal.condemned,
        "retry_after": _plain(refusal.retry_after),
        "holders": [_of_holder(holder) for holder in refusal.holders],
        "stages": _of_stages(refusal.stages),
    }


def _of_holder(holder: Holder) -> Facts:
    return {
        "key": holder.key,
        "incarnation": holder.incarnation,
        "health": holder.verdict.health.value,
        "evidence": holder.verdict.evidence,
        "age": _plain(holder.age),
        "connections": holder.connections,
        "kept": list(holder.kept),
        "node": holder.node,
    }


# Words


def words_of(facts: Facts) -> dict[str, str]:
    """One line each, fit for a terminal; `who` and the like are put together of several facts."""
    user, key, incarnation = facts["user"], facts["key"], facts["incarnation"]
    who = "all users" if user is None else str(user)
    who += "" if key is None else f"/{key}"
    who += "" if incarnation is None else f"#{incarnation}"
    ending = [str(facts[name]) for name in ("reason", "detail", "error") if facts.get(name)]
    phrases: Facts = {
        "who": who,
        "whose": "each user" if user is None else f"user {user}",
        "exit": ": ".join(ending),
        "blocker": str(facts.get("actor") or "no actor"),
    }
    return {name: _word(value) for name, value in (facts | phrases).items()}


def _word(value: Fact) -> str:
    match value:
        case float():
            return f"{round(value, 3):g}"
        case list():
            return printable("; ".join(map(str, value)))
        case _:
            return printable(str(value))


def printable(text: str) -> str:
    """Fit for one line of a terminal: names are whatever users called themselves."""
    if len(text) > LONGEST_WORD:
        text = f"{text[:LONGEST_WORD]}..."
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
