"""When many users' actors look dead at once, the sweep holds still for a while: it may be our fault."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors import ActorRef
from supervisor import Supervisor, SweepHeld, Swept, Terminal
from supervisor._sweep import MANY_PART, MANY_USERS, Hold
from supervisor.testing import Healthy, WedgedForever

from .harness import Crowd, opened

PERIOD = 100.0
HOLD = 30.0


class BackendDown(Healthy):
    """All of them depend on one thing, and it is down, or not."""

    down = False

    async def probe(self) -> None:
        await trio.lowlevel.checkpoint()
        if type(self).down:
            raise OSError("no backend")


async def wedge_users(supervisor: Supervisor, count: int) -> list[ActorRef[object]]:
    return [
        ref
        for number in range(count)
        for ref in await Crowd(supervisor, f"user-{number}").add("stuck", 1, WedgedForever, at_work=True)
    ]


def test_few_are_no_alarm() -> None:
    hold = Hold(HOLD)
    assert hold.until(suspects=MANY_USERS - 1, users=MANY_USERS, now=0.0) is None
    assert hold.until(suspects=MANY_USERS, users=round(MANY_USERS / MANY_PART) + 1, now=0.0) is None
    assert hold.until(suspects=MANY_USERS, users=MANY_USERS, now=0.0) == HOLD


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0.1, 20)), max_size=30))
def test_one_alarm_holds_once_and_for_no_longer_than_it_may(looks: list[tuple[int, float]]) -> None:
    hold, now = Hold(HOLD), 0.0
    began: float | None = None
    for suspects, passed in looks:
        now += passed
        until = hold.until(suspects=suspects, users=40, now=now)
        if suspects < max(MANY_USERS, 40 * MANY_PART):
            began = None
            assert until is None
            continue
        began = now if began is None else began
        assert until == (began + HOLD if now < began + HOLD else None)


async def test_many_that_look_dead_at_once_are_ended_only_after_the_hold(autojump_clock: MockClock) -> None:
    async with opened(2, sweep_period=PERIOD, sweep_jitter=0.0, mass_hold=HOLD) as (supervisor, log):
        await wedge_users(supervisor, MANY_USERS)
        await trio.sleep(PERIOD + HOLD - 1)
        [held] = log.of(SweepHeld)
        assert (held.suspects, held.users, held.until) == (MANY_USERS, MANY_USERS, PERIOD + HOLD)
        assert not log.of(Terminal)
        await trio.sleep(2)
        assert len(log.of(Terminal)) == MANY_USERS, "nobody stays a ghost because there are many"
        assert [event.stamp.at for event in log.of(Swept)] == [PERIOD, pytest.approx(PERIOD + HOLD, abs=0.1)]


async def test_the_next_sweep_after_a_hold_comes_as_soon_as_it_is_over(autojump_clock: MockClock) -> None:
    async with opened(2, sweep_period=PERIOD, sweep_jitter=0.0, mass_hold=HOLD) as (supervisor, log):
        await wedge_users(supervisor, MANY_USERS)
        await trio.sleep(3 * PERIOD)
        times = [round(event.stamp.at) for event in log.of(Swept)]
        assert times == [100, 130, 230]


async def test_few_among_many_are_ended_at_once(autojump_clock: MockClock) -> None:
    async with opened(2, sweep_period=PERIOD, sweep_jitter=0.0) as (supervisor, log):
        await wedge_users(supervisor, MANY_USERS)
        for number in range(round(MANY_USERS / MANY_PART)):
            await Crowd(supervisor, f"fine-{number}").add("healthy", 1)
        await trio.sleep(PERIOD + 1)
        assert not log.of(SweepHeld)
        assert len(log.of(Terminal)) == MANY_USERS


async def test_an_admission_acts_on_hard_evidence_all_the_same(autojump_clock: MockClock) -> None:
    async with opened(1, sweep_period=PERIOD, sweep_jitter=0.0, mass_hold=HOLD) as (supervisor, log):
        await wedge_users(supervisor, MANY_USERS)
        await trio.sleep(PERIOD + 1)
        assert log.of(SweepHeld)
        assert (await Crowd(supervisor, "user-3").get("newcomer")).created
        assert [event.user for event in log.of(Terminal)] == ["user-3"]
        report = await supervisor.cleanup()
        assert len(report.reaped) == MANY_USERS - 1, "and so does a person who asks for it"


async def test_garbage_goes_during_a_hold(autojump_clock: MockClock) -> None:
    async with opened(2, sweep_period=PERIOD, sweep_jitter=0.0, mass_hold=HOLD) as (supervisor, log):
        await wedge_users(supervisor, MANY_USERS)
        await Crowd(supervisor, "user-0").add("idle", 1, Healthy, idle_limit=50.0)
        await trio.sleep(PERIOD + 1)
        assert log.of(SweepHeld)
        assert [event.key for event in log.of(Terminal)] == ["idle-0"]


async def test_a_backend_that_is_down_for_a_moment_ends_nobody(autojump_clock: MockClock) -> None:
    class Depends(BackendDown):
        pass

    async with opened(2, sweep_period=PERIOD, sweep_jitter=0.0, mass_hold=HOLD) as (supervisor, log):
        for number in range(MANY_USERS):
            await Crowd(supervisor, f"user-{number}").add("fine", 1, Depends)
        Depends.down = True
        await trio.sleep(PERIOD + 1)
        assert [event.suspects for event in log.of(SweepHeld)] == [MANY_USERS]
        Depends.down = False
        await trio.sleep(2 * PERIOD)
        assert not log.of(Terminal)
        Depends.down = True  # a new alarm is a new hold, and only once
        await trio.sleep(2 * PERIOD)
        assert len(log.of(SweepHeld)) == 2
        assert len(log.of(Terminal)) == MANY_USERS


async def test_a_hold_of_none_holds_nothing(autojump_clock: MockClock) -> None:
    async with opened(2, sweep_period=PERIOD, sweep_jitter=0.0, mass_hold=0.0) as (supervisor, log):
        await wedge_users(supervisor, MANY_USERS)
        await trio.sleep(PERIOD + 1)
        assert len(log.of(Terminal)) == MANY_USERS
        assert not log.of(SweepHeld)
