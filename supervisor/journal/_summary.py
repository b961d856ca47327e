"""What a journal tells in a few lines, and whether every promise was kept. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

import attrs

from supervisor import Condemned, Event, EventsLost, ReapStarted, Refused, Reserved, Terminal
from supervisor.checking import Violation, check_events

from ._lines import Header

E = TypeVar("E", bound=Event)

# How late anything may have been on a real clock without a word about it, in seconds: the supervisor
# tells only of longer stalls.
SLACK = 0.5


@attrs.frozen(kw_only=True)
class Summary:
    """One journal, judged."""

    name: str
    began: datetime
    until: datetime
    """The last that it tells of; both in UTC."""
    ended: bool
    torn: bool
    events: int
    lost: int
    users: int
    created: int
    """Managers for which a slot was held; some of them may never have come to run."""
    over: int
    """Those of them whose end is told."""
    refused: dict[str, int]
    """How often, by reason."""
    reaped: dict[str, int]
    condemned: int
    violations: tuple[Violation, ...]


def summed_up(
    name: str, header: Header, log: Iterable[Event | EventsLost], *, ended: bool, torn: bool
) -> Summary:
    """Count, and judge. Without an end, what was still under way is not held against anybody."""
    told = tuple(log)
    events = [event for event in told if isinstance(event, Event)]
    return Summary(
        name=name,
        began=header.wall,
        until=header.wall_time(max((event.stamp.at for event in events), default=header.clock)),
        ended=ended,
        torn=torn,
        events=len(events),
        lost=sum(loss.count for loss in told if isinstance(loss, EventsLost)),
        users=len({user for event in events if (user := getattr(event, "user", None)) is not None}),
        created=len(_of(Reserved, events)),
        over=len(_of(Terminal, events)),
        refused=_by(lambda event: event.refusal.reason.value, _of(Refused, events)),
        reaped=_by(lambda event: event.reason.value, _of(ReapStarted, events)),
        condemned=len(_of(Condemned, events)),
        violations=check_events(
            told,
            spec=header.spec,
            limit=header.limit,
            over=ended,
            clustered=header.clustered,
            slack=SLACK,
        ),
    )


def _of(kind: type[E], events: Iterable[Event]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def _by(word: Callable[[E], str], events: Iterable[E]) -> dict[str, int]:
    return dict(Counter(map(word, events)).most_common())


def in_words(summary: Summary, header: Header) -> Iterator[str]:
    """For people: a line at a time."""
    took = summary.until - summary.began
    yield summary.name
    yield f"  covers     {_moment(summary.began)} to {_moment(summary.until)} UTC ({_duration(took)})"
    yield f"  events     {summary.events}, and {summary.lost} lost"
    yield f"  users      {summary.users}"
    yield f"  managers   {summary.created} created, {summary.over} ended"
    yield f"  refused    {_counts(summary.refused)}"
    yield f"  reaped     {_counts(summary.reaped)}"
    yield f"  condemned  {summary.condemned}"
    if not summary.ended:
        yield "It has no end: the process was ended by force, or runs on. Judged up to there."
    if summary.torn:
        yield "Its last line was cut off in the middle, and is left out."
    yield from _verdict(summary, header)


def _verdict(summary: Summary, header: Header) -> Iterator[str]:
    broken = summary.violations
    if not broken:
        yield "Nothing was broken."
        return
    yield f"{len(broken)} {'promise was' if len(broken) == 1 else 'promises were'} broken:"
    for violation in broken:
        yield f"  {_where(violation, header)}: {violation.rule}: {violation.detail}"


def _where(violation: Violation, header: Header) -> str:
    if violation.event is None:
        return "at the end"
    stamp = violation.event.stamp
    return f"event {stamp.seq}, {_moment(header.wall_time(stamp.at))} UTC"


def _counts(counts: dict[str, int]) -> str:
    words = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    return f"{sum(counts.values())} ({words})" if counts else "0"


def _moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S.") + f"{when.microsecond // 1000:03}"


def _duration(took: timedelta) -> str:
    return str(took).partition(".")[0] if took >= timedelta(minutes=1) else f"{took.total_seconds():.3g} s"


def as_json(summary: Summary, header: Header) -> dict[str, Any]:
    """For programs: times in ISO format."""
    said = attrs.asdict(summary, recurse=False)
    said["began"], said["until"] = summary.began.isoformat(), summary.until.isoformat()
    said["violations"] = [_violation(each, header) for each in summary.violations]
    return said


def _violation(violation: Violation, header: Header) -> dict[str, Any]:
    said: dict[str, Any] = {"rule": violation.rule, "detail": violation.detail, "seq": None, "at": None}
    if violation.event is not None:
        stamp = violation.event.stamp
        said |= {"seq": stamp.seq, "at": header.wall_time(stamp.at).isoformat()}
    return said
