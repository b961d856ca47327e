"""What happens, as server-sent events: each second the overview, and the events since the last time."""

from __future__ import annotations

from contextlib import suppress

import attrs
import trio
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from ._access import Access, Guard
from ._answers import as_json, refused, seen_by
from ._operations import Operations
from ._unable import Unable

# Pages that are told what happens, at once; one more is refused.
MOST_STREAMS = 20

_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy that collects them would show the past
]


@attrs.define(eq=False)
class Stream:
    """The endpoint. A slow client loses events, and is told how many."""

    _operations: Operations
    _guard: Guard
    _open: int = attrs.field(init=False, default=0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = Request(scope, receive)
            access = await self._guard.look(request)
            if self._open >= MOST_STREAMS:
                raise Unable(503, f"{MOST_STREAMS} pages are open already, the limit; close one")
        except Unable as error:
            await refused(error)(scope, receive, send)
            return
        self._open += 1
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_gone, receive, nursery.cancel_scope)
                with suppress(Unable):  # whose access ends while he looks
                    await self._tell(send, request, access)
                nursery.cancel_scope.cancel()
        finally:
            self._open -= 1

    async def _tell(self, send: Send, request: Request, access: Access) -> None:
        seen = self._operations.last_event
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await _tell_one(send, "overview", seen_by(access, await self._operations.overview()))
        while True:
            overview = await self._operations.next_overview()
            access = await self._guard.look(request)
            seen, lines = self._operations.lines_since(seen)
            await _tell_one(send, "overview", seen_by(access, overview))
            if lines:
                await _tell_one(send, "events", lines)


async def _tell_one(send: Send, name: str, facts: object) -> None:
    text = f"event: {name}\ndata: {as_json(facts)}\n\n"
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
