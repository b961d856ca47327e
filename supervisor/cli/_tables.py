"""How a text and a table look here. Nothing that was told is ever taken for markup. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ._words import printable

View: TypeAlias = Callable[[Any], RenderableType]
"""Makes of facts what a person reads."""

STYLES: Mapping[str, str] = {
    "healthy": "green",
    "idle": "cyan",
    "busy": "yellow",
    "starting": "blue",
    "stopping": "blue",
    "disconnected": "magenta",
    "unknown": "magenta",
    "unresponsive": "bold red",
    "condemned": "bold red",
}
"""Of each verdict."""

LEVELS: Mapping[str, str] = {
    "DEBUG": "dim",
    "INFO": "",
    "WARNING": "yellow",
    "ERROR": "red",
    "CRITICAL": "bold red",
}

BAD, GOOD, FAINT, HEAD = "bold red", "green", "dim", "bold"


def text(words: str, style: str = "") -> Text:
    """The words as they are, fit for a terminal: `[red]` and `:smile:` are only characters."""
    return Text(printable(words), style)


def line(*parts: str | tuple[str, str] | Text) -> Text:
    """One line of parts, each perhaps with a style."""
    whole = Text()
    for part in parts:
        if isinstance(part, tuple):
            part = text(*part)  # noqa: PLW2901  # the same part, made printable
        whole.append_text(text(part) if isinstance(part, str) else part)
    return whole


def health(verdict: str) -> Text:
    return text(verdict, STYLES.get(verdict, ""))


def table(*heads: str, cut: bool = False) -> Table:
    """Columns under their names: one that begins with `>` is a number, the last takes what is left.

    With `cut` each row is one line, and what does not fit is cut off.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=FAINT, show_edge=False)
    for head in heads:
        right = head.startswith(">")
        made.add_column(
            text(head.removeprefix(">")),
            justify="right" if right else "left",
            no_wrap=cut or right,
            overflow="ellipsis" if cut else "fold",
        )
    return made


def indented(words: str, depth: int = 4, style: str = "") -> Table:
    """Folds under its own first letter."""
    grid = Table.grid(padding=0)
    grid.add_column(width=depth)
    grid.add_column(overflow="fold")
    grid.add_row("", text(words, style))
    return grid


def below(*parts: RenderableType | None) -> Group:
    """One under the other; None: nothing."""
    return Group(*(part for part in parts if part is not None))


def paragraphs(*parts: RenderableType | None) -> Group:
    """One under the other, with an empty line between them."""
    there = [part for part in parts if part is not None]
    return Group(*[part for each in there for part in (Text(), each)][1:])
