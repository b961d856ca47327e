"""What the tests of line servers share: a client, and a server that is a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import trio

ROOT = Path(__file__).parent.parent.parent

# Real time that nothing here needs, in seconds: two slow cores may be busy with something else.
PATIENCE = 20.0


@attrs.frozen(eq=False)
class Client:
    """One that says a line, and hears one."""

    stream: trio.SocketStream
    rest: bytearray = attrs.field(factory=bytearray)

    async def say(self, line: str) -> str | None:
        """The answer; None: there is none, and there will be none."""
        await self.stream.send_all(f"{line}\n".encode())
        return await self.hear()

    async def hear(self) -> str | None:
        while b"\n" not in self.rest:
            try:
                more = await self.stream.receive_some()
            except trio.BrokenResourceError:
                return None
            if not more:
                return None
            self.rest.extend(more)
        line, _, rest = bytes(self.rest).partition(b"\n")
        self.rest[:] = rest
        return line.decode()


@attrs.frozen(eq=False)
class Door:
    """To a line server; what was opened through it is closed behind it."""

    port: int
    opened: ExitStack

    async def connect(self, hello: str) -> tuple[Client, str | None]:
        """With the answer to a first line."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        self.opened.callback(stream.socket.close)
        client = Client(stream)
        return client, await client.say(hello)


@attrs.frozen(eq=False)
class Program:
    """An example that was started as its docstring says."""

    process: subprocess.Popen[str]
    says: str
    """Its first line."""

    async def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Its exit status after the signal, and what it wrote on standard error."""
        self.process.send_signal(number)
        with trio.fail_after(PATIENCE):
            _, errors = await trio.to_thread.run_sync(self.process.communicate, abandon_on_cancel=True)
        return self.process.returncode, errors


@contextmanager
def started(module: str, *arguments: str) -> Generator[Program]:
    """`python -m MODULE`, until the block ends; it is there once it has said its first line."""
    command = [sys.executable, "-W", "error", "-m", module, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as process:
        impatience = threading.Timer(PATIENCE, process.kill)
        impatience.start()
        try:
            assert process.stdout is not None
            yield Program(process, process.stdout.readline().strip())
        finally:
            impatience.cancel()
            process.kill()
