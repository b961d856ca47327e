"""What happened: events, alerts, and refusals with their proof. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from rich.console import RenderableType
from rich.text import Text

from ._contract import Alert, Holder, Line, Refusal, Skipped
from ._reports import stage_line
from ._tables import BAD, FAINT, GOOD, HEAD, LEVELS, below, health, indented, line, paragraphs, table, text
from ._words import counted, duration, identity


def event_line(event: Line | Skipped, now: datetime) -> Text:
    """`12:03:44 WARNING ann/tab-1#2 is being removed: ...`."""
    if "skipped" in event:
        return text(f"         {counted(event['skipped'], 'event')} left out", FAINT)
    style = LEVELS.get(event["level"], "")
    return line(
        (clock(now, event["ago"]), FAINT), " ", (f"{event['level']:<7}", style), " ", (event["text"], style)
    )


def clock(now: datetime, ago: float) -> str:
    """The time of day of a moment so many seconds ago."""
    return f"{now - timedelta(seconds=ago):%H:%M:%S}"


def events_view(events: Iterable[Line | Skipped], now: datetime) -> RenderableType:
    lines = [event_line(event, now) for event in events]
    return below(*lines) if lines else text("Nothing has happened yet.", FAINT)


def alerts_view(alerts: Iterable[Alert]) -> RenderableType:
    """Newest first."""
    rows = [*alerts]
    if not rows:
        return text("No alert.", GOOD)
    told = table("ago", "alert", "about")
    for alert in rows:
        told.add_row(text(duration(alert["ago"])), text(alert["name"], BAD), text(alert["summary"]))
    return told


def refusals_view(refusals: Iterable[Refusal]) -> RenderableType:
    """Each with its whole proof, the newest last: that is where one looks."""
    told = [_refusal(refusal) for refusal in refusals]
    return paragraphs(*reversed(told)) if told else text("Nobody was refused.", GOOD)


def _refusal(refusal: Refusal) -> RenderableType:
    who = identity(refusal["user"], refusal["key"])
    return below(
        line((who, HEAD), f" {duration(refusal['ago'])} ago, after {duration(refusal['waited'])}"),
        indented(refusal["sentence"], 2, "yellow"),
        *(line("  ", stage_line(stage)) for stage in refusal["stages"]),
        _holders(refusal["holders"]) if refusal["holders"] else None,
    )


def _holders(holders: Iterable[Holder]) -> RenderableType:
    """In a cluster also on which node, where it is another one."""
    those = [*holders]
    elsewhere = any(one["node"] for one in those)
    rows = table("  holder", *(["on"] if elsewhere else []), "verdict", ">age", "evidence")
    for one in those:
        rows.add_row(
            text(f"  {one['key']}#{one['incarnation']}"),
            *([text(one["node"] or "here")] if elsewhere else []),
            health(one["health"]),
            text(duration(one["age"])),
            text(one["evidence"]),
        )
    return rows
