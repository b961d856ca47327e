"""What a hostile client may send, and what becomes of it: a code, bounded memory, nobody else's trouble."""

from __future__ import annotations

import pytest
import trio

from actors import ConnectionSpec
from actors._outbox import FRAME_OVERHEAD
from actors.websocket import WebSocketSpec

from .edge import (
    BYTES,
    CONTINUATION,
    MANY,
    PING,
    PONG,
    TEXT,
    Edge,
    flood,
    frame,
    open_edge,
    remembering_at_most,
)

PONG_OF_OURS = frame(PONG, b"x" * 125, masked=False)
FLOODED = (1009, "too many bytes, and no message")


async def end_of_flood(
    edge: Edge, chunk: bytes, *, first: bytes = b"", total: int = MANY
) -> list[tuple[int, str]]:
    """Send without end, listening all the while; the Close frames that came."""
    peer = await edge.enter()
    async with trio.open_nursery() as nursery:
        await peer.stream.send_all(first)
        nursery.start_soon(flood, peer.stream, chunk, total)
        goodbyes = await peer.hear_out()
        nursery.cancel_scope.cancel()
    return goodbyes


async def test_a_message_of_100_megabytes_ends_with_1009_long_before_its_end() -> None:
    head = frame(TEXT, b"x" * 100_000_000)[:14]
    async with open_edge() as edge:
        with remembering_at_most(2_000_000):
            async with edge.bystander():
                goodbyes = await end_of_flood(edge, b"x" * 65536, first=head)
        assert [code for code, _ in goodbyes] == [1009]
        assert await edge.ended(edge.connections[-1]) == goodbyes[0]
        assert await edge.failures() == []


ENDLESS = {
    "empty fragments": (frame(TEXT, b"", fin=False), frame(CONTINUATION, b"", fin=False)),
    "pongs": (b"", frame(PONG)),
    "fragments and pongs": (
        frame(TEXT, b"", fin=False),
        frame(CONTINUATION, b"", fin=False) + frame(PONG, b"x" * 125),
    ),
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_bytes_without_end_and_no_message_end_with_1009(kind: str) -> None:
    first, chunk = ENDLESS[kind]
    async with open_edge(spec=WebSocketSpec(message_bytes=4096)) as edge:
        with remembering_at_most(2_000_000):
            async with edge.bystander():
                assert await end_of_flood(edge, chunk * 200, first=first) == [FLOODED]
        assert await edge.ended(edge.connections[-1]) == FLOODED
        assert await edge.failures() == []


async def test_a_whole_message_in_fragments_with_pings_between_is_none_of_these() -> None:
    """Within the limit a message may come in as many pieces as it has characters, again and again."""
    pieces = (
        frame(TEXT, b"x", fin=False) + frame(CONTINUATION, b"x", fin=False) * 998 + frame(CONTINUATION, b"x")
    )
    async with open_edge(spec=WebSocketSpec(message_bytes=1000)) as edge:
        peer = await edge.enter()
        for count in range(1, 21):
            await peer.stream.send_all(frame(PING) + pieces)
            while len(peer.texts) < count:
                assert await peer.read_some()
        assert peer.texts == ["x" * 1000] * 20
        assert edge.connections[0].closed is None


async def test_pings_whose_pongs_nobody_reads_are_held_up() -> None:
    """Back-pressure, all the way: we stop reading, and queue no more than 16 KiB and a frame."""
    spec = WebSocketSpec(connection=ConnectionSpec(stall=1.0))
    chunk = frame(PING, b"x" * 125)
    async with open_edge(spec=spec) as edge:
        with remembering_at_most(2_000_000):
            async with edge.bystander(), trio.open_nursery() as nursery:
                peer = await edge.enter(receive_buffer=4096)
                nursery.start_soon(flood, peer.stream, chunk * 100, MANY)
                connection = edge.connections[-1]
                while connection.closed is None:
                    assert (
                        connection.statistics().queued_bytes <= 16 * 1024 + len(PONG_OF_OURS) + FRAME_OVERHEAD
                    )
                    await trio.sleep(0.001)
                nursery.cancel_scope.cancel()
            assert await edge.ended(connection) == (4008, "too slow: nothing was read for 1 s")
        assert await edge.failures() == []


async def test_too_many_messages_end_with_1008() -> None:
    spec = WebSocketSpec(connection=ConnectionSpec(rate=1.0, burst=50))
    async with open_edge(spec=spec) as edge:
        peer = await edge.enter()
        await peer.stream.send_all(b"".join(frame(TEXT, b"%d" % number) for number in range(1000)))
        assert [code for code, _ in await peer.hear_out()] == [1008]
        assert peer.texts[:50] == [str(number) for number in range(50)]
        assert len(peer.texts) <= 52
        assert (await edge.ended(edge.connections[0]))[0] == 1008
        assert await edge.failures() == []


async def test_bytes_end_with_1003_and_others_are_not_disturbed() -> None:
    async with open_edge() as edge:
        async with edge.bystander():
            peer = await edge.enter()
            await peer.stream.send_all(frame(BYTES, b"\0" * 1000))
            assert await peer.hear_out() == [(1003, "only text is spoken here")]
        assert await edge.failures() == []
