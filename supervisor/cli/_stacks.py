"""A dump: the tree of tasks, where each of them is, and every thread; equal stacks told once. Pure."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding

from ._contract import Dump, Thread
from ._contract import Group as Alike
from ._tables import FAINT, HEAD, below, indented, line, paragraphs
from ._words import counted, listed

# How far each group stands to the right of the one above it, and up to which depth.
INSET, DEEPEST = 2, 12

# A task that runs just now cannot be looked at.
NO_STACK = "(it runs, or has not begun)"


def dump_view(dump: Dump) -> RenderableType:
    return paragraphs(
        line(
            (counted(dump["tasks"], "task"), HEAD),
            f" in {counted(len(dump['groups']), 'place')}, {counted(len(dump['threads']), 'thread')}",
        ),
        *(_alike(group) for group in dump["groups"]),
        *(_thread(thread) for thread in dump["threads"]),
    )


def _alike(group: Alike) -> Padding:
    told = below(
        line((counted(group["count"], "task"), HEAD), ": ", _names(group)),
        *(indented(frame, 4, FAINT) for frame in group["stack"] or [NO_STACK]),
    )
    return Padding(told, (0, 0, 0, INSET * min(group["depth"], DEEPEST)))


def _names(group: Alike) -> str:
    """Tasks that run the same function mostly share its name: each is said once."""
    names = [*dict.fromkeys(group["names"])]
    if len(names) == 1:
        return names[0]
    return listed(names, most=len(names), total=len(names) + group["count"] - len(group["names"]))


def _thread(thread: Thread) -> Group:
    return below(
        line(("thread", HEAD), " ", thread["name"]),
        *(indented(frame, 4, FAINT) for frame in thread["stack"]),
    )
