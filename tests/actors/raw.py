"""A WebSocket client in the raw: it does only what the test says, answers nothing by itself."""

from __future__ import annotations

import attrs
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Request, TextMessage


@attrs.define(eq=False)
class RawClient:
    stream: trio.abc.Stream
    _protocol: WSConnection = attrs.field(init=False, factory=lambda: WSConnection(ConnectionType.CLIENT))
    seen: list[Event] = attrs.field(init=False, factory=list[Event])

    async def shake_hands(self, path: str = "/ws") -> None:
        await self.send(Request(host="raw", target=path))
        await self.read_until(AcceptConnection)

    async def send(self, event: Event) -> None:
        await self.stream.send_all(self._protocol.send(event))

    async def say(self, text: str) -> None:
        await self.send(TextMessage(text))

    async def read_until(self, kind: type[Event]) -> Event:
        while not any(isinstance(event, kind) for event in self.seen):
            data = await self.stream.receive_some()
            assert data, f"the server hung up, after {self.seen}"
            self._protocol.receive_data(bytes(data))
            self.seen.extend(self._protocol.events())
        return self.seen[-1]

    async def read_to_the_end(self) -> None:
        """Until the server hangs up."""
        while data := await self.stream.receive_some():
            self._protocol.receive_data(bytes(data))
            self.seen.extend(self._protocol.events())

    @property
    def close_codes(self) -> list[int]:
        """Of the Close frames that came."""
        return [event.code for event in self.seen if isinstance(event, CloseConnection)]
