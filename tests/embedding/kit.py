"""An example that is served for as long as a block lasts, and clients of it, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import attrs
import httpx2
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

Serve = Callable[..., Awaitable[None]]

# Seconds of the wall clock, and only for a test that hangs.
PATIENCE = 20.0


@attrs.define(eq=False)
class Server:
    address: str
    http: httpx2.AsyncClient
    stop: trio.CancelScope
    ended: trio.Event = attrs.field(factory=trio.Event)

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    async def end(self) -> None:
        """Cancel it, and wait until it has ended, in time."""
        self.stop.cancel()
        await self.ended.wait()
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", self.port)

    @asynccontextmanager
    async def tab(self, path: str, *headers: tuple[bytes, bytes]) -> AsyncGenerator[WebSocketConnection]:
        """A WebSocket; closed at the end of the block."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        async with stream, trio.open_nursery() as nursery:
            host = f"127.0.0.1:{self.port}"
            tab = await wrap_client_stream(
                nursery, stream, host, path, extra_headers=list(headers), message_queue_size=100
            )
            yield tab
            await tab.aclose()


@asynccontextmanager
async def served(serve: Serve, limit: int = 20) -> AsyncGenerator[Server]:
    """Until the end of the block, which waits for the server's own."""
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            stop, ended = trio.CancelScope(), trio.Event()

            async def run(*, task_status: trio.TaskStatus[list[str]]) -> None:  # noqa: ASYNC128  # `serve` does
                with stop:
                    await serve(0, limit=limit, task_status=task_status)
                ended.set()

            [address] = await nursery.start(partial(run))
            async with httpx2.AsyncClient(base_url=address, trust_env=False) as http:
                yield Server(address, http, stop, ended)
            stop.cancel()


async def goodbye(tab: WebSocketConnection) -> tuple[int, str | None]:
    """Read until the server closes: its code and reason."""
    reason = None
    while reason is None:
        try:
            await tab.get_message()
        except ConnectionClosed as closed:
            reason = closed.reason
    return reason.code, reason.reason
