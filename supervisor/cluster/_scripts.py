"""Scripts: the Lua of each step, read from `scripts/`, with what it builds on put before it.

What the engine keeps, and why none of it grows without end (`{prefix}` with its braces is a hash tag, so that
all keys of a cluster live together; names come last, so that no two of them make one key):

- `{prefix}:clock`, `{prefix}:epoch`: a few numbers each.
- `{prefix}:nodes`, `{prefix}:about`, `{prefix}:figures`: one entry a session; those dead for ten leases are
  removed by the beats of the others.
- `{prefix}:slots:<user>`, `{prefix}:keys:<user>`: at most the user's slots, and some over if what was
  forgotten is counted all the same; they end a day after their last use.
- `{prefix}:log:<log>`: a stream, trimmed. There are as many as the application has names for.
- `{prefix}:seen:<length of log>:<log>:<id>`: the position of one entry; it expires.
- `{prefix}:place:<place>`: at most twice those who are present (or 64); it ends a day after the last
  who entered.
"""

from __future__ import annotations

from importlib.resources import files

from ._wire import Script

_SOURCES = files("supervisor.cluster") / "scripts"


def _script(name: str, *builds_on: str) -> Script:
    parts = [(_SOURCES / f"{part}.lua").read_text(encoding="utf-8") for part in (*builds_on, name)]
    return Script(name, "\n".join(parts))


OPEN = _script("open", "clock", "sessions")
BEAT = _script("beat", "clock", "sessions")
CLOSE = _script("close", "clock", "sessions")
NODES = _script("nodes", "clock", "sessions")
ADMIT = _script("admit", "clock", "sessions", "fields", "slots")
RELEASE = _script("release", "clock", "sessions", "fields", "slots")
RECONCILE = _script("reconcile", "clock", "sessions", "fields", "slots")
COUNTED = _script("counted", "clock", "sessions", "fields", "slots")
APPEND = _script("append", "clock", "sessions")
ENTRIES = _script("entries")
ENTER = _script("enter", "clock", "sessions", "fields", "places")
LEAVE = _script("leave", "clock", "sessions", "fields", "places")
PRESENT = _script("present", "clock", "sessions", "fields", "places")
