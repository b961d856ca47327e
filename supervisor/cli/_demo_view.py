"""How a step of the demo is told. Pure."""

from __future__ import annotations

import attrs
from rich.console import RenderableType
from rich.table import Table

from ._tables import FAINT, HEAD, below, health, indented, text

# What a step says stands under its title.
DEPTH = 8


@attrs.frozen
class Slot:
    """One slot of the user, and the evidence on who holds it."""

    key: str
    health: str
    evidence: str


@attrs.frozen
class Step:
    """Something that happened, and what one should see in it."""

    at: float
    """Seconds since the demo began."""
    title: str
    said: tuple[str, ...]
    """A paragraph each."""
    facts: tuple[str, ...] = ()
    """What the runtime said, word for word."""
    slots: tuple[Slot, ...] = ()


def step_view(step: Step) -> RenderableType:
    """Ends with an empty line."""
    return below(
        _title(step),
        *(indented(paragraph, DEPTH) for paragraph in step.said),
        *(_fact(fact) for fact in step.facts),
        _slots(step) if step.slots else None,
        text(""),
    )


def _title(step: Step) -> Table:
    grid = Table.grid(padding=0)
    grid.add_column(width=DEPTH)
    grid.add_column()
    grid.add_row(text(f"{step.at:.1f} s", FAINT), text(step.title, HEAD))
    return grid


def _fact(fact: str) -> Table:
    grid = Table.grid(padding=0)
    grid.add_column(width=DEPTH)
    grid.add_column(width=2)
    grid.add_column(overflow="fold")
    grid.add_row("", text(">", FAINT), text(fact, "yellow"))
    return grid


def _slots(step: Step) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=DEPTH - 2)
    for fold in ("ignore", "ignore", "fold"):
        grid.add_column(no_wrap=fold != "fold", overflow="fold")
    for slot in step.slots:
        grid.add_row("", text(slot.key), health(slot.health), text(slot.evidence, FAINT))
    return grid
