"""Clients that vanish without closing: found by pings, and their slots come back."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import attrs
import trio
import trio_websocket

from actors import ConnectionSpec
from supervisor import ConnectionDetached, HandlerFailed, Health

from .support import PATIENCE, ROOT, TOKENS, Chat, Client, eventually, open_chat, within

IMPATIENT = ConnectionSpec(quiet=0.3, ping_timeout=0.3, second_chance=0.3, close_grace=0.3)
# Nobody is pinged before somebody needs his slot.
PATIENT = attrs.evolve(IMPATIENT, quiet=600.0)


@attrs.define(eq=False)
class Proxy:
    """Forwards TCP until it is frozen; then it forwards nothing, and closes nothing."""

    target: int
    nursery: trio.Nursery
    port: int = 0
    _flowing: trio.Event = attrs.field(factory=trio.Event)

    @classmethod
    async def start(cls, chat: Chat) -> Proxy:
        proxy = cls(chat.running.ws_port, chat.clients)
        proxy._flowing.set()
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        proxy.port = listeners[0].socket.getsockname()[1]
        await chat.clients.start(trio.serve_listeners, proxy._serve, listeners)
        return proxy

    def freeze(self) -> None:
        self._flowing = trio.Event()

    async def _serve(self, client: trio.SocketStream) -> None:
        server = await trio.open_tcp_stream("127.0.0.1", self.target)
        async with client, server, trio.open_nursery() as nursery:
            nursery.start_soon(self._forward, client, server)
            nursery.start_soon(self._forward, server, client)

    async def _forward(self, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                await self._flowing.wait()
                await sink.send_all(data)
        await self._flowing.wait()
        await sink.aclose()


async def until_found_silent(chat: Chat, session: str) -> None:
    def whys() -> list[str]:
        return [event.why for event in chat.happened(ConnectionDetached) if event.key == session]

    await eventually(whys, f"{session} is found to be gone")
    assert ["silent for" in why for why in whys()] == [True], whys()


async def test_a_client_behind_a_dead_link_is_found_and_its_slot_comes_back(tmp_path: Path) -> None:
    async with open_chat(tmp_path, limit=2, connection=IMPATIENT) as chat:
        dead_link, live_link = await Proxy.start(chat), await Proxy.start(chat)
        await chat.enter("alice", "ghost", port=dead_link.port)
        quiet = await chat.enter("alice", "quiet", port=live_link.port)
        dead_link.freeze()
        await until_found_silent(chat, "ghost")
        assert chat.keys("alice", Health.DISCONNECTED) == {"ghost"}
        assert chat.ended() == set(), "it might still come back"
        await chat.enter("alice", "new")
        assert chat.ended() == {("ghost", "disconnected")}
        assert chat.keys("alice") == {"quiet", "new"}
        assert await quiet.before_pong() == []


async def test_a_vanished_client_is_looked_for_as_soon_as_its_slot_is_needed(tmp_path: Path) -> None:
    async with open_chat(tmp_path, limit=2, connection=PATIENT) as chat:
        link = await Proxy.start(chat)
        await chat.enter("alice", "ghost", port=link.port)
        quiet = await chat.enter("alice", "quiet")
        link.freeze()
        with within(PATIENCE, "a slot for the newcomer"):
            while not await welcomed(newcomer := await chat.greet("alice", "new")):
                await trio.sleep(0.05)
        await until_found_silent(chat, "ghost")
        assert chat.ended() == {("ghost", "disconnected")}
        assert await quiet.before_pong() == []
        assert await newcomer.before_pong() == []


async def welcomed(client: Client) -> bool:
    """Is it let in? Refused, it has been closed with 1013."""
    with suppress(trio_websocket.ConnectionClosed):
        return bool((await client.next())["type"] == "welcome")
    assert (await client.closed())[0] == 1013
    return False


async def test_who_comes_back_while_his_old_connection_is_dead_resumes_his_session(tmp_path: Path) -> None:
    async with open_chat(tmp_path, limit=1, connection=IMPATIENT) as chat:
        link = await Proxy.start(chat)
        await (await chat.enter("alice", "tab", port=link.port)).join("r")
        link.freeze()
        again = await chat.greet("alice", "tab")
        assert (await again.next())["resumed"] is True
        await until_found_silent(chat, "tab")
        assert await again.say("r", "here I am", "1") == 1
        assert chat.ended() == set()


CLIENT = """
import json, sys, websockets, websockets.sync.client
with websockets.sync.client.connect(sys.argv[1], proxy=None) as socket:
    socket.send(json.dumps({"type": "hello", "token": sys.argv[2], "session": sys.argv[3]}))
    print(json.loads(socket.recv())["type"], flush=True)
    try:
        socket.recv()
    except websockets.ConnectionClosed:
        print("closed", flush=True)
"""


async def test_a_stopped_process_is_found_and_a_running_one_stays(tmp_path: Path) -> None:
    async with open_chat(tmp_path, limit=2, connection=IMPATIENT) as chat:
        url = f"ws://127.0.0.1:{chat.running.ws_port}/ws"

        async def start(session: str) -> trio.Process:
            command = [sys.executable, "-c", CLIENT, url, TOKENS.issue("alice"), session]
            process = await trio.lowlevel.open_process(command, cwd=ROOT, stdout=subprocess.PIPE)
            assert await line_of(process) == b"welcome\n"
            return process

        stopped, running = await start("stopped"), await start("running")
        try:
            os.kill(stopped.pid, signal.SIGSTOP)
            await until_found_silent(chat, "stopped")
            await chat.enter("alice", "new")
            assert chat.ended() == {("stopped", "disconnected")}
            assert chat.keys("alice") == {"running", "new"}
            os.kill(stopped.pid, signal.SIGCONT)
            assert await line_of(stopped) == b"closed\n", "it learns what happened"
        finally:
            for process in (stopped, running):
                await end(process)


async def line_of(process: trio.Process) -> bytes:
    line = b""
    with within(PATIENCE, f"a line of the client process after {line!r}"):
        while not line.endswith(b"\n"):
            assert process.stdout is not None
            said = await process.stdout.receive_some()
            assert said, "it has ended"
            line += said
    return line


async def end(process: trio.Process) -> None:
    process.kill()
    with trio.CancelScope(shield=True):
        await process.wait()
        if process.stdout is not None:
            await process.stdout.aclose()


HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: xxxxxxxxxxxxxxxxxxxxxx==\r\n\r\n"
)
GARBAGE = [
    b"\x00\xff" * 500,
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    HANDSHAKE + b"\xff" * 100,
    HANDSHAKE + b"\x81\x05hello",
    HANDSHAKE + b"\x81\x82\x00\x00\x00\x00\xc3\x28",
    HANDSHAKE + b"\x88\x80\x00\x00\x00\x00" + b"\x89\x80\x00\x00\x00\x00",
    HANDSHAKE,
    b"",
]


async def test_garbage_and_resets_touch_nobody_else(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        alice = await chat.enter("alice")
        await alice.join("r")
        for pause in (0.0, 0.01):
            for garbage in GARBAGE * 5:
                stream = await trio.open_tcp_stream("127.0.0.1", chat.running.ws_port)
                await stream.send_all(garbage)
                await trio.sleep(pause)
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await trio.aclose_forcefully(stream)
        assert await alice.say("r", "still here", "1") == 1
        assert await (await chat.enter("bob")).before_pong() == []
        assert chat.happened(HandlerFailed) == []


async def test_half_open_handshakes_touch_nobody_and_are_given_up(tmp_path: Path) -> None:
    async with open_chat(tmp_path, handshake=0.5) as chat:
        streams = [await trio.open_tcp_stream("127.0.0.1", chat.running.ws_port) for _ in range(100)]
        for place, stream in enumerate(streams):
            await stream.send_all(HANDSHAKE[:place])
        alice = await chat.enter("alice")
        await alice.join("r")
        assert await alice.say("r", "still here", "1") == 1
        with within(PATIENCE, "the server gives up on each of them"):
            for stream in streams:
                with suppress(trio.BrokenResourceError):
                    while await stream.receive_some():
                        pass
                await stream.aclose()
        assert await alice.before_pong() == []
        assert chat.happened(HandlerFailed) == []
