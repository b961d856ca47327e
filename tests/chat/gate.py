"""A gate between a page and the chat: real WebSockets go through it, and end the way a test says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

import attrs
import websockets
import websockets.sync.client
import websockets.sync.server
from websockets.sync.connection import Connection

# What a browser may see as a close code, but no Close frame can hold.
_UNSAYABLE = {1005, 1006}


@attrs.define(eq=False)
class Gate:
    """Stands in front of the chat's WebSocket port."""

    behind: int
    """The port of the chat itself."""
    port: int = 0
    shut: bool = False
    """Whoever comes now is cut off, as by a server that is down."""
    delay: float = 0.0
    """Seconds that each frame takes: a bad line."""
    came: int = 0
    """How often a page has come."""
    _inside: list[websockets.sync.server.ServerConnection] = attrs.field(
        init=False, factory=list[websockets.sync.server.ServerConnection]
    )

    def close(self, code: int, reason: str = "") -> None:
        """End all that are inside with this Close frame."""
        for page in self._leaving():
            page.close(code, reason)

    def cut(self) -> None:
        """End all that are inside without a word: a browser calls that 1006."""
        for page in self._leaving():
            with suppress(OSError):
                page.socket.shutdown(socket.SHUT_RDWR)

    def _leaving(self) -> list[websockets.sync.server.ServerConnection]:
        leaving, self._inside = self._inside, []
        return leaving

    def serve(self, page: websockets.sync.server.ServerConnection) -> None:
        """One page, from its coming to its end."""
        self.came += 1
        self._inside.append(page)
        if self.shut:
            self.cut()
            return
        url = f"ws://127.0.0.1:{self.behind}/ws"
        with websockets.sync.client.connect(url, proxy=None, close_timeout=1) as chat:
            back = threading.Thread(target=self._pump, args=(chat, page))
            back.start()
            self._pump(page, chat)
            back.join()

    def _pump(self, source: Connection, target: Connection) -> None:
        """Hand on every frame, and in the end the end."""
        with suppress(websockets.ConnectionClosed):
            for frame in source:
                time.sleep(self.delay)
                target.send(frame)
        with suppress(websockets.ConnectionClosed):
            code = source.close_code
            if code is None or code in _UNSAYABLE:
                target.close()
            else:
                target.close(code, source.close_reason or "")


@contextmanager
def open_gate(behind: int) -> Generator[Gate]:
    """A gate in front of that port, until the end of the block."""
    gate = Gate(behind)
    with websockets.sync.server.serve(gate.serve, "127.0.0.1", 0, close_timeout=1) as server:
        gate.port = server.socket.getsockname()[1]
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield gate
        finally:
            gate.cut()
            server.shutdown()
            serving.join()
