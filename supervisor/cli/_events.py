"""`events`: the last ones, and with --follow those to come, until Ctrl-C."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from rich.console import RenderableType

from ._client import Client, connected
from ._contract import Json, Line, Skipped
from ._failure import DONE
from ._feed import event_line, events_view
from ._screen import draw, show, show_json


def events(options: argparse.Namespace) -> int:
    """Show them oldest first."""
    with connected(options.where) as client:
        if options.follow:
            with suppress(KeyboardInterrupt):  # that is how one leaves it
                _follow(client, options)
        else:
            facts = client.get("events", last=options.last)
            show(facts, _view, as_json=options.json)
    return DONE


def _view(facts: Json) -> RenderableType:
    return events_view(facts["events"], datetime.now())


def _follow(client: Client, options: argparse.Namespace) -> None:
    """First subscribe, then ask for the past: so nothing falls in between."""
    with client.stream() as news:
        past = client.get("events", last=options.last)["events"]
        for event in unseen(past, news):
            if options.json:
                show_json(event)
            else:
                draw(event_line(event, datetime.now()))


def unseen(past: Iterable[Line | Skipped], news: Iterable[Line | Skipped]) -> Iterator[Line | Skipped]:
    """All of both, and each event once. Pure."""
    last = 0
    for events in (past, news):
        for event in events:
            if "skipped" in event:
                yield event
            elif event["seq"] > last:
                last = event["seq"]
                yield event
