"""Tasks in a supervisor's background: they live until everybody has ended, and delay nobody."""

from __future__ import annotations

from contextvars import ContextVar

import pytest
import trio
from trio.testing import MockClock

from supervisor import (
    HandlerFailed,
    Supervisor,
    Terminal,
    open_supervisor,
)
from supervisor.testing import (
    WedgedForever,
)

from .harness import Crowd, Log, opened


async def test_tasks_in_the_background_live_until_everybody_has_ended(autojump_clock: MockClock) -> None:
    told: list[tuple[int, tuple[str, ...]]] = []

    async def watch(here: Supervisor, log: Log) -> None:
        try:
            await trio.sleep_forever()
        finally:
            told.append((len(log.of(Terminal)), here.users))

    async with open_supervisor() as here:
        here.background.start_soon(watch, here, Log(here.events()))
        for user in ("alice", "bob"):
            await Crowd(here, user).add("slow", 2, WedgedForever, at_work=True)
        await trio.sleep(2)
        assert told == []
    assert told == [(4, ())]


@pytest.mark.parametrize("number", [0, 5])
async def test_tasks_in_the_background_do_not_delay_the_end(number: int, autojump_clock: MockClock) -> None:
    async with open_supervisor() as here:
        for _ in range(number):
            here.background.start_soon(trio.sleep_forever)
        await Crowd(here).add("tab", 2)
        await trio.sleep(1)
    assert trio.current_time() == 1


async def test_a_crash_in_the_background_is_an_event_and_goes_no_further(autojump_clock: MockClock) -> None:
    async def crash() -> None:
        await trio.sleep(1)
        raise OSError("mine")

    async with opened() as (here, log):
        here.background.start_soon(crash, name="a task of mine")
        here.background.start_soon(trio.sleep, 10)
        await Crowd(here).add("tab", 1)
        await trio.sleep(2)
        [failed] = log.of(HandlerFailed)
        assert (failed.name, str(failed.error)) == ("a task of mine", "mine")
        assert (await Crowd(here).get("another")).created


async def test_a_crash_at_the_very_end_of_the_background_is_told_too(autojump_clock: MockClock) -> None:
    async def crash() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise OSError("at the end")

    async with open_supervisor() as here:
        here.background.start_soon(crash, name="a task of mine")
        news = here.events()
        await trio.sleep(1)
    assert [event.name for event in news.drain() if isinstance(event, HandlerFailed)] == ["a task of mine"]


async def test_nothing_of_who_starts_it_leaks_into_the_background(autojump_clock: MockClock) -> None:
    whose = ContextVar("whose", default="nobody's")
    seen: list[str] = []

    async def look() -> None:
        await trio.lowlevel.checkpoint()
        seen.append(whose.get())

    async with opened() as (here, _):
        whose.set("mine")
        here.background.start_soon(look)
        await trio.sleep(1)
    assert seen == ["nobody's"]


async def test_tasks_in_the_background_have_their_names(autojump_clock: MockClock) -> None:
    names: list[str] = []

    async def look() -> None:
        await trio.lowlevel.checkpoint()
        names.append(trio.lowlevel.current_task().name)

    async with opened() as (here, _):
        here.background.start_soon(look, name="a task of mine")
        here.background.start_soon(look)
        await trio.sleep(1)
    assert min(names) == "a task of mine"
    assert max(names).endswith("look")
