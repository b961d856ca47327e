"""[W4] What lies unread before us hides nobody's end and proves nobody's: the kernel is asked."""

from __future__ import annotations

import trio

from actors import Connection, ConnectionSpec
from actors.websocket import WebSocketSpec

from .edge import MANY, TEXT, Edge, Peer, deaf, flood, frame, open_edge, reset

# As usual, but twenty times faster; and `rate` is not what is looked at here.
QUICK = ConnectionSpec(quiet=1.0, ping_timeout=0.1, second_chance=0.2, rate=1e6, burst=10**6)
SPEC = WebSocketSpec(connection=QUICK)
FULL = frame(TEXT, b"x" * 1000) * 20


async def fill(edge: Edge) -> tuple[Peer, Connection]:
    """A client that has sent so much that it is held up, since nobody reads."""
    peer = await edge.enter()
    with trio.move_on_after(0.3):
        await flood(peer.stream, FULL, MANY)
        raise AssertionError("nobody held it up")
    return peer, edge.connections[-1]


async def test_a_reset_is_seen_through_a_full_queue() -> None:
    async with open_edge(deaf, SPEC) as edge:
        peer, connection = await fill(edge)
        reset(raw_socket(peer))
        began = trio.current_time()
        assert (await edge.ended(connection))[0] == 1006
        assert trio.current_time() - began < 1
        assert await edge.failures() == []


async def test_an_end_is_seen_through_a_full_queue() -> None:
    async with open_edge(deaf, SPEC) as edge:
        peer = await edge.enter()
        await peer.stream.send_all(FULL)
        await raw_socket(peer).send_eof()
        assert (await edge.ended(edge.connections[0]))[0] == 1006
        assert await edge.failures() == []


async def test_one_who_is_held_up_and_well_stays() -> None:
    async with open_edge(deaf, SPEC) as edge:
        _, connection = await fill(edge)
        await trio.sleep(2.5)
        assert connection.closed is None
        assert edge.serving == 1
        connection.close()
        assert await edge.failures() == []


def raw_socket(peer: Peer) -> trio.SocketStream:
    assert isinstance(peer.stream, trio.SocketStream)
    return peer.stream
