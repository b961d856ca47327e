"""A real redis-server of a test's own, that can be stopped, killed, frozen, restarted and wiped."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

# How long an engine may take to begin or to end, on however busy a machine.
PATIENCE = 30.0

Answer = None | int | str | list["Answer"]


def redis_program() -> str:
    """Where it is; without it, tests are skipped here, and fail in CI."""
    found = shutil.which("redis-server")
    if found is None and os.environ.get("CI"):
        pytest.fail("redis-server is missing")
    if found is None:
        pytest.skip("needs redis-server")
    return found


def free_port() -> int:
    """Not one of those that the system gives to clients: while the server is away, one that tries to
    reach it may be given the server's own port, reach itself, and keep it."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311  # no secret
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue


@attrs.define(eq=False)
class RedisServer:
    """One process at a time, always at the same port and in the same folder."""

    folder: Path
    port: int
    arguments: tuple[str, ...]
    host: str = "127.0.0.1"
    through: tuple[str, ...] = ()
    """A program that runs it."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    def launch(self) -> None:
        """Begin to start; see `wait_ready`."""
        assert self._process is None, "it runs already"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.through, redis_program(), *self.arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def start(self) -> None:
        self.launch()
        await self.wait_ready()

    async def wait_ready(self) -> None:
        """Until it answers, having loaded what it has."""
        with trio.fail_after(PATIENCE):
            while not await self._answers():
                assert self._process is not None
                assert self._process.poll() is None, (self.folder / "log").read_text()
                await trio.sleep(0.005)

    async def stop(self) -> None:
        """As an operator would: it writes what it has."""
        await self._end(signal.SIGTERM)

    async def kill9(self) -> None:
        await self._end(signal.SIGKILL)

    def sigstop(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def sigcont(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    async def restart(self) -> None:
        """Killed, and started at once."""
        await self.kill9()
        await self.start()

    async def wipe(self) -> None:
        """All data is gone."""
        await self.command("FLUSHALL")

    async def command(self, *words: str | int) -> Answer:
        """One command, on a connection of its own; an error is an AssertionError."""
        return await ask(self.port, *words, host=self.host)

    def clear(self) -> None:
        """No process stays, whatever was done to it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def _end(self, how: signal.Signals) -> None:
        process = self._process
        assert process is not None, "it does not run"
        process.send_signal(how)
        with trio.fail_after(PATIENCE):
            while process.poll() is None:
                await trio.sleep(0.002)
        self._process = None

    async def _answers(self) -> bool:
        try:
            return await self.command("PING") == "PONG"
        except OSError:
            return False
        except AssertionError as error:
            return "NOAUTH" in str(error)  # it loads no more, and wants a password


@asynccontextmanager
async def open_server(
    *options: str, sentinel: str = "", host: str = "127.0.0.1", through: Sequence[str] = ()
) -> AsyncGenerator[RedisServer]:
    """A server that runs; `options` as on its command line: "--appendonly", "yes".

    `sentinel`: the text of a configuration; then it is a Sentinel. `through`: a program that runs it, where
    `host` is an address.
    """
    with tempfile.TemporaryDirectory(prefix="redis-") as name:
        folder, port = Path(name), free_port()
        arguments = ("--port", str(port), "--bind", host, "--dir", name, "--save", "", *options)
        if sentinel:
            (folder / "sentinel.conf").write_text(f"port {port}\nbind {host}\ndir {name}\n{sentinel}")
            arguments = ("sentinel.conf", "--sentinel")
        server = RedisServer(folder, port, arguments, host, tuple(through))
        try:
            await server.start()
            yield server
        finally:
            server.clear()


async def ask(port: int, *words: str | int, host: str = "127.0.0.1") -> Answer:
    """One command to whatever speaks the protocol at a port."""
    encoded = [str(word).encode() for word in words]
    async with await trio.open_tcp_stream(host, port) as stream:
        await stream.send_all(
            b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in encoded)
        )
        reader = _Reader(stream)
        with trio.fail_after(PATIENCE):
            return await reader.answer()


@attrs.define(eq=False)
class _Reader:
    _stream: trio.SocketStream
    _rest: bytes = b""

    async def answer(self) -> Answer:
        line = await self._until(b"\r\n")
        kind, text = line[:1], line[1:].decode()
        if kind == b"*":
            return [await self.answer() for _ in range(int(text))]
        if kind == b"$":
            return None if text == "-1" else (await self._until(b"\r\n", at=int(text))).decode()
        assert kind != b"-", text
        return int(text) if kind == b":" else text

    async def _until(self, end: bytes, *, at: int = 0) -> bytes:
        while (found := self._rest.find(end, at)) < 0:
            more = await self._stream.receive_some()
            if not more:
                raise ConnectionResetError("it closed the connection")
            self._rest += more
        part, self._rest = self._rest[:found], self._rest[found + len(end) :]
        return part
