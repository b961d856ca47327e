"""10,000 connections are drained inside the deadline, and no message that was acknowledged is lost."""

from __future__ import annotations

from functools import partial

import attrs
import pytest
import trio

from actors import ActorStopped, Connection, ConnectionClosed, UserManager, attach
from supervisor import ChildSpec, DrainSpec, Supervisor
from supervisor.testing import MemoryTransport, run

from .harness import opened

USERS, SESSIONS, CONNECTIONS = 1000, 5, 2
SPEC = DrainSpec(notice=1.0, spread=5.0, per_second=100.0, grace=5.0)

# What it takes to store one message, in seconds.
COMMIT = 0.02


@attrs.define(eq=False)
class Books:
    """What every server must agree with, whatever becomes of it."""

    stored: set[str] = attrs.field(factory=set[str])
    accepted: set[str] = attrs.field(factory=set[str])
    """By a mailbox."""


class Session(UserManager[tuple[Connection, str]]):
    """Stores what is said, and only then acknowledges it."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def handle(self, message: tuple[Connection, str]) -> None:
        connection, text = message
        await trio.sleep(COMMIT)
        self._books.stored.add(text)
        if connection.closed is None:
            connection.send_nowait(text)


async def serve(supervisor: Supervisor, books: Books, who: tuple[str, str], connection: Connection) -> None:
    """What an edge does: everything goes through the mailbox."""
    spec = ChildSpec(partial(Session, books))
    ref = (await supervisor.get_or_spawn(*who, spec)).ref
    try:
        with attach(ref, connection):
            while True:
                text = await connection.receive()
                await ref.tell((connection, text))
                books.accepted.add(text)
    except (ActorStopped, ConnectionClosed):
        return


async def speak(wire: MemoryTransport, name: str) -> None:
    """A client that goes on speaking until it is told to go."""
    number = 0
    while wire.ended is None:
        wire.arrive(f"{name}:{number}")
        number += 1
        await trio.sleep(1.0)


@attrs.define
class Outcome:
    took: float
    acknowledged: int
    lost: set[str]
    forgotten: set[str]
    """Accepted by a mailbox, and not worked off."""
    codes: set[int]
    late: int


async def drain_crowd() -> Outcome:
    books, wires = Books(), dict[str, MemoryTransport]()
    async with opened(SESSIONS, sweep_period=60.0) as (supervisor, _), trio.open_nursery() as nursery:
        for user in range(USERS):
            for session in range(SESSIONS):
                for tab in range(CONNECTIONS):
                    name = f"{user}/{session}/{tab}"
                    wire = wires[name] = MemoryTransport()
                    connection = Connection("memory", wire)
                    handler = partial(serve, supervisor, books, (str(user), str(session)))
                    nursery.start_soon(connection.run, handler)
                    nursery.start_soon(speak, wire, name)
            await trio.sleep(0.001)
        await trio.sleep(2.0)
        report = await supervisor.drain(SPEC)
        assert report.managers == USERS * SESSIONS
        late = len(report.overdue)
    acknowledged = {text for wire in wires.values() for text in wire.sent}
    return Outcome(
        took=report.duration,
        acknowledged=len(acknowledged),
        lost=acknowledged - books.stored,
        forgotten=books.accepted - books.stored,
        codes={wire.ended[0] for wire in wires.values() if wire.ended is not None},
        late=late,
    )


@pytest.mark.parametrize("seed", [1])
def test_10000_connections_are_drained_in_time_and_no_acknowledged_message_is_lost(seed: int) -> None:
    outcome = run(drain_crowd, seed=seed)
    assert outcome.acknowledged > 10_000
    assert outcome.lost == set()
    assert outcome.forgotten == set(), "who had time enough works off his mail"
    assert outcome.late == 0
    assert outcome.codes == {1012}
    assert SPEC.notice + SPEC.spread - 1 < outcome.took < SPEC.notice + SPEC.spread + SPEC.grace
