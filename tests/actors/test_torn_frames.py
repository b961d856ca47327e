"""[W5] A frame that was torn is never followed by another: whoever reads to the end reads whole frames."""

from __future__ import annotations

from contextlib import suppress

import attrs
import pytest
import trio
from trio.testing import MockClock
from wsproto.events import TextMessage

from actors import Connection, ConnectionSpec
from actors._wire import Wire
from actors.websocket import WebSocketSpec

from .edge import deaf, eventually, open_edge

FRAME = b"<" + b"x" * 98 + b">"


@attrs.define(eq=False)
class Narrow(trio.abc.Stream):
    """A stream that is no socket: it takes so many bytes, and is torn where its writer is cancelled."""

    room: int
    taken: bytearray = attrs.field(init=False, factory=bytearray)
    _writing: bool = attrs.field(init=False, default=False)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        assert not self._writing, "two writers at once"
        self._writing = True
        try:
            while data:
                await trio.sleep(0.01)
                count = min(self.room, len(data))
                self.taken += data[:count]
                self.room -= count
                data = data[count:]
        finally:
            self._writing = False

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        raise AssertionError("nobody reads here")

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def whole(data: bytearray) -> bool:
    """Is it frame after frame, at the end perhaps a piece of one?"""
    return (FRAME * (len(data) // 100 + 1)).startswith(data)


async def try_to_send(wire: Wire) -> None:
    """In each way that there is."""
    wire.outbox.push(FRAME)
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await wire.outbox.flush()
        await wire.send_all(FRAME)
        await wire.outbox.flush()


@pytest.mark.parametrize("closing", [False, True])
async def test_a_writer_cancelled_in_the_middle_is_the_last(closing: bool, autojump_clock: MockClock) -> None:
    stream = Narrow(30)
    wire = Wire(stream)  # without a flusher: whoever flushes writes himself
    wire.outbox.push(FRAME)
    with trio.move_on_after(0.2):
        await (wire.aclose() if closing else wire.outbox.flush())
    assert len(stream.taken) == 30
    stream.room = 10_000
    with trio.move_on_after(60):
        await try_to_send(wire)
    assert whole(stream.taken), stream.taken


async def test_cancelled_between_two_frames_others_follow(autojump_clock: MockClock) -> None:
    stream = Narrow(10_000)
    wire = Wire(stream)
    wire.outbox.push(FRAME)
    with trio.CancelScope() as scope:
        scope.cancel()
        await wire.outbox.flush()
    await wire.outbox.flush()
    await try_to_send(wire)
    assert stream.taken == FRAME * 3


async def test_a_stall_in_the_middle_of_a_frame_is_the_end(autojump_clock: MockClock) -> None:
    stream = Narrow(130)
    async with trio.open_nursery() as nursery:
        wire = Wire(stream)
        wire.outbox.serve(nursery)
        wire.outbox.stall = 5
        wire.outbox.push(FRAME * 3)
        await trio.sleep(6)
        assert wire.outbox.broken
        stream.room = 10_000
        with pytest.raises(trio.BrokenResourceError):
            await wire.send_all(FRAME)
        await try_to_send(wire)
    assert stream.taken == (FRAME * 3)[:130]


async def test_only_one_writes_at_a_time_and_all_leave_in_order(autojump_clock: MockClock) -> None:
    frames = [b"%03d|" % number + b"x" * (number * 37 % 3000) + b"\n" for number in range(300)]
    stream = Narrow(10**6)

    async def write(wire: Wire, share: int) -> None:
        for number in range(share, 300, 3):
            if number % 2:
                wire.outbox.push(frames[number])
                await trio.lowlevel.checkpoint()
            else:
                await wire.send_all(frames[number])

    async with trio.open_nursery() as nursery:
        wire = Wire(stream)
        wire.outbox.serve(nursery)
        async with trio.open_nursery() as writers:
            for share in range(3):
                writers.start_soon(write, wire, share)
        await wire.outbox.flush()
    lines = bytes(stream.taken).splitlines(keepends=True)
    assert sorted(lines) == frames
    for share in range(3):
        assert [line for line in lines if int(line[:3]) % 3 == share] == frames[share::3]


@pytest.mark.parametrize("tls", [False, True], ids=["TCP", "TLS"])
@pytest.mark.parametrize("how", ["close", "abort", "stall"])
async def test_who_reads_after_our_end_reads_whole_messages(how: str, tls: bool) -> None:
    """However it ends, with much of it unread: what comes out of it at the other end was sent so."""
    text = "0123456789" * 2000
    spec = WebSocketSpec(connection=ConnectionSpec(stall=0.3, outbox_bytes=10**7))
    async with open_edge(deaf, spec, tls=tls) as edge:
        peer = await edge.enter(receive_buffer=4096)
        await eventually(lambda: edge.connections, "it is served")
        [connection] = edge.connections
        for _ in range(100):
            connection.send_nowait(text)
        await eventually(lambda: connection.statistics().queued_bytes < 100 * len(text), "some of it is gone")
        await end(connection, how)
        await edge.ended(connection)
        await eventually(lambda: not edge.serving, "it is forgotten")
        await peer.hear_out()
        pieces = "".join(event.data for event in peer.seen if isinstance(event, TextMessage))
        assert pieces == (text * 100)[: len(pieces)]
        assert set(peer.texts) <= {text}
        assert len(peer.goodbyes) <= 1
        assert await edge.failures() == []


async def end(connection: Connection, how: str) -> None:
    match how:
        case "close":
            connection.close(4000, "enough")
        case "abort":
            connection.abort()
        case _:
            await trio.sleep(0.3)
