"""[W1] Who breaks the protocol is told so by a Close frame, 1002 or 1007, and harms nobody else."""

from __future__ import annotations

import pytest

from .edge import BYTES, CLOSE, CONTINUATION, PING, PONG, TEXT, frame, open_edge

PROTOCOL, CONTENT = 1002, 1007

ERRORS = {
    "unmasked": (frame(TEXT, b"hello", masked=False), PROTOCOL),
    "a reserved bit": (frame(TEXT, b"hello", rsv=4), PROTOCOL),
    "another reserved bit": (frame(PING, rsv=1), PROTOCOL),
    "a reserved opcode": (frame(3, b"hello"), PROTOCOL),
    "a reserved control opcode": (frame(11), PROTOCOL),
    "a ping that is too big": (frame(PING, b"x" * 126), PROTOCOL),
    "a pong in fragments": (frame(PONG, fin=False), PROTOCOL),
    "a continuation of nothing": (frame(CONTINUATION, b"hello"), PROTOCOL),
    "a text within a text": (frame(TEXT, fin=False) + frame(TEXT), PROTOCOL),
    "bytes within a text": (frame(TEXT, fin=False) + frame(BYTES), PROTOCOL),
    "a Close of one byte": (frame(CLOSE, b"x"), PROTOCOL),
    "a Close with a code nobody may send": (frame(CLOSE, b"\x03\xed"), PROTOCOL),
    "a size of 2**63": (b"\x81\xff" + b"\xff" * 8 + bytes(4), PROTOCOL),
    "no UTF-8": (frame(TEXT, b"\xc3\x28"), CONTENT),
    "half a character at the end": (frame(TEXT, b"\xe2\x82"), CONTENT),
    "no UTF-8 in the second fragment": (frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"\xff"), CONTENT),
    "a Close whose reason is no UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), CONTENT),
}


@pytest.mark.parametrize("kind", ERRORS)
async def test_it_is_told_with_a_close_frame(kind: str) -> None:
    bad, code = ERRORS[kind]
    async with open_edge() as edge:
        peer = await edge.enter()
        await peer.stream.send_all(frame(TEXT, b"good") + bad)
        assert [code for code, _ in await peer.hear_out()] == [code]
        assert peer.texts in ([], ["good"])
        await edge.ended(edge.connections[0])
        assert await edge.failures() == []


async def test_it_is_told_also_while_the_rest_of_it_still_comes() -> None:
    """To hang up before all was read would be a reset, and would take our Close frame along."""
    async with open_edge() as edge:
        async with edge.bystander():
            for _ in range(5):
                peer = await edge.enter()
                await peer.stream.send_all(b"\xff" * 300_000)
                assert [code for code, _ in await peer.hear_out()] == [PROTOCOL]
        assert await edge.failures() == []


async def test_a_ping_behind_a_close_harms_nobody() -> None:
    """[W1] With a bare trio-websocket either of these ends the whole server."""
    hello = frame(TEXT, b"hello")
    async with open_edge() as edge:
        async with edge.bystander():
            for _ in range(10):
                peer = await edge.enter()
                await peer.stream.send_all(hello + frame(CLOSE, b"\x03\xe8") + frame(PING))
                assert await peer.hear_out() == [(1000, "")]
        assert await edge.failures() == []


async def test_a_ping_into_our_own_close_harms_nobody() -> None:
    async with open_edge() as edge:
        async with edge.bystander():
            for _ in range(3):
                peer = await edge.enter()
                await peer.say("here I am")
                while not peer.texts:
                    assert await peer.read_some()
                edge.connections[-1].close(4000, "enough")
                while not peer.goodbyes:
                    assert await peer.read_some()
                await peer.stream.send_all(frame(PING) * 3)
                assert await peer.hear_out() == [(4000, "enough")]
        assert await edge.failures() == []
