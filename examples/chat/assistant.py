"""The assistant: answers a question from the history of the rooms one is in, telling each step."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Collection

from .history import History
from .protocol import (
    AgentCompleted,
    AgentEvent,
    AgentStarted,
    AgentThinking,
    Ask,
    Source,
    ToolCompleted,
    ToolExecuting,
)

TOOL = "search_history"

# Messages an answer rests on at the most; more would not be read.
SOURCES = 5


async def answer(ask: Ask, *, rooms: Collection[str], history: History) -> AsyncGenerator[AgentEvent]:
    """The five events of one answer, in order, as they come about.

    Raises:
      StorageError: the history could not be read.
    """
    yield AgentStarted(ask.id, time.time(), ask.text)
    where = ", ".join(sorted(rooms)) or "no room: join one first"
    yield AgentThinking(ask.id, time.time(), f"Who has said something about this? I look in {where}.")
    yield ToolExecuting(ask.id, time.time(), TOOL, ask.text)
    began = time.perf_counter()
    found = await history.search(ask.text, rooms=rooms, limit=SOURCES) if rooms else []
    took = time.perf_counter() - began
    yield ToolCompleted(ask.id, time.time(), TOOL, len(found), took)
    sources = [Source(s.room, s.seq, s.user, s.text, s.at) for s in found]
    yield AgentCompleted(ask.id, time.time(), _sentence(sources, where), sources)


def _sentence(sources: list[Source], where: str) -> str:
    if not sources:
        return f"Nobody has said anything about that ({where})."
    best = sources[0]
    said = f"{best.user} said in {best.room}: “{best.text}”"
    if len(sources) == 1:
        return f"I found one message. {said}"
    people = ", ".join(sorted({source.user for source in sources}))
    return f"I found {len(sources)} messages, by {people}. The closest: {said}"
