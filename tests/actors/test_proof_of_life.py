"""Only what comes in proves that a peer lives; a quiet one is pinged, a silent one is cut off."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Connection, ConnectionSpec
from actors._silence import PAST

from .test_connection import idle, listen, served
from .wires import PaperWire


async def test_a_silent_peer_is_pinged_twice_and_cut_off(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    async with served(connection):
        pass
    assert wire.pinged == [20, 22]
    assert trio.current_time() == pytest.approx(26 + PAST)
    assert wire.log == ["cut"]
    assert connection.closed is not None
    assert (connection.closed.code, connection.closed.reason) == (
        1006,
        "silent for 26 s, two pings unanswered",
    )


async def test_what_we_send_proves_nothing(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)

    async def chatter(connection: Connection) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, connection)
            while True:
                connection.send_nowait("tick")
                await trio.sleep(1)

    async with served(connection, chatter):
        pass
    assert trio.current_time() == pytest.approx(26 + PAST)


async def test_a_pong_starts_the_clock_anew(autojump_clock: MockClock) -> None:
    wire = PaperWire(answers_pings=True)
    connection = Connection("it", wire)
    async with served(connection):
        await trio.sleep(99)
        assert (connection.closed, wire.pinged) == (None, [20, 40, 60, 80])
        connection.close()


async def test_a_pong_at_the_second_chance_saves_it(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    async with served(connection):
        await trio.sleep(25.9)
        wire.pong()
        await trio.sleep(19)
        assert (connection.closed, connection.statistics().unanswered_pings) == (None, 0)
        assert wire.pinged == [20, 22]
    assert wire.pinged == [20, 22, 45.9, 47.9]
    assert trio.current_time() == pytest.approx(51.9 + PAST)


async def test_a_message_starts_the_clock_anew(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    async with served(Connection("it", wire)):
        await trio.sleep(19)
        wire.say("still here")
        await trio.sleep(19)
        assert wire.pinged == []
    assert trio.current_time() == pytest.approx(19 + 26 + PAST)


async def test_while_we_do_not_read_nobody_is_convicted(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    wire.read_since = None
    connection = Connection("it", wire)
    async with served(connection, idle):
        await trio.sleep(1000)
        assert (wire.pinged, connection.closed) == ([], None)
        connection.close()


async def test_silence_counts_from_when_we_began_to_read(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    wire.read_since = None
    async with served(Connection("it", wire)):
        await trio.sleep(30)
        wire.read_since = 30
    assert wire.pinged[0] >= 50
    assert trio.current_time() >= 56


async def test_who_is_read_is_cut_off_though_his_handler_hears_nobody(autojump_clock: MockClock) -> None:
    async with served(Connection("it", PaperWire()), idle):
        pass
    assert trio.current_time() == pytest.approx(26 + PAST)


async def test_a_pause_while_a_ping_is_out_convicts_nobody(autojump_clock: MockClock) -> None:
    """What came in fills our queue while a ping is unanswered: the pong could not be seen."""
    wire = PaperWire()
    connection = Connection("it", wire)
    async with served(connection):
        await trio.sleep(20.5)
        wire.read_since = None
        await trio.sleep(50)
        assert (wire.pinged, connection.closed) == ([20], None)
        connection.close()


async def test_a_ping_behind_what_is_taken_bit_by_bit_is_waited_for(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    async with served(connection):
        connection.send_nowait("x" * 80)
        for taken in range(80):
            wire.taken = taken
            await trio.sleep(1)
        assert (connection.closed, wire.pinged) == (None, [20])
    assert trio.current_time() <= 80 + 2 + 2 + 4 + PAST, "and no longer than he takes something"


async def test_what_is_taken_after_a_ping_proves_nothing(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)

    async def chatter(connection: Connection) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, connection)
            while True:
                wire.taken = wire.outbox.pushed
                connection.send_nowait("tick")
                await trio.sleep(1)

    async with served(connection, chatter):
        pass
    assert wire.pinged == [20, 22]
    assert trio.current_time() == pytest.approx(26 + PAST)


async def test_an_observer_who_was_late_starts_again(mock_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    async with served(connection):
        for due in (20.0, 22.0):
            mock_clock.jump(due - trio.current_time())
            await wait_all_tasks_blocked(0.01)
        assert wire.pinged == [20, 22]
        mock_clock.jump(30)  # the loop stood still; the pong may lie in the socket
        await wait_all_tasks_blocked(0.01)
        assert connection.closed is None
        mock_clock.jump(3.9)
        await wait_all_tasks_blocked(0.01)
        assert connection.closed is None
        mock_clock.jump(0.2)
        await wait_all_tasks_blocked(0.01)
        assert connection.closed is not None


async def test_check_pings_at_once_and_only_once(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    async with served(connection):
        await trio.sleep(5)
        connection.check()
        connection.check()
        assert wire.pinged == [5]
        assert connection.statistics().unanswered_pings == 1
    assert wire.pinged == [5, 7]
    assert trio.current_time() == pytest.approx(11 + PAST)


async def test_check_leaves_one_just_heard_or_not_read_alone(autojump_clock: MockClock) -> None:
    wire = PaperWire()
    connection = Connection("it", wire)
    async with served(connection):
        await trio.sleep(5)
        wire.pong()
        await trio.sleep(1)
        connection.check()
        assert wire.pinged == []
        connection.close()
        connection.check()
        assert wire.pinged == []
    not_read = PaperWire()
    not_read.read_since = None
    unread = Connection("it", not_read)
    async with served(unread, idle):
        await trio.sleep(5)
        unread.check()
        assert unread.statistics().unanswered_pings == 0
        unread.close()


async def test_one_that_answers_a_check_lives_on(autojump_clock: MockClock) -> None:
    wire = PaperWire(answers_pings=True)
    connection = Connection("it", wire, ConnectionSpec())
    async with served(connection):
        await trio.sleep(5)
        connection.check()
        await trio.sleep(10)
        assert (connection.closed, wire.pinged) == (None, [5])
        connection.close()
