"""Bus: one node asks another one, and gets an answer, or knows at once that nobody is there."""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import attrs
import trio

from ._engine import Engine
from ._errors import ClusterError
from ._wire import GAP

# So many questions of others are worked on at once; the next ones are told to ask again.
ANSWERS_AT_ONCE = 64

Handler = Callable[[str], Awaitable[str]]


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
    _handlers: dict[str, Handler] = attrs.field(init=False, factory=dict[str, Handler])
    _asked: dict[str, Callable[[dict[str, Any]], None]] = attrs.field(
        init=False, factory=dict[str, Callable[[dict[str, Any]], None]]
    )
    """By the id of the question."""
    _ids: Iterator[int] = attrs.field(init=False, factory=itertools.count)
    _session: str | None = attrs.field(init=False, default=None)
    """Whose channel is being listened to; None: nobody's."""
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
            raise NotAnswered(session, op, "this node has no lease, and could hear no answer")
        number = f"{self._session}/{next(self._ids)}"
        answers: list[dict[str, Any]] = []
        answered = trio.Event()

        def take(answer: dict[str, Any]) -> None:
            answers.append(answer)
            answered.set()

        self._asked[number] = take
        try:
            heard = await self._send(session, {"id": number, "from": self._session, "op": op, "text": text})
            if not heard:
                raise NotAnswered(session, op, "nobody listens there")
            await answered.wait()
        finally:
            del self._asked[number]
        (answer,) = answers
        if "error" in answer:
            raise NotAnswered(session, op, answer["error"])
        return str(answer["text"])

    async def serve(self, session: str) -> None:
        """Listen to this session's channel, and answer what is asked there, until cancelled."""
        async with trio.open_nursery() as nursery:
            try:
                async with self._engine.wire.subscribe(self._channel(session)) as subscription:
                    self._session = session
                    while True:
                        message = await subscription.receive()
                        if message is not GAP:  # who asked in a gap asks again
                            self._take(message, nursery)
            finally:
                if self._session == session:
                    self._session = None

    def _take(self, text: str, nursery: trio.Nursery) -> None:
        message: dict[str, Any] = json.loads(text)  # who may write there is one of us
        if "op" in message:
            nursery.start_soon(self._answer, message)
        elif message["id"] in self._asked:
            self._asked[message["id"]](message)

    async def _answer(self, question: dict[str, Any]) -> None:
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
