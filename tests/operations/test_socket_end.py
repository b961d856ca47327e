"""The end of the Unix socket: whoever is being answered gets a moment, and nobody holds it up."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import socket
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import trio

from supervisor import Supervisor, SupervisorSpec, open_supervisor
from supervisor.operations import Operations, _socket, open_control
from supervisor.operations._trends import Sample
from supervisor.testing import WedgedForever
from tests.supervisor.harness import Crowd

from .sockets import ask, connect, read_all, within


async def test_whoever_is_being_answered_gets_a_moment_for_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a supervisor that nobody has looked at, the first overview takes some time."""
    async with open_supervisor() as supervisor:
        operations = Operations(supervisor)

        async def slowly() -> dict[str, object]:
            await trio.sleep(0.2)
            return {"slow": "but sure"}

        monkeypatch.setattr(operations, "overview", slowly)
        async with open_control(operations, path):
            stream = await connect(path, "GET /api/overview")
            await trio.sleep(0.1)
        assert await read_all(stream) == (200, {"slow": "but sure", "access": "act"})


async def test_a_long_answer_does_not_hold_up_the_end(path: Path) -> None:
    async with open_supervisor() as supervisor:
        await Crowd(supervisor).add("slow", 1, WedgedForever, at_work=True, stop_grace=3.0)
        with within(2.5):
            async with open_control(Operations(supervisor), path):
                stream = await connect(path, "POST /api/stop", b'{"user": "alice"}')
                await trio.sleep(0.3)
        await stream.aclose()


async def test_a_supervisor_ends_while_it_is_being_asked(path: Path) -> None:
    with within(6):
        async with open_supervisor() as supervisor, open_control(Operations(supervisor), path):
            await Crowd(supervisor).add("slow", 1, WedgedForever, at_work=True, stop_grace=1.0)
            streams = [
                await connect(path, "POST /api/stop", b'{"user": "alice"}'),
                await connect(path, "GET /api/stream"),
                await trio.open_unix_socket(str(path)),  # one that says nothing
            ]
            await trio.sleep(0.3)
    for stream in streams:
        await stream.aclose()


async def give_up(stream: trio.SocketStream) -> None:
    """After some time, so that a test that fails ends all the same."""
    await trio.sleep(10)
    await stream.aclose()


async def flood(path: Path) -> trio.SocketStream:
    """A client that asks for more than fits between, and reads nothing."""
    stream = await trio.open_unix_socket(str(path))
    trio.lowlevel.spawn_system_task(give_up, stream)
    with trio.move_on_after(1):
        while True:
            await stream.send_all(b"GET /api/history HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
    return stream


async def test_a_client_that_reads_nothing_does_not_hold_up_the_end(path: Path) -> None:
    async with open_supervisor() as supervisor:
        operations = Operations(supervisor)
        for number in range(600):
            operations._monitor.trends.add(_sample(supervisor, float(number)))
        with within(6):
            async with open_control(operations, path):
                stream = await flood(path)
                assert (await ask(path))[0] == 200, "nor anybody else"
        await stream.aclose()


def _sample(supervisor: Supervisor, at: float) -> Sample:
    return Sample(at, supervisor.counts(), 0.0)


async def test_hanging_up_cuts_no_connection_but_those_to_this_socket(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as server, closing(socket.socket(socket.AF_UNIX)) as client:
        server.bind("other.sock")
        server.listen()
        client.connect("other.sock")
        accepted, _ = server.accept()
        with closing(accepted):
            _socket._hang_up(str(path))
            client.sendall(b"still here")
            assert accepted.recv(99) == b"still here"
            _socket._hang_up("other.sock")
            assert client.recv(99) == b""


async def test_a_control_that_lives_in_the_background_ends_with_it(path: Path) -> None:
    async def control(supervisor: Supervisor) -> None:
        async with open_control(Operations(supervisor), path):
            await trio.sleep_forever()

    with within(8):
        async with open_supervisor(spec=SupervisorSpec()) as supervisor:
            supervisor.background.start_soon(partial(control, supervisor))
            await trio.sleep(0.3)
            stream = await flood(path)
        await stream.aclose()
    assert not path.exists()
