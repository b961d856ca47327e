"""CPU per delivered message, with so many messages in flight: the next is said when one has reached all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from itertools import product
from statistics import median

import attrs

from .crowd import Crowd
from .plan import LARGE, SMALL, Plan
from .process import OURS, PICOWS, PLAIN, WEBSOCKETS, Server, serving
from .tables import NOISE, Bar, at_least, say, table

SIZES = (SMALL, LARGE)
WINDOWS = (1, 8)

# Messages before each cell that are not counted, and how long those under way may take, in seconds.
_WARM_UP = 16
_PATIENCE = 60.0


@attrs.frozen
class Cell:
    members: int
    size: int
    window: int


@attrs.frozen
class Measured:
    """One repetition of one cell."""

    server: str
    cell: Cell
    cost: float
    """Microseconds of the server's CPU per delivered message."""
    rate: float
    """Delivered messages a second."""


def run(plan: Plan, servers: Sequence[str]) -> list[Bar]:
    """Every server with every number of members, in shuffled order, again and again."""
    found: list[Measured] = []
    for repetition in range(plan.repetitions):
        order = list(product(servers, plan.members))
        random.shuffle(order)
        for name, members in order:
            came = _measure(plan, name, members)
            found += came
            costs = ", ".join(f"{one.cost:.1f}" for one in sorted(came, key=lambda one: _order(one.cell)))
            say(f"repetition {repetition + 1}, {name}, {members} members: {costs} us")
    _print(found, servers)
    return [bar for cell in _cells(found) for bar in _bars(cell, found)]


def _measure(plan: Plan, name: str, members: int) -> list[Measured]:
    with serving(name, plan.folder) as server:
        crowd = Crowd.gather(server.port, server.dialect(), members)
        try:
            cells = [Cell(members, size, window) for size, window in product(SIZES, WINDOWS)]
            random.shuffle(cells)
            return [_measure_cell(crowd, server, cell, plan.measured) for cell in cells]
        finally:
            crowd.close()


def _measure_cell(crowd: Crowd, server: Server, cell: Cell, seconds: float) -> Measured:
    """From nothing under way to nothing under way."""
    warm = crowd.said + _WARM_UP
    _keep_saying(crowd, cell, lambda: crowd.said >= warm)
    cpu, delivered, began = server.cpu(), crowd.delivered, time.perf_counter()
    _keep_saying(crowd, cell, lambda: time.perf_counter() - began >= seconds)
    took, count = time.perf_counter() - began, crowd.delivered - delivered
    return Measured(server.name, cell, 1e6 * (server.cpu() - cpu) / count, count / took)


def _keep_saying(crowd: Crowd, cell: Cell, enough: Callable[[], bool]) -> None:
    """Keep so many in flight; those freed together are said together. At the end wait for the last."""
    deadline = time.perf_counter() + _PATIENCE
    while not enough() and time.perf_counter() < deadline:
        free = cell.window - (crowd.said - crowd.settled)
        if free:
            crowd.say(free, cell.size)
        crowd.turn(0.1)
    if not crowd.drain(within=_PATIENCE):
        raise RuntimeError(f"{crowd.said - crowd.settled} messages have not reached all: {crowd.members}")


# Telling


def _order(cell: Cell) -> tuple[int, int, int]:
    return cell.window, cell.size, cell.members


def _cells(found: Sequence[Measured]) -> list[Cell]:
    return sorted({one.cell for one in found}, key=_order)


def _costs(found: Sequence[Measured], server: str, cell: Cell) -> list[float]:
    return [one.cost for one in found if one.server == server and one.cell == cell]


def _print(found: Sequence[Measured], servers: Sequence[str]) -> None:
    rows = [_row(found, servers, cell) for cell in _cells(found)]
    head = ("in flight", "bytes", "members", *servers)
    say(table("Server CPU per delivered message: us, median (min-max), xN against plain", head, rows))


def _row(found: Sequence[Measured], servers: Sequence[str], cell: Cell) -> list[str]:
    row = [str(cell.window), str(cell.size), str(cell.members)]
    plain = _costs(found, PLAIN, cell)
    for server in servers:
        costs = _costs(found, server, cell)
        ratio = f" x{median(plain) / median(costs):.2f}" if plain else ""
        row.append(f"{median(costs):.1f} ({min(costs):.1f}-{max(costs):.1f}){ratio}")
    return row


def _bars(cell: Cell, found: Sequence[Measured]) -> list[Bar]:
    """Against those that took part."""
    wanted = {1: {PLAIN: 3.5, WEBSOCKETS: 1.3, PICOWS: 1 / NOISE}, 8: {PLAIN: 15.0}}[cell.window]
    ours = _costs(found, OURS, cell)
    where = f"{cell.window} in flight, {cell.size} B, {cell.members} members"
    return [
        at_least(f"{where}: against {other}", median(_costs(found, other, cell)) / median(ours), bound)
        for other, bound in wanted.items()
        if ours and _costs(found, other, cell)
    ]
