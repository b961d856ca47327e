"""`top`: the whole at a glance, drawn anew each second, until q."""

from __future__ import annotations

import argparse
import time
from datetime import datetime

import attrs
from rich.console import Console
from rich.live import Live

from ._client import Client, connected, reach, surveyed
from ._contract import BriefRefusal, Overview
from ._failure import DONE, CommandFailed
from ._frame import Seen, frame
from ._keys import keyboard
from ._screen import console, draw, show_json
from ._where import Where

# Seconds between two frames.
PERIOD = 1.0

# More events than these no screen shows.
EVENTS = 100

# A frame for a pipe, in lines and characters: a sheet that can be read.
SHEET = 60, 100


def top(options: argparse.Namespace) -> int:
    """Draw until q or Ctrl-C; where nobody sees it, draw one frame."""
    screen = console()
    with connected(options.where) as client:
        if options.json:
            show_json(surveyed(client))
        elif not screen.is_terminal:
            height, width = SHEET
            surveyed(client)
            draw(frame(_Look(client).look(), width=min(width, screen.width), height=height))
        else:
            _live(_Look(client), screen)
    return DONE


def _live(look: _Look, screen: Console) -> None:
    seen = look.look()
    with keyboard() as wants_to_leave, Live(console=screen, screen=True, auto_refresh=False) as live:
        try:
            while True:
                live.update(frame(seen, width=screen.width, height=screen.height), refresh=True)
                if wants_to_leave(PERIOD):
                    return
                seen = _look_again(look, seen)
        except KeyboardInterrupt:
            return  # that is how one leaves it


def _look_again(look: _Look, before: Seen) -> Seen:
    """Should nobody answer, the frame says so, and it is tried again: it is looked at in trouble."""
    try:
        if before.problem:
            reach(look.where)
        return look.look()
    except CommandFailed as failed:
        return attrs.evolve(before, problem=f"as of {before.at:%H:%M:%S}: {failed.sentences[0]}")


@attrs.define(eq=False)
class _Look:
    """Asks for what a frame is made of; refusals, which are long, only when there is a new one."""

    _client: Client
    _refused: int = attrs.field(init=False, default=-1)
    _refusals: list[BriefRefusal] = attrs.field(init=False, factory=list[BriefRefusal])
    _asked_at: float = attrs.field(init=False, default=0.0)

    @property
    def where(self) -> Where:
        return self._client.where

    def look(self) -> Seen:
        overview: Overview = self._client.get("overview")
        news = self._client.get("events", last=EVENTS)["events"]
        hits: int = overview["counts"]["resource_limit_hits"]
        if hits != self._refused:
            self._refusals = self._client.get("refusals", brief=1)["refusals"]
            self._refused, self._asked_at = hits, time.monotonic()
        now = datetime.now()
        return Seen(overview, news, self._aged(), now, str(self.where))

    def _aged(self) -> list[BriefRefusal]:
        since = time.monotonic() - self._asked_at
        return [{**refusal, "ago": refusal["ago"] + since} for refusal in self._refusals]
