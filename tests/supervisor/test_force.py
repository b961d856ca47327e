"""Force, where a spec allows it: shields are opened, then it is thrown out; what is left is condemned."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import Actor, ExitReason, State, attached_to
from supervisor import Condemned, Forced, ForceStep, Terminal, _force, open_supervisor
from supervisor.testing import Healthy, MemoryTransport, Shielded, StartHangs, WedgedForever, Work

from .harness import BUDGET, CANCEL_GRACE, Crowd, all_answer, answers, names, opened, settle

SHIELDS, THROW = ForceStep.OPEN_SHIELDS, ForceStep.THROW


class ShieldedChildren(Healthy):
    """Waits for children that shield themselves, two deep."""

    async def work(self) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(self._nest)

    async def _nest(self) -> None:
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                with trio.CancelScope(shield=True):
                    await trio.sleep_forever()


class ShieldedInFinally(Healthy):
    async def work(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep_forever()


class ShieldsAgain(Healthy):
    """Puts up a new shield whenever one is opened."""

    async def work(self) -> None:
        while True:
            try:
                with trio.CancelScope(shield=True):
                    await trio.sleep_forever()
            except trio.Cancelled:
                pass


class HungBesideItsChildren(ShieldsAgain):
    """Has child tasks, and hangs on its own account: it does not wait for them."""

    async def work(self) -> None:
        self.start_soon(trio.sleep_forever)
        await super().work()


class Spins(Healthy):
    """Swallows each Cancelled and tries again at once; a turn of its loop takes time, as it would."""

    async def work(self) -> None:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        while True:
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                clock.jump(0.001)


class SwallowsEverything(Healthy):
    """Nothing gets it out until it is released; only that it is not asked to spin for ever."""

    def __init__(self, until: trio.Event) -> None:
        super().__init__()
        self._until = until

    async def work(self) -> None:
        while not self._until.is_set():
            with suppress(BaseException), trio.CancelScope(shield=True):
                await self._until.wait()


class StopHangsShielded(Healthy):
    async def on_stop(self) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()


FORCED: dict[str, tuple[Callable[[], Actor[Any]], tuple[ForceStep, ...]]] = {
    "awaits for ever": (WedgedForever, ()),
    "shielded": (Shielded, (SHIELDS,)),
    "shielded children": (ShieldedChildren, (SHIELDS,)),
    "shielded in finally": (ShieldedInFinally, (SHIELDS,)),
    "shields again": (ShieldsAgain, (SHIELDS, THROW)),
    "hung beside its children": (HungBesideItsChildren, (SHIELDS, THROW)),
    "spins": (Spins, (SHIELDS, THROW)),
}


@pytest.mark.parametrize("kind", FORCED)
async def test_with_force_it_ends_and_a_newcomer_has_its_slot(kind: str, autojump_clock: MockClock) -> None:
    make, steps = FORCED[kind]
    async with opened(3) as (supervisor, log):
        crowd = Crowd(supervisor)
        healthy = await crowd.add("healthy", 2)
        [stuck] = await crowd.add("stuck", 1, make, at_work=True, force=True)
        await trio.sleep(BUDGET + 0.02)
        began = trio.current_time()
        assert (await crowd.get("newcomer")).created
        assert trio.current_time() - began <= (1 + len(steps)) * CANCEL_GRACE + 0.01
        assert stuck.state is State.ENDED
        assert [event.step for event in log.of(Forced)] == list(steps)
        assert all(event.touched for event in log.of(Forced, stuck)[-1:])
        [end] = log.of(Terminal)
        assert end.exit.reason is ExitReason.UNRESPONSIVE
        assert not end.was_condemned
        assert not log.of(Condemned)
        assert await all_answer(healthy)


async def test_without_it_nothing_is_forced(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, partial(Shielded, release), at_work=True)
        await trio.sleep(BUDGET + 0.02)
        assert (await crowd.get("newcomer")).created
        assert not log.of(Forced)
        assert len(log.of(Condemned)) == 1
        release.set()


async def test_what_nothing_gets_out_is_condemned_after_every_step_had_its_grace(
    autojump_clock: MockClock,
) -> None:
    release = trio.Event()
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, partial(SwallowsEverything, release), at_work=True, force=True)
        await trio.sleep(BUDGET + 0.02)
        began = trio.current_time()
        assert (await crowd.get("newcomer")).created
        assert trio.current_time() - began == pytest.approx(3 * CANCEL_GRACE)
        assert [(event.step, event.touched) for event in log.of(Forced)] == [(SHIELDS, 1), (THROW, 1)]
        [condemned] = log.of(Condemned)
        assert condemned.cause.startswith("shielded at ")
        release.set()
        await settle()
        assert [event.was_condemned for event in log.of(Terminal)] == [True]


async def test_its_connections_are_cut(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [stuck] = await crowd.add("stuck", 1, partial(Shielded, sockets=True), sockets=2, force=True)
        transports = [wire._transport for wire in attached_to(stuck)]  # pyright: ignore[reportPrivateUsage]
        assert len(transports) == 2
        await stuck.tell(Work())
        await trio.sleep(BUDGET + 0.02)
        await supervisor.cleanup("alice")
        for transport in transports:
            assert isinstance(transport, MemoryTransport)
            assert transport.ended == (1006, "cut")
        assert len(log.of(Terminal)) == 1


async def test_a_start_and_a_stop_that_shield_themselves_are_forced_too(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        with trio.move_on_after(1):
            await crowd.get("start", partial(StartHangs, shield=True), force=True)
        await settle()
        [ref] = await crowd.add("stop", 1, StopHangsShielded, force=True, stop_grace=1.0)
        ref.stop()
        await settle(2)
        assert not log.of(Condemned)
        assert [event.exit.reason for event in log.of(Terminal)] == [
            ExitReason.CANCELLED,
            ExitReason.STOPPED,
        ]
        assert not supervisor.snapshot().users


async def test_many_are_forced_at_once_and_not_one_after_the_other(autojump_clock: MockClock) -> None:
    async with opened(20) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 20, Shielded, at_work=True, force=True)
        await trio.sleep(BUDGET + 0.02)
        began = trio.current_time()
        report = await supervisor.cleanup("alice")
        assert trio.current_time() - began == pytest.approx(CANCEL_GRACE)
        assert {found.key for found in report.reaped} == names("stuck", 20)
        assert not log.of(Condemned)


async def test_nothing_outlives_the_block_with_force(autojump_clock: MockClock) -> None:
    async with open_supervisor(3) as supervisor:
        events = supervisor.events()
        crowd = Crowd(supervisor)
        await crowd.add("shielded", 1, ShieldedChildren, at_work=True, force=True)
        await crowd.add("again", 1, ShieldsAgain, at_work=True, force=True)
        await settle()
    ends = [event for event in events.drain() if isinstance(event, Terminal)]
    assert [end.was_condemned for end in ends] == [False, False]


async def test_a_thread_cannot_be_forced_and_is_told_of() -> None:
    release = threading.Event()

    class InThread(Healthy):
        async def work(self) -> None:
            await trio.to_thread.run_sync(release.wait)

    async with opened(2) as (supervisor, log):
        crowd = Crowd(supervisor)
        try:
            [stuck] = await crowd.add("stuck", 1, InThread, at_work=True, force=True, budget=0.2)
            await trio.sleep(0.3)
            await supervisor.cleanup("alice")
            assert [event.touched for event in log.of(Forced, stuck)] == [0, 0]
            [condemned] = log.of(Condemned)
            assert condemned.cause.startswith("in a thread that runs Event.wait, started at ")
            assert "test_force.py" in condemned.cause
            assert await answers((await crowd.get("newcomer")).ref)
        finally:
            release.set()


async def test_where_trio_has_other_private_parts_it_is_off(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_force, "MISSING", ("_abort_func",))
    release = trio.Event()
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, partial(Shielded, release), at_work=True, force=True)
        await trio.sleep(BUDGET + 0.02)
        assert (await crowd.get("newcomer")).created
        assert not log.of(Forced)
        assert len(log.of(Condemned)) == 1
        release.set()


def test_missing_parts_are_found_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _force.MISSING, "this Trio has them all"
    monkeypatch.delattr("trio._core._run.CancelStatus.parent")
    try:
        assert importlib.reload(_force).MISSING == ("parent",)
    finally:
        monkeypatch.undo()
        importlib.reload(_force)


async def test_who_only_waits_for_children_that_have_just_ended_is_left_alone() -> None:
    """Whatever is thrown into that wait breaks the nursery, and with it everybody's."""
    release = trio.Event()
    thrown: list[int] = []

    async def parent() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(release.wait)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(parent)
        await trio.testing.wait_all_tasks_blocked()
        [task] = nursery.child_tasks
        release.set()
        while task.child_nurseries:
            thrown.append(
                sum(leaf is task for leaf, _ in _force.leaves_below([(task, nursery.cancel_scope)]))
            )
            await trio.lowlevel.checkpoint()
    assert set(thrown) == {0}
