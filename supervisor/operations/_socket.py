"""The operations on a Unix socket that only its owner can open: what the command line talks to."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import attrs
import hypercorn.config
import hypercorn.trio
import trio
from starlette.applications import Starlette
from starlette.routing import Mount

from ._access import everybody
from ._app import operations_app
from ._operations import Operations

# Open connections get so long for their answers at the end, in seconds.
GOODBYE = 0.5

# Whoever owns the file may act; nobody else can open it.
MODE = 0o600

# Where the system lists what this process has open.
_OPEN_FILES = "/dev/fd"


class ControlError(Exception):
    """The socket cannot be made; says which, why, and the way out."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"cannot listen on {path}: {problem}")
        self.path = path


@asynccontextmanager
async def open_control(operations: Operations, path: str | os.PathLike[str]) -> AsyncGenerator[None]:
    """Serve the operations on a Unix socket for as long as the block lasts; `trouper` talks to it.

    The file has mode 0600: whoever may open it may act, and nobody else. One that a process left
    behind that has ended is replaced; the file is removed at the end.

    Cancellation: whoever is being answered gets half a second for it.

    Raises:
      ControlError: the socket cannot be made, or another process serves there.
    """
    with _listening(os.fspath(path)) as listening:
        server = _Server(operations, listening, os.fspath(path))
        operations.supervisor.background.start_soon(server.run, name=f"control socket {path}")
        try:
            await server.ready.wait()
            if server.over.is_set():
                raise ControlError(os.fspath(path), "the server there ended at once; its error is an event")
            yield
        finally:
            server.end()
            with trio.CancelScope(shield=True):  # it bounds itself
                await server.over.wait()


@attrs.define(eq=False)
class _Server:
    """Hypercorn on that socket, until it is told to end."""

    _operations: Operations
    _listening: socket.socket
    _path: str
    ready: trio.Event = attrs.field(init=False, factory=trio.Event)
    over: trio.Event = attrs.field(init=False, factory=trio.Event)
    _ending: trio.Event = attrs.field(init=False, factory=trio.Event)

    def end(self) -> None:
        self._ending.set()
        start_soon = self._operations.supervisor.background.start_soon
        start_soon(self._hang_up_late, name=f"end of control socket {self._path}")

    async def run(self) -> None:
        try:
            await self._serve()
        finally:
            self.ready.set()
            self.over.set()

    async def _serve(self) -> None:
        config = hypercorn.config.Config()
        config.bind = [f"fd://{self._listening.detach()}"]  # it is Hypercorn's from here on
        config.graceful_timeout = GOODBYE
        config.loglevel = "WARNING"
        app = Starlette(routes=[Mount("/api", operations_app(self._operations, everybody))])
        async with trio.open_nursery() as nursery:
            # Starlette's and Hypercorn's types of ASGI differ, though in words only.
            serve = cast("Any", hypercorn.trio).serve
            await nursery.start(partial(serve, app, config, mode="asgi", shutdown_trigger=self._ending.wait))
            self.ready.set()

    async def _hang_up_late(self) -> None:
        """Hypercorn shields what it sends: a client that reads nothing would hold up the end for ever."""
        with trio.move_on_after(2 * GOODBYE, shield=True):  # also where everything ends at once
            await self.over.wait()
            return
        _hang_up(self._path)


def _hang_up(path: str) -> None:
    """Shut down each connection of this process to that socket; Hypercorn gives nobody hold of them."""
    for open_file in sorted(Path(_OPEN_FILES).iterdir()):
        number = int(open_file.name)
        with suppress(OSError):  # closed meanwhile
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with closing(socket.socket(fileno=os.dup(number))) as found:
                    if found.family == socket.AF_UNIX and found.getsockname() == path:
                        found.shutdown(socket.SHUT_RDWR)


@contextmanager
def _listening(path: str) -> Generator[socket.socket]:
    """A socket that listens there, and is taken away at the end."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listening:
        try:
            _clear(path)
            os.fchmod(listening.fileno(), MODE)  # on Linux the file is made with it: nobody gets in before
            listening.bind(path)
            Path(path).chmod(MODE)
            listening.listen()
        except OSError as error:
            raise ControlError(path, _words(error)) from None
        made = Path(path).stat()
        try:
            yield listening
        finally:
            with suppress(FileNotFoundError):
                now = Path(path).stat()
                if (now.st_dev, now.st_ino) == (made.st_dev, made.st_ino):
                    Path(path).unlink()


def _words(error: OSError) -> str:
    """What went wrong; a path that is too long has no text of its own from the system."""
    return error.strerror or f"{error}; choose a shorter path"


def _clear(path: str) -> None:
    """Take away the socket of a process that has ended. Raises ControlError: it is not one."""
    try:
        mode = Path(path).lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError(path, "there is a file of another kind; choose another path")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
            return
        except BlockingIOError:  # one that is so busy that its queue is full
            pass
    raise ControlError(path, "another process serves there; choose another path")
