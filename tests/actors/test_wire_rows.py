"""What was found out about trio-websocket, row by row (W1 to W15), held against our edge.

W1 test_websocket, test_protocol_errors, test_handshakes; W4 test_inbound_queue; W5 test_torn_frames;
W8, W10 test_slow_readers; W13 test_handshakes; W14 test_origins, test_websocket; the others are here.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked
from wsproto.events import Ping

from actors import Connection, ConnectionSpec, Frame, Group
from actors.websocket import WebSocketSpec

from .edge import (
    CONTINUATION,
    MANY,
    TEXT,
    Edge,
    Peer,
    deaf,
    eventually,
    flood,
    frame,
    open_edge,
    remembering_at_most,
    reset,
)
from .wires import PaperWire

QUICK = ConnectionSpec(quiet=0.2, ping_timeout=0.2, second_chance=0.4, close_grace=0.2)


async def first_of(edge: Edge) -> Connection:
    await eventually(lambda: edge.connections, "its handler runs")
    return edge.connections[0]


@pytest.mark.parametrize("way", ["reset", "goodbye", "our close", "our abort"])
async def test_w2_a_ping_in_flight_holds_up_no_end(way: str) -> None:
    """trio-websocket's own `ping()` never returns when the connection closes meanwhile."""
    spec = WebSocketSpec(connection=attrs.evolve(QUICK, second_chance=30.0))
    async with open_edge(spec=spec) as edge:
        peer = await edge.enter()
        await peer.read_until(Ping)
        connection = await first_of(edge)
        assert connection.statistics().unanswered_pings >= 1
        match way:
            case "reset":
                assert isinstance(peer.stream, trio.SocketStream)
                reset(peer.stream)
            case "goodbye":
                await peer.stream.send_all(frame(8, b"\x03\xe8"))
            case "our close":
                connection.close()
            case _:
                connection.abort()
        await edge.ended(connection)
        assert await edge.failures() == []


async def test_w3_pings_that_nobody_answers_with_a_pong_leave_nothing_behind() -> None:
    """The peer lives, and says so in another way; each ping of trio-websocket's own would be kept."""
    quick = attrs.evolve(QUICK, quiet=0.02, ping_timeout=0.02, second_chance=5.0)
    async with open_edge(spec=WebSocketSpec(connection=quick)) as edge:
        peer = await edge.enter()
        connection = await first_of(edge)
        for _ in range(50):
            peer.seen.clear()
            await peer.read_until(Ping)
            assert 1 <= connection.statistics().unanswered_pings <= 2
            await peer.stream.send_all(frame(TEXT, fin=False) + frame(CONTINUATION, b"I live"))
        await eventually(lambda: not connection.statistics().unanswered_pings, "it is heard")
        assert connection.closed is None
        inside: Any = connection
        assert inside._transport._websocket._pings == {}
        assert inside._life.unanswered == 0
        assert len(inside._life._pings) <= 2
        assert await edge.failures() == []


@pytest.mark.parametrize("tls", [False, True], ids=["TCP", "TLS"])
async def test_w6_to_leave_a_peer_who_answers_nothing_takes_the_close_grace_only(tls: bool) -> None:
    async def leave(_: Connection) -> None:
        return

    async with open_edge(leave, tls=tls) as edge:
        peers = [await edge.enter() for _ in range(10)]
        began = trio.current_time()
        await eventually(lambda: not edge.serving, "they are forgotten")
        assert trio.current_time() - began < 2, "trio-websocket's would be 60 s"
        for peer in peers:
            assert await peer.hear_out() == [(1000, "")], "and each was told"
        assert await edge.failures() == []


async def test_w7_the_first_reason_stays_and_a_second_close_changes_nothing() -> None:
    """Of a peer that was dead already nobody says that it was a normal end."""
    async with open_edge(spec=WebSocketSpec(connection=QUICK)) as edge:
        await edge.enter()
        connection = await first_of(edge)
        assert (await edge.ended(connection))[0] == 1006
        connection.close(1000, "bye")
        connection.abort(4000)
        assert (await edge.ended(connection))[0] == 1006
        assert await edge.failures() == []


async def test_w12_what_all_hear_is_framed_once(autojump_clock: MockClock) -> None:
    framed: list[str] = []

    class Counting(PaperWire):
        @staticmethod
        def framing(text: str) -> bytes:
            framed.append(text)
            return PaperWire.framing(text)

    group, wires = Group[int](), [Counting() for _ in range(50)]
    for number, wire in enumerate(wires):
        group.add(Connection("it", wire), number)
    group.broadcast("hello")
    group.broadcast(Frame("again"))
    await wait_all_tasks_blocked()
    assert framed == ["hello", "again"]
    assert all(wire.sent == ["hello", "again"] for wire in wires)


async def test_w15_what_comes_in_and_is_not_read_is_bounded() -> None:
    """Two messages, and what lies in the wire's own buffers; characters may have four bytes."""
    size = 50_000
    chunk = frame(TEXT, ("\N{PILE OF POO}" * size).encode())
    spec = WebSocketSpec(message_bytes=size, connection=QUICK)
    async with open_edge(deaf, spec) as edge:
        peer = await edge.enter()
        connection = await first_of(edge)
        with remembering_at_most(8 * 4 * size), trio.move_on_after(0.5):
            await flood(peer.stream, chunk, MANY)
        assert connection.closed is None, "he is held up, no more"
        assert isinstance(peer.stream, trio.SocketStream)
        reset(peer.stream)
        assert await edge.failures() == []


async def test_w15_fragments_of_a_message_are_bounded_like_a_message() -> None:
    size = 50_000
    first, more = frame(TEXT, b"x" * 1000, fin=False), frame(CONTINUATION, b"x" * 1000, fin=False)
    async with open_edge(spec=WebSocketSpec(message_bytes=size)) as edge:
        peer = await edge.enter()
        with remembering_at_most(8 * 4 * size):
            await flood(peer.stream, first, 1)
            await flood(peer.stream, more, 60_000)
            assert [code for code, _ in await peer.hear_out()] == [1009]
        assert await edge.failures() == []


async def test_w11_a_connection_that_is_idle_is_small() -> None:
    """Both ends, in this process: the server's is a part of it."""
    peers: list[Peer] = []
    async with open_edge() as edge:
        with remembering_at_most(100 * 100_000):
            peers.extend([await edge.enter() for _ in range(100)])
            await eventually(lambda: len(edge.connections) == 100, "all are served")
        assert await edge.failures() == []
