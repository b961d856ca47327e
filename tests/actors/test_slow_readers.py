"""[W8, W10] Who does not read is cut off at his bounds, ours and the kernel's; the room hears on."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import trio

from actors import Connection, ConnectionSpec, Group
from actors.websocket import WebSocketSpec

from .edge import (
    Peer,
    deaf,
    echo,
    eventually,
    flood,
    frame,
    open_edge,
)

# Bytes; what one peer who reads nothing may cost us, besides his connection itself.
OUTBOX = ConnectionSpec().outbox_bytes
KERNEL = 2 * WebSocketSpec().send_buffer  # Linux doubles what it is told


@pytest.fixture
def room() -> Group[None]:
    return Group()


async def talk(room: Group[None], connection: Connection) -> None:
    """What each says, all hear."""
    room.add(connection, None)
    while True:
        room.broadcast(await connection.receive())


def unsent(port: int) -> int:
    """What the kernel holds, in bytes, of all that is on its way from that port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(int(field[4].split(":")[0], 16) for field in fields if field[1].endswith(f":{port:04X}"))


async def test_one_in_a_room_who_reads_nothing_is_cut_off_and_the_others_hear_everything(
    room: Group[None],
) -> None:
    spec = WebSocketSpec(connection=ConnectionSpec(rate=1e6, burst=10**6))
    async with open_edge(lambda connection: talk(room, connection), spec) as edge:
        stuck, speaker = await edge.enter(receive_buffer=4096), await edge.enter()
        await eventually(lambda: len(room) == 2, "both are in the room")
        [connection] = edge.connections[:1]
        texts, held = [f"{number:05}" * 1000 for number in range(300)], 0
        for text in texts:
            await speaker.say(text)
            while not speaker.texts or speaker.texts[-1] != text:
                assert await speaker.read_some()
            speaker.seen.clear()
            held = max(held, connection.statistics().queued_bytes)
            assert unsent(edge.port) <= KERNEL + 70_000
            if connection.closed is not None:
                break
        code, why = await edge.ended(connection)
        assert (code, why.partition(":")[0]) == (4008, "too slow")
        assert held <= OUTBOX
        assert len(room) == 1
        await eventually(lambda: edge.serving == 1, "he is forgotten")
        await eventually(lambda: unsent(edge.port) == 0, "by the kernel, too")
        del stuck
        assert await edge.failures() == []


async def test_one_who_reads_nothing_of_little_is_cut_off_after_the_stall(room: Group[None]) -> None:
    spec = WebSocketSpec(send_buffer=4096, connection=ConnectionSpec(stall=0.5, rate=1e6, burst=10**6))
    async with open_edge(lambda connection: talk(room, connection), spec) as edge:
        await edge.enter(receive_buffer=2048)
        async with edge.bystander():
            await eventually(lambda: len(room) == 2, "both are in the room")
            room.broadcast("x" * 30_000, to=lambda connection, _: connection is edge.connections[0])
            assert await edge.ended(edge.connections[0]) == (4008, "too slow: nothing was read for 0.5 s")
        assert await edge.failures() == []


@pytest.mark.parametrize("tls", [False, True], ids=["TCP", "TLS"])
async def test_to_answer_pings_and_read_no_messages_is_not_to_be_well(tls: bool) -> None:
    """His pongs prove that he lives; what lies unread counts all the same."""
    quick = ConnectionSpec(quiet=0.2, ping_timeout=0.2, second_chance=0.4, stall=1.0)

    async def lecture(connection: Connection) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(echo, connection)
            while True:
                connection.send_nowait("x" * 10_000)
                await trio.sleep(0.02)

    async with open_edge(lecture, WebSocketSpec(connection=quick), tls=tls) as edge:
        peer = await edge.enter(receive_buffer=4096)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pong_all_the_time, peer)
            await eventually(lambda: edge.connections, "he is served")
            assert (await edge.ended(edge.connections[0]))[0] == 4008
            nursery.cancel_scope.cancel()
        assert await edge.failures() == []


async def pong_all_the_time(peer: Peer) -> None:
    while await flood(peer.stream, frame(10), 1):
        await trio.sleep(0.05)


async def test_nobody_who_sends_to_a_peer_that_is_stuck_is_held_up() -> None:
    """[W10] With trio-websocket alone one who is stuck holds up every sender, and each pong of ours."""
    async with open_edge(deaf) as edge:
        await edge.enter(receive_buffer=4096)
        await eventually(lambda: edge.connections, "he is served")
        [connection] = edge.connections
        with trio.fail_after(0.5):
            while connection.statistics().queued_bytes < OUTBOX // 2:
                connection.send_nowait("x" * 10_000)
                await trio.lowlevel.checkpoint()
            connection.check()
        assert connection.closed is None
        assert await edge.failures() == []


INHERITED = {
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 10_000,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 15,
    (socket.SOL_SOCKET, socket.SO_SNDBUF): KERNEL,
    (socket.IPPROTO_TCP, socket.TCP_NODELAY): 1,
}


@pytest.mark.parametrize("tls", [False, True], ids=["TCP", "TLS"])
async def test_the_kernel_gives_up_on_whoever_is_gone_and_holds_little_of_a_peer(tls: bool) -> None:
    """What an accepted socket has from its listener; by itself it would wait for a quarter of an hour."""
    async with open_edge(tls=tls) as edge:
        await edge.enter()
        await eventually(lambda: edge.connections, "he is served")
        inside: Any = edge.connections[0]
        accepted: trio.socket.SocketType = inside._transport._wire._socket
        for (level, name), value in INHERITED.items():
            assert accepted.getsockopt(level, name) == value, name
        assert await edge.failures() == []


async def test_one_who_reads_slowly_but_all_the_time_stays() -> None:
    """[W9] Our ping lies behind what he has still to read, and he answers as soon as he comes to it."""
    quick = ConnectionSpec(quiet=0.4, ping_timeout=0.2, second_chance=0.4)
    messages = [f"{number:05}" * 2000 for number in range(24)]

    async def lecture(connection: Connection) -> None:
        for message in messages:
            connection.send_nowait(message)
        await echo(connection)

    async with open_edge(lecture, WebSocketSpec(connection=quick)) as edge:
        peer = await edge.enter(receive_buffer=8192)
        while len(peer.texts) < len(messages):
            assert await peer.read_some(2000), f"he was closed: {peer.goodbyes}"
            await trio.sleep(0.02)
            await peer.answer_new_pings()
        assert peer.texts == messages
        assert peer.goodbyes == []
        assert edge.connections[0].closed is None
