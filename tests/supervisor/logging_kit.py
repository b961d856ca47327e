"""What the tests of logging share: a handler that keeps records, and what logs to it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

import attrs
import trio

from supervisor import (
    Found,
    Supervisor,
)
from supervisor._stream import Events
from supervisor.logs import log_events

from .harness import Log, opened


class Keeps(logging.Handler):
    """Keeps all records, and may do something else first."""

    def __init__(self, first: Callable[[Any], object] = lambda _: None) -> None:
        super().__init__()
        self.first = first
        self.records: list[Any] = []

    def handle(self, record: logging.LogRecord) -> bool:
        self.first(record)
        self.records.append(record)
        return True

    @property
    def ids(self) -> list[str]:
        return [record.event_id.removeprefix("supervisor.") for record in self.records]


def logger_of(handler: logging.Handler, level: int = logging.DEBUG) -> logging.Logger:
    """One for the tests; the last handler has it."""
    logger = logging.getLogger("tests.supervisor.logs")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
    return logger


@contextlib.asynccontextmanager
async def logged(
    handler: logging.Handler, limit: int = 20, *, level: int = logging.DEBUG, **spec: Any
) -> AsyncGenerator[tuple[Supervisor, Log]]:
    """A supervisor with its log in that handler, whole when the block has ended."""
    async with trio.open_nursery() as nursery, opened(limit, **spec) as (supervisor, log):
        write = partial(log_events, logger=logger_of(handler, level))
        nursery.start_soon(write, supervisor.events())
        yield supervisor, log


@attrs.frozen(eq=False)
class Told:
    """Events that are told by hand, logged by one handler."""

    events: Events

    def found(self, *incarnations: int) -> None:
        for incarnation in incarnations:
            self.events.emit(Found(self.events.stamp(), "ann", "tab", incarnation))


@contextlib.asynccontextmanager
async def telling(handler: logging.Handler, level: int = logging.DEBUG) -> AsyncGenerator[Told]:
    async with trio.open_nursery() as nursery:
        told = Told(Events())
        write = partial(log_events, logger=logger_of(handler, level))
        nursery.start_soon(write, told.events.subscribe(1000))
        try:
            yield told
        finally:
            told.events.close()


def log_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "trouper log"]
