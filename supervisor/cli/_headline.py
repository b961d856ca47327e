"""The head of a frame: who it is, is it well, how many are there, how fast is it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rich.text import Text

from ._contract import Fitness, Overview, Survey
from ._nodes import cluster_line
from ._tables import BAD, FAINT, GOOD, HEAD, STYLES, line, text
from ._words import counted, duration

# The event loop came so late, in seconds, that a person feels it.
LATE = 0.1

# A survey older than this, in seconds, is said to be.
STALE = 5.0

# Characters of the bar of verdicts, at least.
SHORTEST_BAR = 10


def headline(overview: Overview, *, at: datetime, address: str, problem: str, width: int) -> list[Text]:
    """Its lines; each is cut where it does not fit."""
    lines = [
        _identity(overview, at, address, width),
        _fitness(overview) if not problem else text(problem, BAD),
        _numbers(overview),
        _speed(overview),
        _rates(overview["rates"]),
        *([] if overview["cluster"] is None else [cluster_line(overview["cluster"])]),
        *_verdicts(overview["survey"], width),
    ]
    for each in lines:
        each.no_wrap, each.overflow = True, "ellipsis"
    return lines


def _identity(overview: Overview, at: datetime, address: str, width: int) -> Text:
    who = line(
        ("trouper", HEAD),
        f" {overview['version']}".rstrip(),
        f"  pid {overview['pid']}  up {duration(overview['uptime'])}  ",
        (address, FAINT),
    )
    clock = f"{at:%H:%M:%S}"
    who.truncate(width - len(clock) - 1, overflow="ellipsis", pad=True)
    return line(who, " ", clock)


def _fitness(overview: Overview) -> Text:
    said = line(_fit("live", overview["live"]), "   ", _fit("ready", overview["ready"]))
    for warning in overview["warnings"]:
        said = line(said, "   ", (warning, "yellow"))
    return said if overview["probing"] else line(said, "   ", ("probing is off", "yellow"))


def _fit(word: str, fitness: Fitness) -> Text:
    if fitness["ok"]:
        return text(word, GOOD)
    return text(f"not {word}: {', '.join(fitness['problems'])}", BAD)


def _numbers(overview: Overview) -> Text:
    counts = overview["counts"]
    limit = overview["limit"]
    return line(
        (counted(counts["managers"], "manager"), HEAD),
        f"   {counted(counts['users'], 'user')}   {counted(counts['connections'], 'connection')}   ",
        (f"{counts['zombies']:,} condemned", BAD if counts["zombies"] else ""),
        f"   limit {'varies' if limit is None else limit}",
    )


def _speed(overview: Overview) -> Text:
    lag, spawn = overview["lag"], overview["spawn"]
    return line(
        "loop lag ",
        (duration(lag["now"]), BAD if lag["now"] >= LATE else ""),
        ", worst ",
        (duration(lag["worst"]), BAD if lag["worst"] >= LATE else ""),
        f"   spawn p50 {duration(spawn['p50'])}, p99 {duration(spawn['p99'])}",
    )


def _rates(rates: Mapping[str, float]) -> Text:
    refused = rates["resource_limit_hits"]
    return line(
        f"a minute: {rates['managers_created']:,.0f} created, ",
        f"{rates['managers_cleaned_up']:,.0f} cleaned up, ",
        (f"{refused:,.0f} refused", "yellow" if refused else ""),
        f", {rates['emergency_cleanup_triggers']:,.0f} emergency cleanups",
    )


def _verdicts(survey: Survey | None, width: int) -> list[Text]:
    """How many of each verdict, as words and as a bar."""
    if survey is None:
        return [text("nobody has been looked at yet", FAINT)]
    known = survey["health"]
    ranked = [(verdict, known[verdict]) for verdict in dict.fromkeys((*STYLES, *known)) if known.get(verdict)]
    words = line(*(part for pair in ranked for part in _verdict(*pair)))
    if survey["ago"] > STALE:
        words = line(words, (f"as of {duration(survey['ago'])} ago", FAINT))
    return [words, _bar(ranked, width)] if ranked else [text("nobody is here", FAINT)]


def _verdict(verdict: str, number: int) -> tuple[Text, str]:
    why = " (the loop stood still: they are judged anew)" if verdict == "unknown" else ""
    return text(f"{number:,} {verdict}{why}", STYLES.get(verdict, "")), "   "


def _bar(ranked: list[tuple[str, int]], width: int) -> Text:
    """Each verdict's part of the width; whoever is there at all has a character."""
    room = max(SHORTEST_BAR, width)
    total = sum(number for _, number in ranked)
    sizes = [max(1, room * number // total) for _, number in ranked]
    sizes[sizes.index(max(sizes))] += room - sum(sizes)
    bar = Text()
    for (verdict, _), size in zip(ranked, sizes, strict=True):
        bar.append("━" * size, STYLES.get(verdict, ""))
    return bar
