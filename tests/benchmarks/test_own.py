"""What is measured is what it is called: nobody is let in by chance, nobody counts what is not his."""

from __future__ import annotations

import gc
import time
from functools import partial

import attrs
import pytest
import trio

from supervisor import Stage, Supervisor, SupervisorSpec, open_supervisor

from .peers.latency import in_short
from .peers.ours import LIMIT
from .peers.ours_admission import CASES, SLOTS, Case, admission, wedge
from .peers.ours_crowd import Crowd, felt
from .peers.ours_garbage import Pauses
from .peers.ours_growth import NEVER, Steps
from .peers.work import names


def test_of_many_waits_those_are_told_that_were_measured() -> None:
    waits = [float(number) for number in range(1, 201)]
    assert in_short(waits[::-1]) == {"p50": 100.0, "p99": 198.0, "max": 200.0}
    assert in_short([3.0], "lag_") == {"lag_p50": 3.0, "lag_p99": 3.0, "lag_max": 3.0}


@pytest.mark.parametrize(
    "case",
    [
        Case(fill=partial(wedge, stuck=0, alive=SLOTS - 1)),  # there is a free slot, and there should be none
        attrs.evolve(CASES["stuck_1"], cleans=False),  # and the other way round
    ],
)
def test_a_newcomer_who_does_not_meet_what_he_should_spoils_the_sample(case: Case) -> None:
    with pytest.raises(AssertionError, match="room was made for"):
        admission(2, case=case)


def test_who_ignores_cancellation_is_waited_for_as_long_as_his_grace_and_no_less() -> None:
    assert 0.05 <= admission(2, case=CASES["shielded"])["p50"] < 1.0


async def test_the_steps_of_others_are_counted_and_ours_are_not() -> None:
    async def compute(seconds: float) -> None:
        ends = time.thread_time() + seconds
        while time.thread_time() < ends:
            pass

    steps = Steps(trio.lowlevel.current_task())
    trio.lowlevel.add_instrument(steps)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(compute, 0.02)
        nursery.start_soon(compute, 0.01)
        await compute(0.1)
    trio.lowlevel.remove_instrument(steps)
    assert 0.02 <= steps.longest < 0.03
    assert 0.03 <= steps.seconds < 0.05


def test_a_full_collection_is_a_pause() -> None:
    pauses, began = Pauses(), time.perf_counter()
    gc.callbacks.append(pauses)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(pauses)
    assert 0 < pauses.longest <= pauses.seconds <= time.perf_counter() - began


async def crowd(supervisor: Supervisor) -> Crowd:
    """Enough that one in fifty is an alarm, were it one of each user."""
    here = Crowd(supervisor, names(2_000))
    await here.come()
    return here


async def test_of_a_crowd_that_hangs_for_good_nobody_is_ended_and_then_all_recover() -> None:
    async with open_supervisor(LIMIT, spec=SupervisorSpec(sweep_period=NEVER)) as supervisor:
        here = await crowd(supervisor)
        found = await felt(here, "held", here.hang)
        counts = supervisor.counts()
        assert counts.sweeps_held > 0
        assert counts.managers_cleaned_up == 0
        assert set(found) == {
            f"held_{what}_{part}" for what in ("lag", "spawn") for part in ("p50", "p99", "max")
        } | {"held_processor"}
        await here.recover()
        assert supervisor.counts().managers_cleaned_up == len(here.who) / 50
        assert supervisor.counts().managers == len(here.who)


async def test_a_crowd_that_hangs_bit_by_bit_is_ended_by_the_sweep_and_comes_again() -> None:
    async with open_supervisor(LIMIT, spec=SupervisorSpec(sweep_period=NEVER)) as supervisor:
        here = await crowd(supervisor)
        await felt(here, "reaped", here.come_and_hang)
        counts = supervisor.counts()
        assert counts.sweeps_held == 0
        missing = [who for who in here.who if supervisor.lookup(*who) is None]
        assert len(missing) < counts.stages[Stage.LIVENESS].reaped
        await here.recover()
        assert supervisor.counts().managers == len(here.who)
