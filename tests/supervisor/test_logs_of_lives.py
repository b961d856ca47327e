"""The log of a supervisor tells all its life, in order, with what each refusal and crash has to bring."""

from __future__ import annotations

import contextlib
import logging
import threading
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from supervisor import (
    ChoreFailed,
    Event,
    SpawnRefused,
    SweeperFailed,
    SweeperStarted,
)
from supervisor._stream import Events
from supervisor.logs import log_events
from supervisor.testing import CrashesInHandle, Healthy, Shielded, WedgedForever

from .harness import BUDGET, Crowd, dice, settle
from .logging_kit import Keeps, Told, log_threads, logged, logger_of, telling


async def test_every_event_is_logged_in_its_order_the_last_ones_included(autojump_clock: MockClock) -> None:
    keeps = Keeps()
    async with logged(keeps, 3) as (supervisor, _):
        everything = supervisor.events()
        await Crowd(supervisor).add("tab", 3)
    seqs = [record.seq for record in keeps.records]
    told = [event.stamp.seq async for event in everything if isinstance(event, Event)]
    assert seqs == told
    assert keeps.ids[-3:] == ["actor.ended"] * 3
    assert not log_threads()


async def test_a_shutdown_that_is_held_up_says_so_while_it_lasts(autojump_clock: MockClock) -> None:
    release, held = trio.Event(), threading.Event()
    keeps = Keeps(lambda record: held.set() if record.event_id.endswith("shutdown.held") else None)

    async def free_when_told() -> None:
        await trio.sleep(1000)
        assert held.wait(5)
        release.set()

    async with trio.open_nursery() as nursery, logged(keeps) as (supervisor, _):
        await Crowd(supervisor).add("tab", 1, partial(Shielded, release), at_work=True)
        await settle()
        nursery.start_soon(free_when_told)
    assert keeps.ids[-1] == "actor.condemned_ended"


async def test_cancelling_it_loses_nothing(autojump_clock: MockClock) -> None:
    keeps = Keeps()
    events = Events()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(log_events, logger=logger_of(keeps)), events.subscribe(10))
        await settle()
        nursery.cancel_scope.cancel()
        Told(events).found(1)
        events.close()
    assert keeps.ids == ["spawn.found"]


@pytest.mark.parametrize("seed", range(5))
async def test_no_refusal_stands_in_the_log_without_a_cleanup_before_it(
    seed: int, autojump_clock: MockClock
) -> None:  # R19
    throw, keeps = dice(seed), Keeps()
    async with logged(keeps, 2, level=logging.WARNING) as (supervisor, _):
        crowd = Crowd(supervisor)
        for number in range(40):
            make = throw.choice([Healthy, Healthy, WedgedForever])
            with contextlib.suppress(SpawnRefused):
                await crowd.add(f"tab-{number}", 1, make, at_work=make is WedgedForever)
            await trio.sleep(throw.choice([0, 0, BUDGET + 1]))
            if throw.random() < 0.2:
                await supervisor.stop_user("alice")
    refusals = [number for number, kind in enumerate(keeps.ids) if kind == "spawn.refused"]
    assert refusals
    assert all(keeps.ids[number - 1] == "cleanup.in_vain" for number in refusals)
    assert all(keeps.records[number].stages for number in refusals)


async def test_whoever_is_let_in_after_a_cleanup_is_told_as_that(autojump_clock: MockClock) -> None:  # R19
    keeps = Keeps()
    async with logged(keeps, 1, level=logging.INFO) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 0.01)
        await crowd.get("new")
        await settle()
        await supervisor.cleanup()
    told = [kind for kind in keeps.ids if "cleanup" in kind]
    assert told == ["cleanup.done", "cleanup.complete"]
    [done] = [record for record in keeps.records if record.event_id == "supervisor.cleanup.done"]
    assert done.getMessage() == "cleanup done, spawn proceeds: alice, 1 removed"
    assert [stage["reaped"] for stage in done.stages if stage["reaped"]] == [["stuck-0"]]


async def test_a_crash_comes_with_its_traceback(autojump_clock: MockClock) -> None:  # R19
    keeps = Keeps()
    async with logged(keeps) as (supervisor, _):
        await Crowd(supervisor).add("tab", 1, CrashesInHandle, at_work=True)
        await settle()
    [crash] = [record for record in keeps.records if record.exc_info]
    assert (crash.event_id, crash.levelno) == ("supervisor.actor.crashed", logging.ERROR)
    assert "Traceback" in logging.Formatter().format(crash)
    assert "in handle" in logging.Formatter().format(crash)


async def test_a_cleanup_task_that_fails_is_told_with_its_traceback(autojump_clock: MockClock) -> None:
    keeps = Keeps()
    async with telling(keeps) as told:
        error = ValueError("no table")
        told.events.emit(SweeperStarted(told.events.stamp(), 30.0))
        told.events.emit(SweeperFailed(told.events.stamp(), error, 1.0))
        told.events.emit(ChoreFailed(told.events.stamp(), "ann", error))
    assert keeps.ids == ["sweeper.started", "sweeper.failed", "chore.failed"]
    assert [record.exc_info and record.exc_info[1] for record in keeps.records] == [None, error, error]
