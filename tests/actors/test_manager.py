"""A manager's connections are evidence, are pushed to together, and are closed when it ends."""

from __future__ import annotations

import enum

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import (
    ActorRef,
    ActorStopped,
    Attached,
    Connection,
    ConnectionClosed,
    ConnectionSpec,
    Detached,
    Exit,
    ExitReason,
    Notice,
    TooManyConnections,
    UserManager,
    attach,
    attached_to,
    goodbye,
)

from . import virtual
from .puppets import Recorder, Stage, open_stage
from .test_connection import code, listen
from .wires import PaperWire


class Megaphone(UserManager[str | Exception]):
    """Pushes what it is told, or raises it."""

    async def handle(self, message: str | Exception) -> None:
        if isinstance(message, Exception):
            raise message
        self.broadcast(message)


async def connect(
    stage: Stage, ref: ActorRef[str | Exception], spec: ConnectionSpec | None = None
) -> tuple[Connection, PaperWire]:
    """One more client, attached and listening."""
    wire = PaperWire()
    connection = Connection("it", wire, spec or ConnectionSpec())

    async def hold(connection: Connection) -> None:
        with attach(ref, connection):
            await listen(connection)

    stage.nursery.start_soon(connection.run, hold)
    await wait_all_tasks_blocked()
    return connection, wire


def counted(notices: list[Notice]) -> list[Attached | int]:
    """Of the notices: what was attached, and how many were left at each detachment."""
    return [
        notice.connections if isinstance(notice, Detached) else notice
        for notice in notices
        if isinstance(notice, Attached | Detached)
    ]


async def test_attaching_and_detaching_is_evidence(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(Megaphone)
        seen: list[tuple[int | None, bool, float]] = []

        def look() -> None:
            seen.append((ref.pulse.connections, ref.pulse.ever_connected, ref.pulse.unconnected_since))

        look()
        await trio.sleep(1)
        first, _ = await connect(stage, ref)
        second, _ = await connect(stage, ref)
        look()
        assert ref.pulse.active_at == 1
        assert attached_to(ref) == (first, second)
        await trio.sleep(1)
        first.close()
        look()
        await trio.sleep(1)
        second.close()
        look()
        assert seen == [(0, False, 0), (2, True, 0), (1, True, 0), (0, True, 3)]
        assert counted(stage.notices) == [Attached(1), Attached(2), 1, 0]


async def test_a_closed_connection_is_detached_at_once_and_says_why(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(Megaphone)
        connection, wire = await connect(stage, ref)
        wire.hang_up(1001, "tab closed")
        await wait_all_tasks_blocked()
        assert stage.notices[-1] == Detached(0, "the connection is closed (1001: tab closed)")
        assert code(connection) == 1001


async def test_a_handler_that_lets_go_detaches_an_open_connection(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(Megaphone)
        connection = Connection("it", PaperWire())
        with attach(ref, connection):
            assert ref.pulse.connections == 1
        assert ref.pulse.connections == 0
        assert stage.notices[-1] == Detached(0, "its handler returned")
        connection.close()
        assert counted(stage.notices) == [Attached(1), 0]


async def test_there_is_a_limit_of_connections(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(Megaphone, "popular", connection_limit=2)
        await connect(stage, ref)
        second, _ = await connect(stage, ref)
        with pytest.raises(TooManyConnections, match="'popular' holds 2 connections already, its limit"):
            attach(ref, Connection("third", PaperWire())).__enter__()
        assert ref.pulse.connections == 2
        second.close()
        await connect(stage, ref)
        assert ref.pulse.connections == 2


async def test_a_plain_actor_holds_none(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(Recorder, "plain")
        with pytest.raises(TypeError, match="'plain' holds no connections: make its class a UserManager"):
            attach(ref, Connection("it", PaperWire())).__enter__()
        assert ref.pulse.connections is None


@pytest.mark.parametrize("dead", [False, True])
async def test_the_dead_and_the_dying_take_no_connection(dead: bool, autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(Megaphone)
        ref.stop()
        if dead:
            await ref.wait_stopped()
        with pytest.raises(ActorStopped):
            attach(ref, Connection("it", PaperWire())).__enter__()
        assert counted(stage.notices) == []


async def test_a_connection_that_is_ending_proves_nothing(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(Megaphone)
        connection = Connection("it", PaperWire())
        connection.close(4000, "enough")
        with pytest.raises(ConnectionClosed, match="4000: enough"):
            attach(ref, connection).__enter__()
        assert (ref.pulse.connections, ref.pulse.ever_connected) == (0, False)


async def test_a_push_reaches_all_but_the_one_that_does_not_keep_up(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(Megaphone)
        _, quick = await connect(stage, ref)
        slow, stalled = await connect(stage, ref, ConnectionSpec(outbox_bytes=300))
        _, other = await connect(stage, ref)
        stalled.stall()
        for i in range(10):
            await ref.tell(f"{i}" * 20)
            await wait_all_tasks_blocked()
        assert quick.sent == other.sent == [f"{i}" * 20 for i in range(10)]
        assert code(slow) == 4008
        assert len(attached_to(ref)) == 2
        assert ref.pulse.handled == 10


async def test_a_push_is_no_activity(autojump_clock: MockClock) -> None:
    class Ticker(Megaphone):
        async def on_start(self) -> None:
            self.start_soon(self.tick)

        async def tick(self) -> None:
            while True:
                self.broadcast("tick")
                await trio.sleep(1)

    async with open_stage() as stage:
        ref = await stage.start(Ticker)
        _, wire = await connect(stage, ref)
        await trio.sleep(15)
        assert len(wire.sent) >= 14
        assert ref.pulse.active_at == 0


@pytest.mark.parametrize("reason", ExitReason)
async def test_the_close_code_tells_why_the_manager_ended(
    reason: ExitReason, autojump_clock: MockClock
) -> None:
    codes = {
        ExitReason.CRASHED: 1011,
        ExitReason.START_FAILED: 1011,
        ExitReason.UNRESPONSIVE: 1011,
        ExitReason.EVICTED: 4009,
        ExitReason.DRAINED: 1012,
        ExitReason.FENCED: 1012,
    }
    async with open_stage() as stage:
        ref = await stage.start(Megaphone)
        connection, wire = await connect(stage, ref)
        ref.cell.cancel(reason)
        assert code(connection) is not None, "closed at once, not when the task ends"
        await wait_all_tasks_blocked()
        assert wire.log == [(codes.get(reason, 1001), f"session ended: {reason.value}"), "cut"]


@pytest.mark.parametrize("reason", [ExitReason.EVICTED, ExitReason.DRAINED, ExitReason.CRASHED])
def test_the_client_hears_the_details_of_what_was_done_by_policy_only(reason: ExitReason) -> None:
    told = goodbye(Exit(reason, "Retry in 3 s.", ValueError("secret")))[1]
    assert (told == "Retry in 3 s.") == (reason is not ExitReason.CRASHED)
    assert "secret" not in told


async def test_a_crash_closes_the_connections_with_an_error(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await stage.start(Megaphone)
        connection, _ = await connect(stage, ref)
        await ref.tell(ValueError("no"))
        await ref.wait_stopped()
        assert code(connection) == 1011
        assert counted(stage.notices) == [Attached(1), 0]


async def test_a_stopping_manager_can_still_push_its_last_words(autojump_clock: MockClock) -> None:
    class Polite(Megaphone):
        async def on_stop(self) -> None:
            self.broadcast("goodbye")

    async with open_stage() as stage:
        ref = await stage.start(Polite)
        _, wire = await connect(stage, ref)
        ref.stop()
        await ref.wait_stopped()
        await wait_all_tasks_blocked()
        assert wire.log == ["goodbye", (1001, "session ended: stopped"), "cut"]


class End(enum.Enum):
    """Ways for a connection and its manager to come apart."""

    HANG_UP = "the peer hangs up"
    CLOSE = "we close it"
    ABORT = "we cut it"
    STOP = "the manager is stopped"
    CANCEL = "the manager is cancelled"
    NOTHING = "a moment passes"


def bring_about(end: End, ref: ActorRef[str | Exception], connection: Connection, wire: PaperWire) -> None:
    match end:
        case End.HANG_UP:
            wire.hang_up()
        case End.CLOSE:
            connection.close()
        case End.ABORT:
            connection.abort()
        case End.STOP:
            ref.stop()
        case End.CANCEL:
            ref.cell.cancel(ExitReason.EVICTED)
        case End.NOTHING:
            pass


async def come_apart(ends: list[tuple[End, int]]) -> list[Attached | int]:
    async with open_stage() as stage:
        ref = await stage.start(Megaphone)
        clients = [await connect(stage, ref) for _ in range(2)]
        for end, which in ends:
            bring_about(end, ref, *clients[which])
            if end is End.NOTHING:
                await wait_all_tasks_blocked()
            assert ref.pulse.connections == len(attached_to(ref))
        ref.cell.cancel(ExitReason.SHUTDOWN)
        await ref.wait_stopped()
        assert (ref.pulse.connections, attached_to(ref)) == (0, ())
    return counted(stage.notices)


@virtual.unhurried
@given(st.lists(st.tuples(st.sampled_from(End), st.integers(0, 1)), max_size=8), virtual.seeds)
def test_each_attachment_has_exactly_one_detachment(ends: list[tuple[End, int]], seed: int) -> None:
    assert virtual.run(come_apart, ends, seed=seed) == [Attached(1), Attached(2), 1, 0]
