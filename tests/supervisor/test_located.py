"""Where a manager hangs, and why it does not end: its line, its stack, its cause."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import Phase
from supervisor import (
    Health,
    Holder,
    Supervisor,
)
from supervisor.testing import (
    Shielded,
    SlowStart,
    Spins,
    StuckInThread,
    SwallowsCancelled,
    WedgedForever,
)

from .harness import BUDGET, Crowd, opened

# Longer than any of these tests lasts: nothing is cleaned up in the background.
NEVER = 1e6


async def holder_of(here: Supervisor, key: str) -> Holder:
    stands = here.explain("alice")
    [found] = [each for each in (*stands.holders, *stands.condemned) if each.key == key]
    return found


async def test_the_line_of_one_that_works_is_named_and_of_one_that_waits_for_mail_not(
    autojump_clock: MockClock,
) -> None:
    async with opened(sweep_period=NEVER) as (here, _):
        crowd = Crowd(here)
        await crowd.add("busy", 1, WedgedForever, at_work=True)
        await crowd.add("healthy", 1)
        await trio.sleep(1)
        for health in (Health.BUSY, Health.UNRESPONSIVE):
            busy = await holder_of(here, "busy-0")
            assert (busy.verdict.health, busy.phase) == (health, Phase.HANDLE)
            assert busy.where.endswith("in WedgedForever.work")
            assert "supervisor/testing/_specimens.py:" in busy.where
            assert busy.stack[-1] == busy.where
            assert any(line.endswith("in Healthy.handle") for line in busy.stack)
            assert not any("/trio/" in line for line in busy.stack)
            assert busy.cause == "", "it was not cancelled: nothing keeps it from ending"
            await trio.sleep(BUDGET)
        healthy = await holder_of(here, "healthy-0")
        assert (healthy.where, healthy.stack, healthy.cause) == ("", (), "")


class StartsThousands(WedgedForever):
    """Has thousands of tasks, and is stuck."""

    async def work(self) -> None:
        for _ in range(3_000):
            self.start_soon(super().work)
        await super().work()


async def test_of_thousands_of_tasks_fifty_are_told(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A survey comes by every other second: to look at all of them would hold up everybody."""
    seen: list[object] = []
    frames = trio.lowlevel.Task.iter_await_frames
    async with opened(sweep_period=NEVER) as (here, _):
        await Crowd(here).add("stuck", 1, StartsThousands, at_work=True)
        await trio.sleep(1)

        def spy(task: trio.lowlevel.Task) -> Any:
            seen.append(task)
            return frames(task)

        monkeypatch.setattr(trio.lowlevel.Task, "iter_await_frames", spy)
        found = await holder_of(here, "stuck-0")
        assert len([line for line in found.stack if line.endswith("in WedgedForever.work")]) == 50
        assert len(seen) < 200
        monkeypatch.undo()


async def test_one_that_starts_or_stops_is_located_too(autojump_clock: MockClock) -> None:
    async with opened(sweep_period=NEVER) as (here, _), trio.open_nursery() as nursery:
        crowd = Crowd(here)
        nursery.start_soon(crowd.get, "starts", partial(SlowStart, 5.0))
        [stops] = await crowd.add("stops", 1, WedgedForever, at_work=True)
        await trio.sleep(1)
        stops.stop()
        starting, stopping = await holder_of(here, "starts"), await holder_of(here, "stops-0")
        assert starting.where.endswith("in SlowStart.on_start")
        assert stopping.where.endswith("in WedgedForever.work")


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (Shielded, "shielded at "),
        (SwallowsCancelled, "shielded at "),  # where it recovers
        (Spins, "swallows its cancellation at "),
    ],
)
async def test_why_a_condemned_one_does_not_end_is_told(
    make: Any, cause: str, autojump_clock: MockClock
) -> None:
    async with opened(sweep_period=NEVER) as (here, _):
        release = trio.Event()
        await Crowd(here).add("ghost", 1, partial(make, release), at_work=True)
        await trio.sleep(BUDGET + 1)
        await here.cleanup("alice")
        ghost = await holder_of(here, "ghost-0")
        assert ghost.verdict.health is Health.CONDEMNED
        assert ghost.cause.startswith(cause)
        assert ghost.where in ghost.cause
        release.set()


async def test_whom_a_condemned_one_waits_for_in_a_thread_is_told(autojump_clock: MockClock) -> None:
    autojump_clock.autojump_threshold = 0.02
    release = threading.Event()
    async with opened(sweep_period=NEVER) as (here, _):
        await Crowd(here).add("ghost", 1, partial(StuckInThread, release), at_work=True)
        await trio.sleep(BUDGET + 1)
        await here.cleanup("alice")
        ghost = await holder_of(here, "ghost-0")
        assert ghost.cause.startswith("in a thread that runs Event.wait, started at ")
        assert ghost.where.endswith("in StuckInThread.work")
        release.set()
