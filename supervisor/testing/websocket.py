"""A WebSocket client on a simulated network, by trio-websocket: `pip install trouper[websocket]`.

async with open_websocket(await network.connect()) as websocket:
    await websocket.send_message("hello")
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Any

if find_spec("trio_websocket") is None:
    raise ImportError(
        "supervisor.testing.websocket needs trio-websocket: install trouper[websocket]", name="trio_websocket"
    )

import attrs
import trio
import trio_websocket
import wsproto.utilities

# The closing handshake, in seconds; a server behind a dead link never answers.
GOODBYE = 1.0

# Messages that wait for the test to ask for them. Beyond it the client reads nothing more, pings
# neither, as a browser's tab that hangs.
QUEUE = 10_000


@asynccontextmanager
async def open_websocket(
    stream: trio.abc.HalfCloseableStream, path: str = "/ws", *, queue: int = QUEUE
) -> AsyncGenerator[trio_websocket.WebSocketConnection]:
    """Shake hands on a stream, and say goodbye at the end of the block; the stream is closed then.

    It answers pings, and so is alive to the server, while it has less than `queue` messages.
    What the block raises leaves as it is.

    Raises:
      trio_websocket.HandshakeError: the server refused; in a group, as out of any nursery.
    """
    failure: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            tolerant: Any = _Tolerant(nursery)
            anything: Any = stream  # documented: it takes any stream
            websocket = await trio_websocket.wrap_client_stream(
                tolerant, anything, "network", path, message_queue_size=queue
            )
            try:
                yield websocket
            except Exception as error:  # noqa: BLE001  # raised below, outside of the nursery
                failure = error
            finally:
                with trio.move_on_after(GOODBYE, shield=True):
                    await websocket.aclose()  # noqa: ASYNC102  # bounded
                nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)
    if failure is not None:
        raise failure


@attrs.frozen
class _Tolerant:
    """Where trio-websocket's reader runs: it trips over cut wires, and over a ping after its own Close."""

    _nursery: trio.Nursery

    def start_soon(self, async_fn: Callable[[], Awaitable[object]]) -> None:
        self._nursery.start_soon(self._run, async_fn)

    async def _run(self, async_fn: Callable[[], Awaitable[object]]) -> None:
        with suppress(
            trio_websocket.ConnectionClosed,
            trio.BrokenResourceError,
            trio.ClosedResourceError,
            wsproto.utilities.ProtocolError,
        ):
            await async_fn()
