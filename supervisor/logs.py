r"""Logs: what happens in a supervisor, through the standard `logging`, to a logger named `supervisor`.

Nothing is printed unless you ask for it, as of any library:

    logging.basicConfig(level=logging.INFO)

Each kind of line has a stable `event_id`, an attribute of its record; so are `user`, `key`,
`incarnation` (None where the line is about none), `seq` (the number of the event), `at` (Trio's
clock, in seconds), and what else is known: `reason`, `held`, `limit`, `waited`, `duration`, and so on.
Values are plain JSON, and exact: the sentence escapes what could steer a terminal, they do not.
Exceptions come as `exc_info`.

- DEBUG: slots, connections, managers that were found.
- INFO: starts, ends, cleanups (`supervisor.sweeper.started`, `supervisor.cleanup.done`,
  `supervisor.cleanup.complete`).
- WARNING: stuck managers, cleanups in vain (`supervisor.cleanup.in_vain`), refusals
  (`supervisor.spawn.refused`), an event loop that stood still, events that the log lost.
- ERROR: crashes, condemned managers (`supervisor.actor.condemned`), a cleanup task that failed, a
  shutdown that is held up.

One JSON object a line, with structlog:

    import datetime
    import logging

    import structlog
    from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level

    def add_time(logger, name, line):
        when = datetime.datetime.fromtimestamp(line["_record"].created, datetime.UTC)
        return line | {"timestamp": when.isoformat()}

    handler = logging.StreamHandler()
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[ExtraAdder(), add_log_level, add_time],
            processors=[
                ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.getLogger("supervisor").addHandler(handler)
    logging.getLogger("supervisor").setLevel(logging.INFO)

Handlers run in a thread of their own, one for each supervisor that has anything to say: one that
blocks does not hold up the event loop. It loses the oldest lines when it falls `BACKLOG` behind,
and a line tells how many. One that raises is told of through `threading.excepthook`, and has
its next line all the same.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TypeAlias

import attrs
import trio

from ._events import Event, EventsLost
from ._log_lines import Entry, entry_of, row_of
from ._stream import Subscription

__all__ = ["BACKLOG", "END_GRACE", "LOGGER", "Tell", "log_events", "open_log"]

Tell: TypeAlias = Callable[[Event | EventsLost], None]
"""Logs one event."""

LOGGER = logging.getLogger("supervisor")
LOGGER.addHandler(logging.NullHandler())

# Lines that wait for handlers: some seconds of a busy server, some megabytes.
BACKLOG = 10_000

# So many seconds after the first line of a burst they are written: what made it is over by then. A thread
# that runs in the midst of it would hold it up for milliseconds.
PAUSE = 0.02

# How long the end of a supervisor waits for handlers that are slow, in seconds of a real clock; the
# event loop stands still meanwhile. What they have not taken by then they get while the process lasts.
END_GRACE = 1.0


@contextmanager
def open_log(logger: logging.Logger = LOGGER) -> Generator[Tell]:
    """Gives what logs one event: call it in the event loop, as often as you like; it never waits.

    The end of the block waits for slow handlers, for END_GRACE seconds at most.
    """
    writer = _Writer(logger)
    try:
        yield writer.put
    finally:
        writer.finish()


async def log_events(events: Subscription, *, logger: logging.Logger = LOGGER) -> None:
    """Log all of `events` to a logger of your own, until their supervisor has ended.

    To the logger `supervisor`, `open_supervisor` does it by itself, at less cost.
    Cancellation: none, so that the end is in the log too; it is over when the supervisor is.
    """
    with open_log(logger) as tell, events, trio.CancelScope(shield=True), suppress(trio.EndOfChannel):
        while True:
            for event in (await events.receive(), *events.drain()):
                tell(event)


@attrs.frozen
class _Told:
    """An event, and when it was told, in seconds since the epoch."""

    event: Event | EventsLost
    at: float


@attrs.define(eq=False, repr=False)
class _Writer:
    """Hands lines to `logging`, in a thread that begins with the first."""

    _logger: logging.Logger
    _backlog: SimpleQueue[_Told | None] = attrs.field(init=False, factory=SimpleQueue[_Told | None])
    _lost: int = attrs.field(init=False, default=0)
    """So far; only the loop counts it."""
    _lost_told: int = attrs.field(init=False, default=0)
    """Of them; only the thread counts it."""
    _over: threading.Event = attrs.field(init=False, factory=threading.Event)
    """Nothing more will come."""
    _thread: threading.Thread | None = attrs.field(init=False, default=None)

    # In the loop

    def put(self, event: Event | EventsLost) -> None:
        """Have it logged, if anybody asked for lines of its level. Returns at once."""
        row = row_of(event)
        if row is None or not self._logger.isEnabledFor(row.level) or not _is_heard(self._logger):
            return
        if self._backlog.qsize() >= BACKLOG:
            with suppress(Empty):  # the thread has just taken it
                oldest = self._backlog.get_nowait()
                self._lost += _events_in(oldest)
        self._backlog.put(_Told(event, time.time()))
        if self._thread is None:
            self._begin()

    def _begin(self) -> None:
        thread = threading.Thread(target=self._write_all, name="trouper log", daemon=True)
        with suppress(RuntimeError):  # the system has no thread left; the next line tries again
            thread.start()
            self._thread = thread

    def finish(self) -> None:
        """Nothing more will come. Waits for the last line, for END_GRACE seconds at most."""
        if self._thread is not None:
            self._over.set()
            self._backlog.put(None)
            self._thread.join(END_GRACE)

    # In the thread

    def _write_all(self) -> None:
        while (told := self._backlog.get()) is not None:
            if self._backlog.empty():
                self._over.wait(PAUSE)
            if missing := self._lost - self._lost_told:
                self._lost_told += missing
                self._write(_Told(EventsLost(missing), told.at))
            self._write(told)

    def _write(self, told: _Told) -> None:
        try:
            entry = entry_of(told.event)
            if entry is not None:
                self._logger.handle(_record(self._logger, entry, told.at))
        except BaseException:  # noqa: ASYNC103, BLE001  # no task runs here; told as any thread's is; the next line may fare better
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))


def _is_heard(logger: logging.Logger) -> bool:
    """Does anybody handle its lines?"""
    each: logging.Logger | None = logger
    while each is not None:
        if any(type(handler) is not logging.NullHandler for handler in each.handlers):
            return True
        each = each.parent if each.propagate else None
    return logging.lastResort is not None and logger is not LOGGER


def _events_in(told: _Told | None) -> int:
    return told.event.count if told is not None and isinstance(told.event, EventsLost) else 1


def _record(logger: logging.Logger, entry: Entry, at: float) -> logging.LogRecord:
    """As `logger.log` would make it, of the moment when it happened."""
    error = entry.error
    record = logger.makeRecord(
        logger.name,
        entry.row.level,
        __file__,
        0,
        entry.row.template,
        (entry.words,),
        None if error is None else (type(error), error, error.__traceback__),
        extra=entry.facts,
    )
    late = record.created - at
    record.created, record.relativeCreated = at, record.relativeCreated - late * 1000
    record.msecs = float(int(at % 1 * 1000))
    return record
