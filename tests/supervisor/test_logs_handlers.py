"""Logs reach their handlers, whatever these do: one that blocks or raises is in nobody's way."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisor import (
    EventsLost,
    Found,
)
from supervisor._stream import Events
from supervisor.logs import LOGGER, log_events, open_log

from .harness import PLAIN, Crowd, settle
from .logging_kit import Keeps, Told, log_threads, logged, logger_of, telling


async def test_a_handler_that_raises_has_every_line_and_is_told_of(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[BaseException | None] = []

    def see(told: threading.ExceptHookArgs) -> None:
        seen.append(told.exc_value)

    monkeypatch.setattr(threading, "excepthook", see)
    asked: list[int] = []

    def fail(record: Any) -> None:
        asked.append(record.incarnation)
        if record.incarnation % 2:
            raise SystemExit if record.incarnation == 3 else OSError("disk full")

    keeps = Keeps(fail)
    async with telling(keeps) as told:
        told.found(*range(6))
    assert asked == [0, 1, 2, 3, 4, 5]
    assert [record.incarnation for record in keeps.records] == [0, 2, 4]
    assert [type(error) for error in seen] == [OSError, SystemExit, OSError]


async def test_a_handler_that_blocks_holds_up_nobody_and_has_every_line_in_the_end(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.logs.END_GRACE", 0.05)
    release = threading.Event()
    keeps = Keeps(lambda _: release.wait(30))
    began = time.perf_counter()
    async with logged(keeps, 5) as (supervisor, log):
        await Crowd(supervisor).add("tab", 5)
        await supervisor.get_or_spawn("bob", "tab", PLAIN)
        last = log.all[-1].stamp.seq
    assert time.perf_counter() - began < 10
    [thread] = log_threads()
    assert keeps.records == []
    release.set()
    thread.join(30)
    seqs = [record.seq for record in keeps.records]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert seqs[-1] > last


async def test_a_log_that_falls_behind_loses_its_oldest_and_says_how_many(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.logs.BACKLOG", 3)
    entered, release = threading.Event(), threading.Event()

    def block(_: Any) -> None:
        entered.set()
        release.wait(30)

    keeps = Keeps(block)
    async with telling(keeps) as told:
        told.found(0)
        await settle()
        assert entered.wait(30)
        told.found(*range(1, 11))
        await settle()
        release.set()
    said = [record.incarnation if record.seq else record.getMessage() for record in keeps.records]
    assert said == [0, "the log fell behind: 7 events are missing here", 8, 9, 10]


async def test_events_that_the_stream_itself_lost_are_counted_too(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeps, events = Keeps(), Events()
    behind = events.subscribe(2)
    Told(events).found(*range(5))
    events.close()
    await log_events(behind, logger=logger_of(keeps))
    assert keeps.ids == ["log.lost", "spawn.found", "spawn.found"]
    assert keeps.records[0].count == 3


async def test_where_nobody_asked_for_a_level_nothing_is_made(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("supervisor.logs.entry_of")
    async with telling(Keeps(), level=logging.INFO) as told:
        told.found(*range(100))
        await settle()
        assert not log_threads()


async def test_a_level_that_changes_holds_from_then_on(autojump_clock: MockClock) -> None:
    keeps, events = Keeps(), Events()
    logger = logger_of(keeps, logging.WARNING)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(log_events, logger=logger), events.subscribe(10))
        for incarnation, level in enumerate([logging.WARNING, logging.DEBUG, logging.INFO]):
            logger.setLevel(level)
            Told(events).found(incarnation)
            await settle()
        events.close()
    assert [record.incarnation for record in keeps.records] == [1]


async def test_a_line_has_the_time_of_its_event_however_late_it_is_written(
    autojump_clock: MockClock,
) -> None:
    release, entered = threading.Event(), threading.Event()

    def block(_: Any) -> None:
        entered.set()
        release.wait(30)

    keeps = Keeps(block)
    async with telling(keeps) as told:
        told.found(1, 2)
        await settle()
        assert entered.wait(30)
        asked = time.time()
        threading.Event().wait(0.2)
        release.set()
    second = keeps.records[1]
    assert second.created <= asked
    assert second.msecs == int(second.created % 1 * 1000)
    assert second.relativeCreated <= (asked - logging.makeLogRecord({}).created) * 1000 + (
        logging.makeLogRecord({}).relativeCreated
    )


def test_the_library_prints_nothing_unless_asked() -> None:
    assert LOGGER.name == "supervisor"
    assert [type(handler) for handler in LOGGER.handlers] == [logging.NullHandler]
    assert LOGGER.level == logging.NOTSET


async def test_where_the_system_has_no_thread_left_lines_wait_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    keeps, events = Keeps(), Events()
    with open_log(logger_of(keeps)) as tell:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            tell(Found(events.stamp(), "ann", "tab", 1))
        tell(Found(events.stamp(), "ann", "tab", 2))
    assert [record.incarnation for record in keeps.records] == [1, 2]


async def test_a_loss_that_is_lost_itself_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.logs.BACKLOG", 1)
    entered, release = threading.Event(), threading.Event()

    def block(_: Any) -> None:
        entered.set()
        release.wait(30)

    keeps, events = Keeps(block), Events()
    with open_log(logger_of(keeps)) as tell:
        tell(Found(events.stamp(), "ann", "tab", 1))
        assert entered.wait(30)
        tell(EventsLost(5))
        tell(Found(events.stamp(), "ann", "tab", 2))
        release.set()
    assert [getattr(record, "count", 0) for record in keeps.records] == [0, 5, 0]
