"""Sender: gives an ASGI server whole messages, one after another, out of the bytes of an Outbox."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import attrs
import trio

Send: TypeAlias = Callable[[Any], Awaitable[None]]

# Before each message: what it is, by its number in RFC 6455, and how many bytes follow.
_HEAD = struct.Struct("!BI")
_TEXT, _CLOSE = 1, 8
_CODE = struct.Struct("!H")

# What a Close frame has room for besides its code, in bytes.
_REASON_BYTES = 123


def text_parcel(text: str) -> bytes:
    """A text as the Outbox holds it. Raises UnicodeEncodeError."""
    return _parcel(_TEXT, text.encode())


def close_parcel(code: int, reason: str) -> bytes:
    """A goodbye; a reason that is too long for its frame is cut."""
    return _parcel(_CLOSE, _CODE.pack(code) + reason.encode(errors="replace")[:_REASON_BYTES])


def _parcel(kind: int, content: bytes) -> bytes:
    return _HEAD.pack(kind, len(content)) + content


def take_messages(data: bytearray) -> Iterator[dict[str, Any]]:
    """As ASGI has them, those that stand whole at the beginning of `data`; each is taken out of it."""
    while len(data) >= _HEAD.size:
        kind, size = _HEAD.unpack_from(data)
        end = _HEAD.size + size
        if len(data) < end:
            return
        content = bytes(data[_HEAD.size : end])
        del data[:end]
        yield _message(kind, content)


def _message(kind: int, content: bytes) -> dict[str, Any]:
    if kind == _TEXT:
        return {"type": "websocket.send", "text": content.decode()}
    [code] = _CODE.unpack_from(content)
    reason = content[_CODE.size :].decode(errors="ignore")  # it may have been cut within a character
    return {"type": "websocket.close", "code": code, "reason": reason}


@attrs.define(eq=False, repr=False)
class Sender:
    """Sends in a task of its own, so that nobody who is cancelled leaves a message half given.

    As a Sink it is asked again, with the same bytes, after a `write_some` that was cancelled; that
    one then waits for what is being sent already.
    """

    _send: Send
    muted: bool = attrs.field(init=False, default=False)
    """The client has left: what is still said goes nowhere, without a fault of anybody's."""
    _unsent: bytearray = attrs.field(init=False, factory=bytearray)
    _batch: int | None = attrs.field(init=False, default=None)
    """How many bytes `write_some` was given that it has not yet told the end of."""
    _work: trio.Event = attrs.field(init=False, factory=trio.Event)
    _done: trio.Event = attrs.field(init=False, factory=trio.Event)
    _failure: str | None = attrs.field(init=False, default=None)
    _sending: trio.CancelScope = attrs.field(init=False, factory=lambda: trio.CancelScope(shield=True))

    async def run(self) -> None:
        """Until `abort`, which whoever runs it has to call: what ends around it does not end this."""
        with self._sending:
            while True:
                await self._work.wait()
                self._work = trio.Event()
                await self._send_batch()
                self._done.set()

    async def _send_batch(self) -> None:
        try:
            for message in take_messages(self._unsent):
                if not self.muted:
                    await self._send(message)
        except Exception as error:  # noqa: BLE001  # OSError by ASGI; each framework makes one of its own of it
            self._fail(repr(error))

    def abort(self) -> None:
        """Send nothing more. A server that shields its writes ends the one that it is at."""
        self._fail("it was cut off")
        self._sending.cancel()

    def _fail(self, why: str) -> None:
        if self._failure is None:
            self._failure = why
        self._done.set()

    # As the Outbox needs it

    def write_now(self, data: bytes) -> int:  # noqa: ARG002  # as the protocol says
        return 0

    async def write_some(self, data: bytes) -> int:
        if self._batch is None and self._failure is None:
            self._batch = len(data)
            self._unsent += data
            self._done = trio.Event()
            self._work.set()
        await self._done.wait()
        if self._failure is not None:
            raise trio.BrokenResourceError(self._failure)
        assert self._batch is not None
        count, self._batch = self._batch, None
        return count
