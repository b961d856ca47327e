"""Each specimen misbehaves as its docstring says: on bare Trio, with no supervisor in sight."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import ActorRef, ExitReason, Phase, State
from supervisor._force import throw_into
from supervisor.testing import (
    SPECIMENS,
    WEDGES,
    BlocksLoop,
    Echo,
    EndsLate,
    Healthy,
    Message,
    Outcome,
    Shielded,
    ShieldedChild,
    Specimen,
    Spins,
    StuckInThread,
    SwallowsCancelled,
    Trigger,
    Work,
    run,
)

from ..actors.puppets import Stage, open_stage
from .harness import BUDGET, CANCEL_GRACE

# What each is left alone for, in seconds: more than any that gets on takes.
LONG_ENOUGH = 100.0

# A cancellation, and the last rites after it.
GRACES = CANCEL_GRACE + 0.2

VIRTUAL = {name: specimen for name, specimen in SPECIMENS.items() if not specimen.real_time}


def those(on: Trigger, *outcomes: Outcome) -> list[str]:
    """The names of the specimens that misbehave on that, with one of these outcomes."""
    return [name for name, each in VIRTUAL.items() if each.on is on and each.outcome in outcomes]


async def at_work(stage: Stage, make: Callable[[], Healthy]) -> ActorRef[Message]:
    """One that has been told to `Work`, and had its chance."""
    ref = await stage.start(make)
    ref.tell_nowait(Work())
    await wait_all_tasks_blocked()
    return ref


async def answers(ref: ActorRef[Message], within: float = 1.0) -> bool:
    with trio.move_on_after(within):
        return await ref.ask(Echo()) == "there?"
    return False


async def ends_within(ref: ActorRef[Message], seconds: float) -> bool:
    """Cancel it: does it give way?"""
    ref.cell.cancel(ExitReason.CANCELLED)
    with trio.move_on_after(seconds):
        await ref.wait_stopped()
    return ref.state is State.ENDED


# What the catalogue says of all of them


def test_the_catalogue_has_every_kind_of_zombie() -> None:
    codes = {specimen.code for specimen in SPECIMENS.values()}
    assert codes - {""} == {f"W{number}" for number in range(1, 17)}


def test_every_specimen_says_what_its_misbehaviour_is() -> None:
    for name, specimen in SPECIMENS.items():
        said = type(run(_made, specimen)).__doc__
        assert said, name
        assert said.splitlines()[0].endswith("."), name


async def _made(specimen: Specimen) -> Healthy:
    return specimen.make(trio.Event())


def test_wedges_are_those_of_the_catalogue_that_their_budget_alone_convicts() -> None:
    for name, specimen in WEDGES.items():
        assert SPECIMENS[name] is specimen
        assert (specimen.on, specimen.outcome, specimen.probed) == (Trigger.WORK, Outcome.STUCK, False)


@pytest.mark.parametrize("name", WEDGES)
async def test_a_wedge_stays_in_handle_for_good(name: str, autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with open_stage() as stage:
        ref = await at_work(stage, lambda: WEDGES[name].make(release))
        await trio.sleep(BUDGET + 0.01)
        assert ref.pulse.phase is Phase.HANDLE
        assert not await answers(ref, within=0.01)
        release.set()


@pytest.mark.parametrize("name", those(Trigger.WORK, Outcome.STUCK))
async def test_it_gives_way_to_cancellation_exactly_if_it_says_so(
    name: str, autojump_clock: MockClock
) -> None:
    release = trio.Event()
    async with open_stage() as stage:
        ref = await at_work(stage, lambda: VIRTUAL[name].make(release))
        await trio.sleep(BUDGET + 0.01)
        assert await ends_within(ref, GRACES) == VIRTUAL[name].gives_way
        release.set()
        await ref.wait_stopped()
        assert ref.state is State.ENDED


@pytest.mark.parametrize("name", those(Trigger.WORK, Outcome.LIVES, Outcome.LATE))
async def test_one_that_lives_is_there_again_after_its_work(name: str, autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await at_work(stage, lambda: VIRTUAL[name].make(trio.Event()))
        await trio.sleep(LONG_ENOUGH)
        assert ref.pulse.phase is Phase.PARKED
        assert ref.statistics().handled == 1
        assert await answers(ref)


@pytest.mark.parametrize("name", those(Trigger.WORK, Outcome.ENDS))
async def test_one_that_ends_crashes_alone_and_at_once(name: str, autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        other = await stage.start(Healthy, "other")
        ref = await at_work(stage, lambda: VIRTUAL[name].make(trio.Event()))
        how = await ref.wait_stopped()
        assert how.reason is ExitReason.CRASHED
        assert how.error is not None
        assert trio.current_time() == 0
        assert await answers(other)


# W2, W3, W4: what is done with a cancellation


async def test_a_shield_holds_for_its_seconds(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await at_work(stage, partial(Shielded, seconds=3.0))
        assert not await ends_within(ref, 2.99)
        await ref.wait_stopped()
        assert trio.current_time() == pytest.approx(3.0)


async def test_a_shielded_child_task_outlives_the_stop_of_its_actor(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with open_stage() as stage:
        ref = await at_work(stage, partial(ShieldedChild, release))
        assert await answers(ref)
        ref.stop()
        await trio.sleep(LONG_ENOUGH)
        assert ref.state is State.STOPPING
        release.set()
        await ref.wait_stopped()


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_it_swallows_exactly_so_many(times: int, autojump_clock: MockClock) -> None:
    actor = SwallowsCancelled(times=times)
    async with open_stage() as stage:
        assert await ends_within(await at_work(stage, lambda: actor), CANCEL_GRACE)
    assert actor.swallowed == times + 1  # the last one it passes on


async def test_a_spinner_goes_round_and_the_virtual_clock_with_it(autojump_clock: MockClock) -> None:
    release = trio.Event()
    actor = Spins(release)
    async with open_stage() as stage:
        ref = await at_work(stage, lambda: actor)
        other = await stage.start(Healthy, "other")
        assert not await ends_within(ref, 1.0)
        assert trio.current_time() == pytest.approx(1.0, abs=0.01)
        assert actor.swallowed > 1000
        assert await answers(other)  # it burns a core, and lets others run
        release.set()


async def test_a_spinner_that_nobody_releases_tires_in_the_end(autojump_clock: MockClock) -> None:
    actor = Spins(turns=500)
    async with open_stage() as stage:
        assert await ends_within(await at_work(stage, lambda: actor), 1.0)
    assert actor.swallowed == 500


async def test_under_a_real_clock_a_spinner_truly_spins() -> None:
    release = trio.Event()
    actor = Spins(release)
    async with open_stage() as stage:
        ref = await at_work(stage, lambda: actor)
        assert not await ends_within(ref, 0.05)
        swallowed = actor.swallowed
        await trio.sleep(0.05)
        assert actor.swallowed - swallowed > 50
        release.set()


@pytest.mark.parametrize("everything", [False, True])
async def test_what_is_thrown_into_a_spinner_ends_it_unless_it_swallows_everything(
    everything: bool, autojump_clock: MockClock
) -> None:
    release = trio.Event()
    async with open_stage() as stage:
        ref = await at_work(stage, partial(Spins, release, everything=everything))
        assert not await ends_within(ref, CANCEL_GRACE)
        assert ref.cell.task is not None
        assert throw_into(ref.cell.roots, "enough") == 1
        await trio.sleep(CANCEL_GRACE)
        assert (ref.state is State.ENDED) != everything
        release.set()


async def test_one_that_ends_late_ends_then(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        ref = await at_work(stage, partial(EndsLate, 1.0))
        assert not await ends_within(ref, 0.99)
        await ref.wait_stopped()
        assert trio.current_time() == pytest.approx(1.0)


# W5 and threads: what virtual time does not see


async def test_it_blocks_everybody_and_a_virtual_clock_goes_on(autojump_clock: MockClock) -> None:
    seen: list[float] = []

    async def tick() -> None:
        while True:
            seen.append(trio.current_time())
            await trio.sleep(0.1)

    async with open_stage() as stage:
        stage.nursery.start_soon(tick)
        ref = await at_work(stage, partial(BlocksLoop, seconds=7.0))
        await trio.sleep(1)
        assert await answers(ref)
        stage.nursery.cancel_scope.cancel()
    assert max(after - before for before, after in pairwise(seen)) >= 7.0


async def test_under_a_real_clock_it_blocks_the_thread() -> None:
    async with open_stage() as stage:
        ref = await stage.start(partial(BlocksLoop, seconds=0.1))
        ref.tell_nowait(Work())
        began = time.monotonic()
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        assert time.monotonic() - began >= 0.1


async def test_a_thread_is_waited_for_until_it_is_released() -> None:
    release = threading.Event()
    async with open_stage() as stage:
        ref = await at_work(stage, partial(StuckInThread, release))
        assert not await ends_within(ref, 0.1)
        release.set()
        await ref.wait_stopped()


async def test_a_thread_that_nobody_releases_ends_by_itself() -> None:
    async with open_stage() as stage:
        ref = await at_work(stage, partial(StuckInThread, seconds=0.1))
        assert await ends_within(ref, 2.0)
