"""Why it is stuck, and where: told in words, from its own tasks' stacks."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import Actor
from supervisor import Condemned, ReapStarted, RecycleAdvised
from supervisor.testing import HasChildTasks, Healthy, Shielded, WedgedForever, Work

from .harness import BUDGET, Crowd, opened
from .test_force import ShieldedChildren, Spins


class AsksTheStuck(Healthy):
    """Waits in our own code for somebody else."""

    def __init__(self, other: Any) -> None:
        super().__init__()
        self._other = other

    async def work(self) -> None:
        while True:
            await self._other.tell(Work())


class TwoCauses(Healthy):
    def __init__(self, until: trio.Event) -> None:
        super().__init__()
        self._until = until

    async def work(self) -> None:
        self.start_soon(self._shield, 1)
        self.start_soon(self._shield, 2)
        self.start_soon(self._shield_elsewhere)

    async def _shield(self, _: int) -> None:
        with trio.CancelScope(shield=True):
            await self._until.wait()

    async def _shield_elsewhere(self) -> None:
        with trio.CancelScope(shield=True):
            await self._until.wait()

    async def on_stop(self) -> None:
        self.hung_since = None


def line_of(words: str) -> str:
    """The function that the words name, when they name a line of a file as well."""
    found = re.search(r"\.py:\d+ in ([\w.<>]+)", words)
    assert found, words
    return found[1]


@pytest.mark.parametrize(
    ("make", "function"),
    [
        (WedgedForever, "WedgedForever.work"),
        (HasChildTasks, "HasChildTasks.work"),
        (ShieldedChildren, "ShieldedChildren._nest"),
    ],
)
async def test_what_is_reaped_is_told_with_the_line_where_it_hung(
    make: Callable[[], Actor[Any]], function: str, autojump_clock: MockClock
) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, make, at_work=True, force=True)
        await trio.sleep(BUDGET + 0.02)
        await supervisor.cleanup("alice")
        [reaped] = log.of(ReapStarted)
        assert line_of(reaped.where).split(".")[0] == function.split(".", maxsplit=1)[0]


async def test_waiting_in_our_own_code_it_is_told_where_it_called_us(autojump_clock: MockClock) -> None:
    async with opened(2) as (supervisor, log):
        crowd = Crowd(supervisor)
        [full] = await crowd.add("full", 1, WedgedForever, at_work=True, budget=100.0)
        await crowd.add("stuck", 1, partial(AsksTheStuck, full), at_work=True)
        await trio.sleep(BUDGET + 0.02)
        await supervisor.cleanup("alice")
        [reaped] = log.of(ReapStarted)
        assert line_of(reaped.where) == "AsksTheStuck.work"


async def test_who_is_only_stopped_hung_nowhere(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("idle", 1, Healthy, idle_limit=10.0)
        await trio.sleep(11)
        await supervisor.cleanup("alice")
        assert [event.where for event in log.of(ReapStarted)] == [""]


async def condemned_for(log: Any) -> str:
    [condemned] = log.of(Condemned)
    cause: str = condemned.cause
    return cause


async def test_a_shield_is_told_with_its_line(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, partial(Shielded, release), at_work=True)
        await trio.sleep(BUDGET + 0.02)
        await supervisor.cleanup("alice")
        cause = await condemned_for(log)
        assert cause.startswith("shielded at ")
        assert line_of(cause) == "Shielded.work"
        assert not log.of(RecycleAdvised), "it only costs memory"
        release.set()


async def test_who_swallows_is_told_and_a_new_process_is_advised(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        # It is forced in the end so that the test ends: a grace of its own comes first.
        await crowd.add("stuck", 1, SpinsAWhile, at_work=True)
        await trio.sleep(BUDGET + 0.02)
        await supervisor.cleanup("alice")
        cause = await condemned_for(log)
        assert cause.startswith("swallows its cancellation at ")
        assert line_of(cause) == "SpinsAWhile.work"
        [advice] = log.of(RecycleAdvised)
        assert "alice/stuck-0#1 is condemned and spins" in advice.why


class SpinsAWhile(Spins):
    async def work(self) -> None:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        for _ in range(1000):
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                clock.jump(0.001)


async def test_every_leaf_has_its_cause_and_equal_ones_are_told_once(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [ref] = await crowd.add("stuck", 1, partial(TwoCauses, release), at_work=True, stop_grace=1.0)
        await trio.sleep(1)
        ref.stop()
        await trio.sleep(2)
        cause = await condemned_for(log)
        assert len(cause.split("; ")) == 2
        assert {line_of(part) for part in cause.split("; ")} == {
            "TwoCauses._shield",
            "TwoCauses._shield_elsewhere",
        }
        release.set()


async def test_beyond_the_allowance_a_new_process_is_advised(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(2, condemned_allowance=1) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 2, partial(Shielded, release), at_work=True)
        await trio.sleep(BUDGET + 0.02)
        await supervisor.cleanup("alice")
        [advice] = log.of(RecycleAdvised)
        assert "'alice' has 2 condemned, with an allowance of 1" in advice.why
        release.set()
