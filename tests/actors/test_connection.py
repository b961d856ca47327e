"""A connection sends in order within its bounds, and ends in an orderly way within its grace."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Connection, ConnectionClosed, ConnectionSpec

from . import virtual
from .wires import PaperWire

Handler = Callable[[Connection], Awaitable[None]]


async def listen(connection: Connection) -> None:
    """Read until the end."""
    while True:
        await connection.receive()


def code(connection: Connection) -> int | None:
    """The code it was closed with; None while it is open."""
    return None if connection.closed is None else connection.closed.code


async def idle(_: Connection) -> None:
    await trio.sleep_forever()


@asynccontextmanager
async def served(connection: Connection, handler: Handler = listen) -> AsyncGenerator[None]:
    """The connection runs; at the end the block waits until it has ended."""
    with trio.fail_after(virtual.FOREVER):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run, handler)
            await wait_all_tasks_blocked()
            yield


async def test_messages_leave_in_order(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    async with served(connection):
        for text in "abc":
            connection.send_nowait(text)
        await wait_all_tasks_blocked()
        assert wire.sent == ["a", "b", "c"]
        assert connection.statistics().queued_bytes == 0
        connection.close()


async def test_what_comes_in_is_received_in_order(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    heard: list[str] = []

    async def listen_to_three(connection: Connection) -> None:
        heard.extend([await connection.receive() for _ in range(3)])

    async with served(Connection("it", wire), listen_to_three):
        for text in "abc":
            wire.say(text)
    assert heard == ["a", "b", "c"]
    assert wire.log == [(1000, ""), "cut"]


@pytest.mark.parametrize("text", ["", "x" * 100, "ü" * 100], ids=["empty", "ascii", "wide"])
async def test_one_with_too_many_bytes_unread_is_cut_off(text: str, autojump_clock: MockClock) -> None:
    wire = PaperWire()
    wire.stall()
    connection = Connection("it", wire, ConnectionSpec(outbox_bytes=2000))
    size = len(wire.framing(text))
    async with served(connection):
        connection.send_nowait(text)
        await wait_all_tasks_blocked()  # it is held up
        for _ in range((2000 - size) // (64 + size)):
            connection.send_nowait(text)
        assert code(connection) is None
        with pytest.raises(ConnectionClosed, match="4008: too slow"):
            connection.send_nowait(text)
    assert (code(connection), wire.log) == (4008, ["cut"])
    assert trio.current_time() == 0


async def test_one_that_reads_nothing_for_the_stall_time_is_cut_off(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    wire.stall()
    connection = Connection("it", wire, ConnectionSpec(stall=7))
    async with served(connection):
        connection.send_nowait("a")
    assert trio.current_time() == 7
    assert (code(connection), wire.log) == (4008, ["cut"])


async def test_one_that_reads_in_time_is_not(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire, ConnectionSpec(stall=7))
    async with served(connection):
        for text in "ab":
            wire.stall()
            connection.send_nowait(text)
            await trio.sleep(6.9)
            wire.resume()
            await wait_all_tasks_blocked()
        assert (wire.sent, connection.closed) == (["a", "b"], None)
        connection.close()


async def test_closing_flushes_and_says_why(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    async with served(connection):
        connection.send_nowait("a")
        connection.send_nowait("b")
        connection.close(4000, "enough")
        connection.close(4001, "too late to say")
        with pytest.raises(ConnectionClosed, match="4000: enough"):
            connection.send_nowait("c")
    assert wire.log == ["a", "b", (4000, "enough"), "cut"]


@pytest.mark.parametrize("in_flight", [False, True])
async def test_closing_takes_the_close_grace_at_most(in_flight: bool, autojump_clock: MockClock) -> None:
    wire = PaperWire()
    wire.stall()
    connection = Connection("it", wire, ConnectionSpec(close_grace=3, stall=60))
    async with served(connection, idle):
        connection.send_nowait("never read")
        if in_flight:
            await wait_all_tasks_blocked()
        connection.close()
    assert trio.current_time() == 3
    assert wire.log == ["cut"]


async def test_a_message_in_flight_goes_before_the_goodbye(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    wire.stall()
    connection = Connection("it", wire, ConnectionSpec(close_grace=3))
    async with served(connection, idle):
        connection.send_nowait("a")
        connection.send_nowait("b")
        await wait_all_tasks_blocked()
        connection.close(1000, "bye")
        await trio.sleep(2)
        wire.resume()
    assert wire.log == ["a", "b", (1000, "bye"), "cut"]


async def test_a_peer_that_does_not_answer_the_close_is_cut_off(autojump_clock: MockClock) -> None:
    wire = PaperWire(handshake=60)
    connection = Connection("it", wire, ConnectionSpec(close_grace=3))
    async with served(connection):
        connection.close(1000, "bye")
    assert trio.current_time() == 3
    assert wire.log == [(1000, "bye"), "cut"]


async def test_the_handler_is_cancelled_when_the_peer_hangs_up(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    ended: list[str] = []

    async def two_tasks(connection: Connection) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, connection)
            try:
                await trio.sleep_forever()
            finally:
                ended.append("the other task")

    async with served(connection, two_tasks):  # and the group with the ConnectionClosed is no error
        wire.hang_up(4321, "see you")
    assert ended == ["the other task"]
    assert connection.closed is not None
    assert (connection.closed.code, connection.closed.reason) == (4321, "see you")


async def test_the_handler_is_cancelled_at_once_when_we_close(autojump_clock: MockClock) -> None:
    wire = PaperWire(handshake=60)
    connection = Connection("it", wire)
    cancelled_at: list[float] = []

    async def wait(_: Connection) -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled_at.append(trio.current_time())

    async with served(connection, wait):
        wire.stall()
        connection.send_nowait("in flight")
        await trio.sleep(5)
        connection.close()
    assert cancelled_at == [5]


async def test_a_crash_of_the_handler_is_told_the_peer_and_leaves(autojump_clock: MockClock) -> None:
    wire = PaperWire()

    async def crash(connection: Connection) -> None:
        connection.send_nowait("last words")
        raise ValueError("no")

    with pytest.RaisesGroup(ValueError):
        await Connection("it", wire).run(crash)
    assert wire.log == ["last words", (1011, "internal error"), "cut"]


async def test_a_handler_may_end_it_with_a_code_of_its_own(autojump_clock: MockClock) -> None:
    wire = PaperWire()

    async def refuse(_: Connection) -> None:
        raise ConnectionClosed(4003, "not you")

    await Connection("it", wire).run(refuse)
    assert wire.log == [(4003, "not you"), "cut"]


async def test_an_outer_cancellation_still_says_going_away(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    with trio.move_on_after(5):
        await Connection("it", wire).run(listen)
    assert wire.log == [(1001, "going away"), "cut"]
    assert trio.current_time() == 5


async def test_who_asked_is_told_once_and_at_once_that_it_closes(autojump_clock: MockClock) -> None:
    told: list[str] = []
    connection = Connection("it", PaperWire())
    connection.call_at_close("a", told.append)
    connection.call_at_close("b", told.append)
    connection.forget_at_close("b")
    async with served(connection):
        connection.close(4000, "enough")
        assert told == ["the connection is closed (4000: enough)"]
    assert len(told) == 1


async def send_much(connection: Connection) -> None:
    for _ in range(20):
        await connection.send("x" * 100)


async def test_a_patient_sender_waits_while_much_is_unread(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    wire.stall()
    connection = Connection("it", wire, ConnectionSpec(outbox_bytes=500))

    async with served(connection, send_much):
        await trio.sleep(5)
        wire.resume()
    assert wire.sent == ["x" * 100] * 20
    assert code(connection) == 1000


async def test_a_patient_sender_hears_of_the_end(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    wire.stall()
    connection = Connection("it", wire, ConnectionSpec(outbox_bytes=500, close_grace=1))

    async def send_for_ever(connection: Connection) -> None:
        with trio.CancelScope(shield=True), pytest.raises(ConnectionClosed, match="4000: enough"):
            await send_much(connection)

    async with served(connection, send_for_ever):
        connection.close(4000, "enough")
    assert trio.current_time() == 1


async def test_its_repr_is_one_short_line(autojump_clock: MockClock) -> None:
    connection = Connection("10.0.0.1:4242", PaperWire())
    assert repr(connection) == "<Connection 10.0.0.1:4242 open, 0 bytes queued>"
    connection.abort(4008)
    assert repr(connection) == "<Connection 10.0.0.1:4242 closed 4008, 0 bytes queued>"
