"""Chats as processes on a real engine, for tests without an event loop."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import attrs
import websockets

from tests.cluster.redis_server import RedisServer, free_port

from .conftest import running_server
from .support import Server, peer, wait_until

# Seconds. Short, so that the dead are found soon; long beside what a busy machine holds up.
LEASE = 3.0

# What coredis leaves to the garbage collector of each connection that broke.
UNCLOSED = "ignore:Unclosed <MemoryObject:ResourceWarning"


@attrs.define(eq=False)
class Site:
    """An engine, and nodes on it."""

    folder: Path
    engine: RedisServer
    _running: ExitStack

    def options(self, name: str, *, lease: float = LEASE) -> tuple[str, ...]:
        """Of the command line of a node."""
        return ("--engine", self.engine.url, "--lease", f"{lease:g}", "--node-name", name)

    def node(
        self, name: str, *, limit: int = 20, http: int = 0, ws: int = 0, module: str = "tests.chat.talkative"
    ) -> Server:
        """One more, which lets people in."""
        running = running_server(
            self.folder,
            *self.options(name),
            limit=limit,
            http=http,
            ws=ws,
            module=module,
            warnings=("error", UNCLOSED),
        )
        server = self._running.enter_context(running)
        wait_until(lambda: lets_in(server), f"{name} lets people in")
        return server

    def stop_engine(self) -> None:
        """In the middle of whatever it does."""
        self.engine.clear()

    def start_engine(self) -> None:
        self.engine.launch()
        wait_until(lambda: answers(self.engine.port), "the engine answers")


@contextmanager
def open_site(folder: Path, *options: str) -> Generator[Site]:
    """An engine, with `options` as on its command line; it keeps what it has acknowledged."""
    home = folder / "engine"
    home.mkdir()
    port = free_port()
    arguments = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(home), "--save", "", *options)
    engine = RedisServer(home, port, (*arguments, "--appendonly", "yes"))
    with ExitStack() as running:
        running.callback(engine.clear)
        site = Site(folder, engine, running)
        site.start_engine()
        yield site


def answers(port: int) -> bool:
    """Does the engine there, having loaded what it has?"""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def lets_in(server: Server) -> bool:
    """A node that is new, on an engine that is, lets nobody in for a lease."""
    with suppress(websockets.ConnectionClosed, OSError), peer(server.ws, "the doorman", "door") as client:
        client.until("welcome")
        return True
    return False
