"""Bus: one node asks another one, and gets an answer, or knows at once that nobody is there."""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import cast

import attrs
import trio

from ._engine import Engine
from ._errors import ClusterError
from ._wire import GAP

# So many questions of others are worked on at once; the next ones are told to ask again.
ANSWERS_AT_ONCE = 64

Handler = Callable[[str], Awaitable[str]]
Take = Callable[[dict[str, str]], None]


class NotAnswered(ClusterError):
    """Another node was asked, and there was no answer: it is not there, is busy, or its handler raised."""

    def __init__(self, session: str, op: str, why: str) -> None:
        super().__init__(session, op, why)
        self.session = session
        self.op = op
        self.why = why

    def __str__(self) -> str:
        return f"node {self.session} did not answer {self.op!r}: {self.why}"


@attrs.define(eq=False)
class Bus:
    """Questions and answers over the engine's channels, one for each session."""

    _engine: Engine
    _pause: float
    """Seconds from a failure to listen to the next try."""
    _handlers: dict[str, Handler] = attrs.field(init=False, factory=dict[str, Handler])
    _asked: dict[str, tuple[str, Take]] = attrs.field(init=False, factory=dict[str, "tuple[str, Take]"])
    """By the id of the question: who was asked, and what takes the answer."""
    _ids: Iterator[int] = attrs.field(init=False, factory=itertools.count)
    _session: str | None = attrs.field(init=False, default=None)
    """Whose channel is being listened to; None: nobody's."""
    _deaf: str = attrs.field(init=False, default="it has no lease")
    """Why it is nobody's."""
    _answering: int = attrs.field(init=False, default=0)

    def handle(self, op: str, handler: Handler) -> None:
        """Answer such questions with it. Raises ValueError: somebody else does."""
        if op in self._handlers:
            raise ValueError(f"{op!r} is answered already; choose another name")
        self._handlers[op] = handler

    async def ask(self, session: str, op: str, text: str) -> str:
        """Ask a node, and wait for the answer, for as long as the caller likes.

        Cancellation: it may answer all the same. Raises NotAnswered: nobody is there, or it said so;
        and as the engine does.
        """
        if self._session is None:
            raise NotAnswered(session, op, f"this node could hear no answer: {self._deaf}")
        number = f"{self._session}/{next(self._ids)}"
        answers: list[dict[str, str]] = []
        answered = trio.Event()

        def take(answer: dict[str, str]) -> None:
            answers.append(answer)
            answered.set()

        self._asked[number] = session, take
        try:
            heard = await self._send(session, {"id": number, "from": self._session, "op": op, "text": text})
            if not heard:
                raise NotAnswered(session, op, "nobody listens there")
            await answered.wait()
        finally:
            del self._asked[number]
        answer = answers[0]
        if "error" in answer:
            raise NotAnswered(session, op, answer["error"])
        return str(answer["text"])

    def alive(self, live: Collection[str]) -> None:
        """Of the others nobody will answer any more."""
        for session, take in list(self._asked.values()):
            if session not in live:
                take({"error": "its lease is over"})

    async def serve(self, session: str) -> None:
        """Listen to this session's channel, and answer what is asked there, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    await self._listen(session, nursery)
                except ClusterError as error:  # one that lets nobody listen, say
                    self._deaf = str(error)
                await trio.sleep(self._pause)

    async def _listen(self, session: str, nursery: trio.Nursery) -> None:
        try:
            async with self._engine.wire.subscribe(self._channel(session)) as subscription:
                self._session = session
                while True:
                    message = await subscription.receive()
                    if message is GAP:
                        self._missed("the answer may have been missed")
                    else:
                        self._take(message, nursery)
        finally:
            if self._session == session:
                self._session, self._deaf = None, "it has no lease"
                self._missed("this node listens no more")

    def _missed(self, why: str) -> None:
        for _, take in list(self._asked.values()):
            take({"error": why})

    def _take(self, text: str, nursery: trio.Nursery) -> None:
        message = _read(text)
        if message is None:
            return  # not from one of us, or from another version
        if "op" in message:
            nursery.start_soon(self._answer, message)
        elif message["id"] in self._asked:
            self._asked[message["id"]][1](message)

    async def _answer(self, question: dict[str, str]) -> None:
        answer: dict[str, str] = {"id": question["id"]}
        handler = self._handlers.get(question["op"])
        if handler is None:
            answer["error"] = f"it does not know {question['op']!r}"
        elif self._answering >= ANSWERS_AT_ONCE:
            answer["error"] = "it is busy with other questions"
        else:
            self._answering += 1
            try:
                answer["text"] = await handler(question["text"])
            except Exception as error:  # noqa: BLE001  # told to whoever asked
                answer["error"] = repr(error)
            finally:
                self._answering -= 1
        try:
            await self._send(question["from"], answer)
        except ClusterError:
            return  # who asked gives up in his own time

    async def _send(self, session: str, message: dict[str, str]) -> int:
        return await self._engine.wire.publish(self._channel(session), json.dumps(message))

    def _channel(self, session: str) -> str:
        return f"{self._engine.prefix}:rpc:{session}"


def _read(text: str) -> dict[str, str] | None:
    """A question or an answer; None: it is neither."""
    try:
        said: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    message = cast("dict[str, object]", said)
    wanted = {"id", "op", "from", "text"} if "op" in message else {"id"}
    is_ours = wanted <= message.keys() and not {"op", "text", "error"}.isdisjoint(message)
    if not is_ours or not all(isinstance(each, str) and _can_be_sent(each) for each in message.values()):
        return None
    return cast("dict[str, str]", message)


def _can_be_sent(text: str) -> bool:
    """In JSON there may be half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
