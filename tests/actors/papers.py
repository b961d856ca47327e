"""A client behind an ASGI server, both of paper: the test is the client, and the server too."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from actors import Connection
from actors.asgi import AsgiSpec, serve_asgi

from . import virtual

Message = dict[str, Any]


@attrs.define(eq=False)
class PaperClient:
    """What was sent to it stands in `log`, as ASGI has it."""

    headers: list[tuple[bytes, bytes]] = attrs.field(factory=lambda: [(b"host", b"chat.example")])
    type: str = "websocket"
    answers: str | None = None
    """What it says to a ping."""
    answers_close: bool = True
    log: list[Message] = attrs.field(init=False, factory=list[Message])
    times: list[float] = attrs.field(init=False, factory=list[float])
    """Of what stands in the log."""
    read: int = attrs.field(init=False, default=0)
    """Messages that the server has fetched."""
    broken: Exception | None = None
    """What every send raises."""
    _inbound: tuple[trio.MemorySendChannel[Message], trio.MemoryReceiveChannel[Message]] = attrs.field(
        init=False, factory=lambda: trio.open_memory_channel[Message](10_000)
    )
    _reads: trio.Event = attrs.field(init=False, factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self._reads.set()
        self.arrive({"type": "websocket.connect"})

    @property
    def scope(self) -> Message:
        return {"type": self.type, "headers": self.headers, "client": ("10.0.0.1", 1234)}

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.log if message["type"] == "websocket.send"]

    @property
    def goodbyes(self) -> list[tuple[int, str]]:
        closes = [message for message in self.log if message["type"] == "websocket.close"]
        return [(message["code"], message["reason"]) for message in closes]

    # The client

    def arrive(self, message: Message) -> None:
        self._inbound[0].send_nowait(message)

    def say(self, text: str) -> None:
        self.arrive({"type": "websocket.receive", "text": text, "bytes": None})

    def leave(self, code: int = 1001, reason: str = "bye") -> None:
        self.arrive({"type": "websocket.disconnect", "code": code, "reason": reason})

    def stall(self) -> None:
        """The client reads nothing from now on."""
        self._reads = trio.Event()

    def resume(self) -> None:
        self._reads.set()

    # The server

    async def receive(self) -> Message:
        message = await self._inbound[1].receive()
        self.read += 1
        return message

    async def send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        await self._reads.wait()
        if self.broken is not None:
            raise self.broken
        self.log.append(message)
        self.times.append(trio.current_time())
        if message.get("text", "").startswith('{"type":"ping"') and self.answers is not None:
            self.say(self.answers)
        if message["type"] == "websocket.close" and self.answers_close:
            self.leave(1000, "")


@attrs.define(eq=False)
class Served:
    client: PaperClient
    connection: Connection | None = None
    crash: BaseException | None = None
    over: trio.Event = attrs.field(factory=trio.Event)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    async def run(self, handler: Any, spec: AsgiSpec | None) -> None:
        async def noting(connection: Connection) -> None:
            self.connection = connection
            await handler(connection)

        try:
            with self.scope:
                client = self.client
                await serve_asgi(noting, client.scope, client.receive, client.send, spec=spec)
        except Exception as error:  # noqa: BLE001  # the test looks at it
            self.crash = error
        self.over.set()


@asynccontextmanager
async def serving(client: PaperClient, handler: Any, spec: AsgiSpec | None = None) -> AsyncGenerator[Served]:
    """At the end of the block it is waited for; who waits for ever fails."""
    with trio.fail_after(virtual.FOREVER):
        async with trio.open_nursery() as nursery:
            served = Served(client)
            nursery.start_soon(served.run, handler, spec)
            await wait_all_tasks_blocked()
            yield served
            await served.over.wait()
