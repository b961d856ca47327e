"""Where results go: a table for a person, or one JSON document for a program. Never both."""

from __future__ import annotations

import json
import os
import sys

from rich.console import Console, RenderableType

from ._contract import Json
from ._tables import View

# What no terminal shows is read by a program, or by a person who scrolls: lines may be long, so
# that each row is one. COLUMNS says otherwise.
WIDE = 200


def console() -> Console:
    """Standard output; NO_COLOR, TERM and COLUMNS are heeded."""
    made = Console(markup=False, emoji=False, highlight=False)
    if not made.is_terminal and not os.environ.get("COLUMNS", "").isdecimal():
        made.width = WIDE
    return made


def show(facts: Json, view: View, *, as_json: bool) -> None:
    """The facts, one way or the other."""
    if as_json:
        show_json(facts)
    else:
        draw(view(facts))


def draw(what: RenderableType) -> None:
    """Print it, without blanks at the ends of lines."""
    screen = console()
    with screen.capture() as captured:
        screen.print(what)
    for line in captured.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()


def show_json(facts: Json) -> None:
    """In one line, and in ASCII: so no name can steer a terminal here either."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
