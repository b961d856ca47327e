"""A monitor tells how another actor ended: once, whenever it ends, and however."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from actors import Actor, ActorRef, Down, ExitReason, Monitor

from .puppets import Recorder, open_stage


class Watcher(Recorder):
    """Monitors whomever it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.monitors: list[Monitor] = []

    async def handle(self, message: object) -> None:
        if isinstance(message, ActorRef):
            self.monitors.append(self.monitor(cast("ActorRef[object]", message)))
        else:
            self.handled.append(message)


class Frail(Actor[str]):
    async def handle(self, message: str) -> None:
        raise ValueError(message)


def stop(ref: ActorRef[str]) -> None:
    ref.stop()


def break_down(ref: ActorRef[str]) -> None:
    ref.tell_nowait("no")


def cancel(ref: ActorRef[str]) -> None:
    ref.cell.cancel(ExitReason.UNRESPONSIVE, "it hung")


@pytest.mark.parametrize(
    ("end", "reason"),
    [(stop, ExitReason.STOPPED), (break_down, ExitReason.CRASHED), (cancel, ExitReason.UNRESPONSIVE)],
)
async def test_it_tells_how_the_other_ended(
    end: Callable[[ActorRef[str]], None], reason: ExitReason, autojump_clock: MockClock
) -> None:
    watcher = Watcher()
    async with open_stage() as stage:
        ref, watching = stage.start_soon(Frail), stage.start_soon(lambda: watcher)
        await watching.tell(ref)
        await trio.sleep(1)
        assert watcher.handled == []
        end(ref)
        await trio.sleep(1)
        [down] = watcher.handled
        assert isinstance(down, Down)
        assert (down.ref, down.exit.reason) == (ref, reason)
        assert down.exit == await ref.wait_stopped()


async def test_of_one_that_has_ended_it_tells_at_once_and_each_monitor_does(
    autojump_clock: MockClock,
) -> None:
    watcher = Watcher()
    async with open_stage() as stage:
        ref, watching = stage.start_soon(Frail), stage.start_soon(lambda: watcher)
        ref.stop()
        how = await ref.wait_stopped()
        await watching.tell(ref)
        await watching.tell(ref)
        await trio.sleep(0.01)
        assert watcher.handled == [Down(ref, how)] * 2


async def test_a_cancelled_monitor_tells_nothing(autojump_clock: MockClock) -> None:
    watcher = Watcher()
    async with open_stage() as stage:
        ref, watching = stage.start_soon(Frail), stage.start_soon(lambda: watcher)
        await watching.tell(ref)
        await trio.sleep(1)
        for _ in range(2):
            watcher.monitors[0].cancel()
        ref.stop()
        await trio.sleep(1)
        assert watcher.handled == []
        assert watching.exit is None


async def test_who_ends_hears_of_nobody_any_more_and_holds_nobody_up(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref, watching = stage.start_soon(Frail), stage.start_soon(Watcher)
        await watching.tell(ref)
        await trio.sleep(1)
        watching.stop()
        began = trio.current_time()
        await watching.wait_stopped()
        assert trio.current_time() == began
        assert ref.exit is None


async def test_nobody_monitors_himself(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        watching = stage.start_soon(Watcher)
        await watching.tell(watching)
        how = await watching.wait_stopped()
    assert isinstance(how.error, ValueError)
    assert "cannot monitor itself" in str(how.error)
