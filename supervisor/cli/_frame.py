"""One frame of `top`: what an operator must see first, in as many lines as there are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import attrs
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ._contract import BriefRefusal, Line, Overview, Skipped, Survey
from ._feed import event_line
from ._headline import headline
from ._managers import stuck_groups
from ._tables import BAD, FAINT, HEAD, below, line, text
from ._words import counted, duration, identity

WARNING = "bold yellow"

# A screen with so many lines has some to spare between the lists.
SPACIOUS = 34


@attrs.frozen
class Seen:
    """What one frame is made of."""

    overview: Overview
    events: Sequence[Line | Skipped]
    """Oldest first."""
    refusals: Sequence[BriefRefusal]
    """Newest first."""
    at: datetime
    """The time of day here."""
    address: str
    problem: str = ""
    """Why this is how it stood last, and not how it stands now."""


@attrs.frozen
class Section:
    """A list under a title, of which as many rows are shown as there is room for."""

    title: str
    style: str
    rows: Sequence[Sequence[Text]]
    is_log: bool = False
    """The newest is last, and the oldest give way."""

    def drawn(self, count: int) -> RenderableType:
        hidden = len(self.rows) - count
        more = f"  {counted(hidden, 'line')} more" if hidden and not self.is_log else ""
        rows = self.rows[hidden:] if self.is_log else self.rows[:count]
        title = line((self.title, self.style), (more, FAINT))
        title.no_wrap, title.overflow = True, "ellipsis"
        return below(title, _grid(rows) if rows else None)


def frame(seen: Seen, *, width: int, height: int) -> RenderableType:
    """The frame, in at most `height` lines of `width` characters."""
    head = headline(seen.overview, at=seen.at, address=seen.address, problem=seen.problem, width=width)
    sections = [section for section in _sections(seen) if section.rows]
    gap = 1 if height >= SPACIOUS else 0
    room = height - len(head)
    counts = shares([len(section.rows) for section in sections], room - len(sections) * (1 + gap))
    lists = [section.drawn(count) for section, count in zip(sections, counts, strict=True)]
    spaced = [part for each in lists for part in ([Text(), each] if gap else [each])]
    return Group(*head[:height], *spaced[: max(0, room)])


def shares(wanted: Sequence[int], room: int) -> list[int]:
    """Rows for each: one each in turn, until all have what they want or there is no more room."""
    given = [0] * len(wanted)
    while room > 0 and (hungry := [n for n, want in enumerate(wanted) if given[n] < want]):
        for n in hungry[:room]:
            given[n] += 1
        room -= len(hungry)
    return given


def _grid(rows: Iterable[Sequence[Text]]) -> Table:
    """A line for each row; what does not fit is cut off, in the last column first."""
    listed = [*rows]
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    *first, _ = listed[0]
    grid.add_column(width=1)
    for _ in first:
        grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for row in listed:
        grid.add_row("", *row)
    return grid


def _sections(seen: Seen) -> Iterable[Section]:
    """The worst first."""
    overview, survey = seen.overview, seen.overview["survey"]
    yield _alerts(overview)
    if survey is not None:
        yield from _trouble(survey)
    yield _at_limit(overview)
    yield _refused(seen)
    news = [event for event in seen.events if event.get("level") != "DEBUG"]
    rows = [[event_line(event, seen.at)] for event in news]
    yield Section("LAST EVENTS", HEAD, rows, is_log=True)


def _alerts(overview: Overview) -> Section:
    alerts = overview["alerts"]
    rows = [
        (text(f"{duration(one['ago'])} ago", FAINT), text(one["name"], BAD), text(one["summary"]))
        for one in alerts
    ]
    return Section(f"ALERTS {len(rows)}", BAD, rows)


def _trouble(survey: Survey) -> Iterable[Section]:
    known: Mapping[str, int] = survey["health"]
    for title, verdict, managers in (
        ("STUCK", "unresponsive", survey["stuck"]),
        ("CONDEMNED", "condemned", survey["condemned"]),
    ):
        rows = stuck_groups(managers)
        yield Section(f"{title} {max(known.get(verdict, 0), len(managers)):,}", BAD, rows)


def _at_limit(overview: Overview) -> Section:
    rows = [
        (
            text(user["user"]),
            text(f"{user['held']:,} of {user['limit']:,}"),
            text(_beside(user["condemned"], user["waiting"])),
        )
        for user in overview["at_limit"]["users"]
    ]
    return Section(f"AT LIMIT {overview['at_limit']['total']:,}", WARNING, rows)


def _beside(condemned: int, waiting: int) -> str:
    parts = (f"{condemned:,} condemned" if condemned else "", f"{waiting:,} waiting" if waiting else "")
    return ", ".join(part for part in parts if part)


def _refused(seen: Seen) -> Section:
    rows = [
        (
            text(f"{duration(one['ago'])} ago", FAINT),
            text(identity(one["user"], one["key"])),
            text(one["sentence"]),
        )
        for one in seen.refusals
    ]
    return Section("REFUSED", WARNING, rows)
