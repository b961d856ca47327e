"""Half-open for real: who vanishes from an open connection, in whatever way, is found in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial

import attrs
import pytest
import trio

from actors import Connection, ConnectionSpec
from actors.websocket import WebSocketSpec

from .edge import TEXT, Edge, Peer, deaf, echo, eventually, frame, open_edge, reset

# As usual, some twenty times faster: quiet 20, ping 2, second chance 4.
QUICK = ConnectionSpec(quiet=0.5, ping_timeout=0.3, second_chance=0.6, close_grace=0.2)
SPEC = WebSocketSpec(connection=QUICK)
SILENT = (1006, "silent for 1 s, two pings unanswered")

# Seconds, at the most, from the last byte to the verdict, on a busy machine.
FOUND = 1.4 + 2.0


@attrs.define(eq=False)
class Link:
    """A way to the edge that can go silent: it forwards nothing any more, and closes nothing."""

    edge: Edge
    nursery: trio.Nursery
    _silent: bool = False

    async def peer(self) -> Peer:
        """A client at the far end of it."""
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.nursery.start_soon(self._serve, listener)
        far = await trio.open_tcp_stream(*listener.socket.getsockname())
        self.edge.adopt(far)
        peer = Peer(far)
        await peer.shake_hands()
        return peer

    def go_silent(self) -> None:
        self._silent = True

    async def _serve(self, listener: trio.SocketListener) -> None:
        async with listener:
            far = await listener.accept()
        near = await self.edge.knock()
        async with far, near, trio.open_nursery() as nursery:
            nursery.start_soon(self._forward, far, near)
            nursery.start_soon(self._forward, near, far)

    async def _forward(self, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                if not self._silent:
                    await sink.send_all(data)
        if self._silent:
            await trio.sleep_forever()


async def found(edge: Edge, connection: Connection, *, since: float) -> tuple[int, str]:
    """The verdict, and it came in time."""
    verdict = await edge.ended(connection)
    assert trio.current_time() - since < FOUND
    return verdict


async def answer_pings(peer: Peer) -> None:
    """As every good client does."""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await peer.answer_pings()


async def test_a_link_that_goes_silent_is_found_and_a_quiet_one_stays() -> None:
    async with open_edge(spec=SPEC) as edge, trio.open_nursery() as nursery:
        dead, live = Link(edge, nursery), Link(edge, nursery)
        for link in (dead, live):
            nursery.start_soon(answer_pings, await link.peer())
        await eventually(lambda: len(edge.connections) == 2, "both are served")
        lost, kept = edge.connections
        dead.go_silent()
        async with edge.bystander():
            assert await found(edge, lost, since=trio.current_time()) == SILENT
            await trio.sleep(QUICK.quiet + QUICK.ping_timeout)
        assert kept.closed is None
        assert kept.statistics().round_trip is not None
        nursery.cancel_scope.cancel()


async def test_a_silent_link_is_found_also_by_who_only_sends_into_it() -> None:
    """What we send proves nothing, however much of it the kernel still takes."""

    async def chatter(connection: Connection) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(echo, connection)
            while True:
                connection.send_nowait("tick")
                await trio.sleep(0.01)

    async with open_edge(chatter, SPEC) as edge, trio.open_nursery() as nursery:
        link = Link(edge, nursery)
        nursery.start_soon(answer_pings, await link.peer())
        await trio.sleep(2 * QUICK.quiet)
        [connection] = edge.connections
        assert connection.closed is None, "it answers"
        link.go_silent()
        assert await found(edge, connection, since=trio.current_time()) == SILENT
        nursery.cancel_scope.cancel()


async def test_one_who_opens_and_says_nothing_more_is_found() -> None:
    async with open_edge(spec=SPEC) as edge:
        since = trio.current_time()
        async with edge.bystander():
            await edge.enter()
            assert await found(edge, edge.connections[-1], since=since) == SILENT
        assert await edge.failures() == []


@pytest.mark.parametrize("handler", [echo, deaf])
async def test_a_reset_is_found(handler: object) -> None:
    async with open_edge(echo if handler is echo else deaf, SPEC) as edge:
        peer = await edge.enter()
        await peer.say("hello")
        assert isinstance(peer.stream, trio.SocketStream)
        reset(peer.stream)
        code, _ = await found(edge, edge.connections[0], since=trio.current_time())
        assert code == 1006
        assert await edge.failures() == []


async def test_an_end_without_a_goodbye_is_found_at_once() -> None:
    async with open_edge() as edge:  # with the usual 20 s of quiet
        peer = await edge.enter()
        assert isinstance(peer.stream, trio.SocketStream)
        await peer.stream.send_eof()
        code, _ = await found(edge, edge.connections[0], since=trio.current_time())
        assert code == 1006
        assert await peer.hear_out() == [], "there is nobody to say goodbye to"
        assert await edge.failures() == []


async def test_an_end_amid_a_message_is_found_at_once() -> None:
    async with open_edge() as edge:
        peer = await edge.enter()
        await peer.stream.send_all(frame(TEXT, b"x" * 1000)[:500])
        edge.leave()
        code, _ = await found(edge, edge.connections[0], since=trio.current_time())
        assert code == 1006
        assert await edge.failures() == []


PROCESS = """
import sys, websockets, websockets.sync.client
with websockets.sync.client.connect(sys.argv[1], proxy=None, ping_interval=None) as socket:
    print("open", flush=True)
    try:
        socket.recv()
    except websockets.ConnectionClosed:
        print("closed", flush=True)
"""


async def line_of(process: trio.Process) -> bytes:
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n") and (more := await process.stdout.receive_some()):
        line += more
    return line


async def test_a_stopped_process_is_found_unless_it_goes_on_within_the_second_chance() -> None:
    patient = attrs.evolve(QUICK, second_chance=1.5)
    async with open_edge(spec=WebSocketSpec(connection=patient)) as edge:
        command = [sys.executable, "-c", PROCESS, f"ws://127.0.0.1:{edge.port}/ws"]
        async with trio.open_nursery() as nursery:
            run = partial(trio.run_process, command, stdout=subprocess.PIPE, check=False)
            process: trio.Process = await nursery.start(run)
            try:
                assert await line_of(process) == b"open\n"
                [connection] = edge.connections
                os.kill(process.pid, signal.SIGSTOP)
                await eventually(lambda: connection.statistics().unanswered_pings == 2, "its second chance")
                os.kill(process.pid, signal.SIGCONT)
                await eventually(lambda: connection.statistics().unanswered_pings == 0, "it goes on")
                await trio.sleep(patient.quiet)
                assert connection.closed is None
                os.kill(process.pid, signal.SIGSTOP)
                assert (await edge.ended(connection))[0] == 1006
                os.kill(process.pid, signal.SIGCONT)
                assert await line_of(process) == b"closed\n", "it learns of it"
            finally:
                process.kill()
        assert await edge.failures() == []
