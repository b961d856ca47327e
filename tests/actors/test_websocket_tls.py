"""The same over TLS, where nobody may write past OpenSSL: the flusher writes, and nothing else differs."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio

from actors import Connection, ConnectionClosed, ConnectionSpec
from actors.websocket import WebSocketSpec

from .edge import BYTES, TEXT, deaf, echo, eventually, flood, frame, open_edge


async def test_what_is_said_comes_back_in_order() -> None:
    texts = ["a", "", "ü" * 1000, "x" * 60_000, "d"]
    async with open_edge(tls=True) as edge:
        peer = await edge.enter()
        for text in texts:
            await peer.say(text)
        while len(peer.texts) < len(texts):
            assert await peer.read_some()
        assert peer.texts == texts
        assert await edge.failures() == []


CODES = {
    "too big": (frame(TEXT, b"x" * 70_000), 1009),
    "bytes": (frame(BYTES, b"x"), 1003),
    "unmasked": (frame(TEXT, b"x", masked=False), 1002),
    "no UTF-8": (frame(TEXT, b"\xff"), 1007),
    "empty fragments": (frame(TEXT, fin=False) + frame(0, fin=False) * 200_000, 1009),
    "too many": (frame(TEXT, b"x") * 150, 1008),
}


@pytest.mark.parametrize("kind", CODES)
async def test_each_abuse_ends_with_its_code(kind: str) -> None:
    bad, code = CODES[kind]
    async with open_edge(tls=True) as edge:
        async with edge.bystander(), trio.open_nursery() as nursery:
            peer = await edge.enter()
            nursery.start_soon(flood, peer.stream, bad, len(bad))
            assert [said for said, _ in await peer.hear_out()] == [code]
        assert await edge.failures() == []


async def test_a_reader_that_is_slow_hears_everything_and_one_that_reads_nothing_is_cut_off() -> None:
    spec = WebSocketSpec(connection=ConnectionSpec(stall=0.5))

    async def lecture(connection: Connection) -> None:
        for number in range(200):
            await connection.send(f"{number:05}" * 1000)
        await echo(connection)

    async with open_edge(lecture, spec, tls=True) as edge:
        stuck, slow = await edge.enter(receive_buffer=4096), await edge.enter(receive_buffer=4096)
        while len(slow.texts) < 200:
            assert await slow.read_some()
            await trio.sleep(0.001)
        assert slow.texts == [f"{number:05}" * 1000 for number in range(200)]
        assert await edge.ended(edge.connections[0]) == (4008, "too slow: nothing was read for 0.5 s")
        assert edge.connections[1].closed is None
        assert await stuck.hear_out() == []
        assert await edge.failures() == []


async def test_too_much_unread_cuts_off_at_once() -> None:
    async with open_edge(deaf, tls=True) as edge:
        await edge.enter(receive_buffer=4096)
        await eventually(lambda: edge.connections, "he is served")
        [connection] = edge.connections
        with suppress(ConnectionClosed):
            for _ in range(300):
                connection.send_nowait("x" * 1000)
        assert connection.closed is not None
        assert connection.closed.code == 4008
        assert connection.closed.reason.startswith("too slow: ")
        assert await edge.failures() == []


async def test_one_who_is_cut_off_is_told_by_a_reset_and_holds_nothing() -> None:
    async with open_edge(deaf, tls=True) as edge:
        peer = await edge.enter()
        await eventually(lambda: edge.connections, "he is served")
        edge.connections[0].abort(4000, "go")
        await eventually(lambda: not edge.serving, "he is forgotten")
        with pytest.raises(trio.BrokenResourceError):
            await peer.stream.receive_some()
        assert await edge.failures() == []


async def test_a_close_is_heard_with_its_code_and_a_goodbye_is_answered() -> None:
    async with open_edge(tls=True) as edge:
        first, second = await edge.enter(), await edge.enter()
        await eventually(lambda: len(edge.connections) == 2, "both are served")
        edge.connections[0].close(4000, "enough")
        assert await first.hear_out() == [(4000, "enough")]
        await second.stream.send_all(frame(8, b"\x0f\xa1bye"))
        assert await second.hear_out() == [(4001, "bye")]
        assert await edge.ended(edge.connections[1]) == (4001, "bye")
        assert await edge.failures() == []


async def test_a_silent_peer_is_found_over_tls_too() -> None:
    quick = ConnectionSpec(quiet=0.3, ping_timeout=0.2, second_chance=0.3, close_grace=0.2)
    async with open_edge(spec=WebSocketSpec(connection=quick), tls=True) as edge:
        async with edge.bystander():
            await edge.enter()
            assert (await edge.ended(edge.connections[-1]))[0] == 1006
            await eventually(lambda: edge.serving == 1, "he is forgotten")
        assert await edge.failures() == []
