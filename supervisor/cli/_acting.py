"""The commands that act: each has one thing done, and says what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from ._client import Client, connected
from ._contract import Json, Report, Stopped
from ._failure import DONE, REFUSED, CommandFailed
from ._reports import report_view, stage_line, stopped_view, summed
from ._screen import draw, show
from ._tables import below, text

STAGES = ("garbage", "liveness", "evict")
"""In their order; each includes those before it."""


def cleanup(options: argparse.Namespace) -> int:
    """Remove whom the evidence speaks against, with a line for each stage as it is done."""
    with connected(options.where) as client:
        report = (
            _all_at_once(client, options) if options.json or options.dry_run else _staged(client, options)
        )
    if options.user is not None and not report["stages"]:
        raise CommandFailed(f"nothing of {options.user} is here: ps shows who is", status=REFUSED)
    show(report, _below_its_stages, as_json=options.json)
    return REFUSED if report["failed"] else DONE


def _below_its_stages(report: Report) -> RenderableType:
    return below(Text(), report_view(report))


def _all_at_once(client: Client, options: argparse.Namespace) -> Report:
    report: Report = _clean(client, options, options.until)
    if not options.json:
        for stage in report["stages"]:
            draw(stage_line(stage, dry_run=True))
    return report


def _staged(client: Client, options: argparse.Namespace) -> Report:
    """Each stage is asked for when the one before is done: so one sees where it takes long."""
    reports: list[Report] = []
    steps = STAGES[: STAGES.index(options.until) + 1]
    if options.until == "evict":  # it may be refused: then nobody has been touched
        steps = ("evict",)
    try:
        for until in steps:
            reports.append(_clean(client, options, until))
            for stage in reports[-1]["stages"]:
                if stage["stage"] == until:
                    draw(stage_line(stage))
    except CommandFailed:
        if reports:  # what was done until then is done
            draw(_below_its_stages(summed(reports)))
        raise
    return summed(reports)


def _clean(client: Client, options: argparse.Namespace, until: str) -> Report:
    body = {"user": options.user, "until": until, "dry_run": options.dry_run}
    report: Report = client.post("cleanup", body)
    return report


def stop(options: argparse.Namespace) -> int:
    """Stop one manager, or all of a user."""
    if options.incarnation is not None and options.key is None:
        raise CommandFailed("--incarnation goes with KEY: name the manager that is meant")
    body = {"user": options.user, "key": options.key, "incarnation": options.incarnation}
    with connected(options.where) as client:
        stopped: Stopped = client.post("stop", body)
    show(stopped, stopped_view, as_json=options.json)
    all_ended = len(stopped["ended"]) == stopped["stopped"] and not stopped["condemned"]
    all_ended &= not stopped["problem"]
    return DONE if all_ended else REFUSED


def limit(options: argparse.Namespace) -> int:
    """Change the limit of one user, or of all that have none of their own."""
    with connected(options.where) as client:
        facts = client.post("limit", {"user": options.user, "limit": options.limit})
    show(facts, _limit_view, as_json=options.json)
    return DONE


def _limit_view(facts: Mapping[str, Json]) -> Json:
    whose = "all who have none of their own" if facts["user"] is None else facts["user"]
    on = " on this node; each node goes by its own" if facts["clustered"] else ""
    return text(f"The limit of {whose} is now {facts['limit']}{on}.")


def probing(options: argparse.Namespace) -> int:
    """Have cleanup ask (probe hooks, pings), or have it go by what the runtime sees alone."""
    with connected(options.where) as client:
        facts = client.post("probing", {"on": options.state == "on"})
    show(facts, _probing_view, as_json=options.json)
    return DONE


def _probing_view(facts: Mapping[str, Json]) -> Json:
    changes: Sequence[str] = facts["changes"]
    now = f"Probing is {'on' if facts['probing'] else 'off'}"
    return text(f"{now} ({'; '.join(changes)})." if changes else f"{now}; it was so before.")
