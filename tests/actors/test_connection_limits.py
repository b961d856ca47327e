"""What one connection may do, and what it tells of itself."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Connection, ConnectionClosed, ConnectionSpec, ConnectionStatistics, Frame

from . import virtual
from .test_connection import code, idle, listen, served
from .wires import PaperWire

# Messages


async def test_too_many_messages_at_once_close_it(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire, ConnectionSpec(rate=2, burst=5))
    async with served(connection):
        for _ in range(6):
            wire.say("x")
    assert connection.closed is not None
    assert (connection.closed.code, connection.closed.reason) == (1008, "more than 2 messages a second")
    assert wire.log == [(1008, "more than 2 messages a second"), "cut"]


async def test_its_handler_gets_those_that_were_allowed(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    heard: list[str] = []

    async def hear(connection: Connection) -> None:
        heard.extend([await connection.receive() for _ in range(5)])
        with pytest.raises(ConnectionClosed, match="1008: too many messages"):
            await connection.receive()
        with pytest.raises(ConnectionClosed, match="1008: more than 2 messages a second"):
            await connection.receive()

    async with served(Connection("it", wire, ConnectionSpec(rate=2, burst=5)), hear):
        for number in range(9):
            wire.say(str(number))
    assert heard == ["0", "1", "2", "3", "4"]


async def test_who_keeps_to_the_rate_may_go_on_for_ever(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire, ConnectionSpec(rate=2, burst=1))
    async with served(connection):
        for _ in range(1000):
            wire.say("x")
            await trio.sleep(0.5)
        assert code(connection) is None
        connection.close()


async def test_one_who_was_quiet_may_say_a_burst_again(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire, ConnectionSpec(rate=2, burst=10))
    async with served(connection):
        for _ in range(3):
            for _ in range(10):
                wire.say("x")
            await trio.sleep(5)
        assert code(connection) is None
        connection.close()


# Sending


async def test_a_frame_arrives_as_its_text(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    async with served(connection):
        frame = Frame("grüße")
        assert (frame.text, repr(frame)) == ("grüße", "<Frame of 5 characters>")
        connection.send_nowait(frame)
        connection.send_nowait(frame)
        await wait_all_tasks_blocked()
        assert wire.sent == ["grüße"] * 2
        connection.close()


def test_a_frame_is_made_once_for_each_way_of_framing() -> None:
    calls: list[str] = []

    def loud(text: str) -> bytes:
        calls.append(text)
        return text.upper().encode()

    def quiet(text: str) -> bytes:
        return text.encode()

    frame = Frame("a")
    assert [frame.by(loud) for _ in range(3)] == [b"A"] * 3
    assert (frame.by(quiet), calls) == (b"a", ["a"])


def test_a_frame_of_what_no_wire_takes_is_not_made() -> None:
    with pytest.raises(UnicodeEncodeError):
        Frame("\udfff")


async def test_much_in_one_turn_cuts_nobody_off_who_reads(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire, ConnectionSpec(outbox_bytes=1000))
    async with served(connection):
        for number in range(100):
            connection.send_nowait(f"{number:0100}")
        await wait_all_tasks_blocked()
        assert (wire.sent, code(connection)) == ([f"{number:0100}" for number in range(100)], None)
        connection.close()


async def test_much_in_one_turn_is_too_much_for_one_who_does_not(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    wire.stall()
    connection = Connection("it", wire, ConnectionSpec(outbox_bytes=1000))
    async with served(connection):
        for _ in range(8):
            connection.send_nowait("x" * 100)
        with pytest.raises(ConnectionClosed, match="4008"):
            connection.send_nowait("x" * 100)
    assert (code(connection), wire.log) == (4008, ["cut"])


@given(
    st.lists(st.one_of(st.integers(0, 400), st.none()), max_size=40),
    st.booleans(),
    virtual.seeds,
)
@virtual.unhurried
def test_never_more_is_queued_than_the_outbox_may_hold(
    sizes: list[int | None], stalled: bool, seed: int
) -> None:
    """None: a turn of the event loop."""

    async def send(connection: Connection) -> None:
        for size in sizes:
            if size is None:
                await trio.lowlevel.checkpoint()
            else:
                connection.send_nowait("x" * size)
            assert connection.statistics().queued_bytes <= 1000

    async def run() -> int | None:
        wire = PaperWire()
        if stalled:
            wire.stall()
        connection = Connection("it", wire, ConnectionSpec(outbox_bytes=1000))
        await connection.run(send)
        return code(connection)

    assert virtual.run(run, seed=seed) in ([1000, 4008] if stalled else [1000])


async def test_it_keeps_up_until_its_peer_is_waited_for(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    kept_up: list[bool] = []

    async def send() -> None:
        connection.send_nowait("a")
        kept_up.append(connection.keeps_up)  # what was said in this turn is nobody's delay
        await wait_all_tasks_blocked()
        kept_up.append(connection.keeps_up)

    async with served(connection, idle):
        await send()
        wire.stall()
        await send()
        wire.resume()
        await wait_all_tasks_blocked()
        await send()
        connection.close()
    assert kept_up == [True, True, True, False, True, True]


# A wire that breaks


async def test_a_wire_that_is_found_broken_is_not_called_slow(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    async with served(connection, idle):
        wire.cut.set()
        connection.send_nowait("a")
    assert connection.closed is not None
    assert (connection.closed.code, connection.closed.reason) == (1006, "the wire is broken: cut")


async def test_one_whose_end_somebody_fails_at_is_cut_all_the_same(autojump_clock: MockClock) -> None:
    def fail(why: str) -> None:
        raise ValueError(why)

    wire = PaperWire()
    connection = Connection("it", wire)
    connection.call_at_close("a guest", fail)
    with pytest.RaisesGroup(ValueError), trio.move_on_after(5):
        await connection.run(listen)
    assert wire.log == [(1001, "going away"), "cut"]


async def test_who_hears_of_messages_may_stop_it_amid_one(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    heard: list[str] = []

    def once(_: float) -> None:
        heard.append("once")
        connection.forget_at_message("once")

    async with served(connection):
        connection.call_at_message("once", once)
        connection.call_at_message("always", lambda _: heard.append("always"))
        wire.say("a")
        wire.say("b")
        await wait_all_tasks_blocked()
        assert heard == ["once", "always", "always"]
        connection.close()


# What it tells


async def test_it_tells_when_it_last_heard_and_how_long_the_way_is(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    async with served(connection):
        assert connection.statistics() == ConnectionStatistics(0, None, 0, 0)
        await trio.sleep(3)
        wire.say("here")
        await trio.sleep(20.5)
        assert connection.statistics() == ConnectionStatistics(3, None, 0, 1)
        wire.pong()
        wire.round_trip = 0.5
        assert connection.statistics() == ConnectionStatistics(23.5, 0.5, 0, 0)  # and at once
        wire.stall()
        connection.send_nowait("a")
        assert connection.statistics().queued_bytes == len(wire.framing("a")) + 64
        connection.close()


async def test_both_pings_that_were_not_answered_are_told(autojump_clock: MockClock) -> None:
    connection = Connection("it", PaperWire())
    async with served(connection):
        unanswered: list[int] = []
        for until in (19.9, 20.1, 22.1, 25.9):
            await trio.sleep_until(until)
            unanswered.append(connection.statistics().unanswered_pings)
    assert unanswered == [0, 1, 2, 2]
