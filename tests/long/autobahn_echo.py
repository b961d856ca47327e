"""Two echoes for the Autobahn testsuite: of text by all that we offer, of text and bytes by our Wire alone.

A Connection speaks text only, and closes at the first byte string. So what the suite wants to say
about bytes, and of trio-websocket's own frames, it says of the layer below.
"""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial

import attrs
import trio
import trio_websocket

from actors import Connection, ConnectionSpec
from actors._wire import Wire
from actors.websocket import (
    WebSocketSpec,
    _last_words,  # pyright: ignore[reportPrivateUsage]  # what the layer above would have it say
    serve_websocket,
)

# Bytes. The suite's largest message has 16 MiB.
LARGEST = 32 * 1024 * 1024

# Nothing that the suite does is too much, too fast or too slow: the limits are tested elsewhere.
SPEC = WebSocketSpec(
    path="/",
    message_bytes=LARGEST,
    connection=ConnectionSpec(outbox_bytes=4 * LARGEST, rate=math.inf, close_grace=10.0),
)

_CLIENT_FAULTS = (
    trio_websocket.HandshakeError,
    trio_websocket.ConnectionClosed,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


@attrs.frozen
class Ports:
    """Of each echo."""

    text: int
    bytes: int


async def serve_echoes(*, task_status: trio.TaskStatus[Ports]) -> None:
    """Echo on free ports of loopback until cancelled."""
    async with trio.open_nursery() as nursery:
        public = partial(serve_websocket, echo_text, 0, spec=SPEC, handler_nursery=nursery)
        texts: list[trio.SocketListener] = await nursery.start(public)
        everything = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, echo_everything, everything)
        text, any_port = (served[0].socket.getsockname()[1] for served in (texts, everything))
        task_status.started(Ports(text, any_port))


async def echo_text(connection: Connection) -> None:
    """What a program does with our public API."""
    while True:
        connection.send_nowait(await connection.receive())


async def echo_everything(stream: trio.SocketStream) -> None:
    """trio-websocket's part of it on our Wire. What a client does to it ends quietly; our errors leave."""
    wire = Wire(stream)
    try:
        async with trio.open_nursery() as nursery:
            wire.outbox.serve(nursery)
            request = await trio_websocket.wrap_server_stream(nursery, wire, max_message_size=LARGEST)
            websocket = await request.accept()
            wire.last_words = partial(_last_words, websocket, wire)
            # Then trio-websocket closes the wire, in its own task: cut short, our Close might be lost.
            with suppress(trio_websocket.ConnectionClosed):
                while True:
                    await websocket.send_message(await websocket.get_message())
    except* _CLIENT_FAULTS:
        pass
    finally:
        await trio.aclose_forcefully(wire)
