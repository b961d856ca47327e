"""Fit to live and ready for newcomers: what says no, from which moment on, and what heals."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from supervisor import Fitness, Settings, SpawnFailed, SupervisorClosed, SupervisorSpec, open_supervisor
from supervisor._fitness import Facts, fitness
from supervisor._sweep import Sweep
from supervisor._table import Table
from supervisor.testing import Healthy, Shielded, advance
from supervisor.testing._machine import crash_next_sweep

from .harness import BUDGET, PLAIN, Crowd, opened, settle

FIT = Fitness()
CONDEMNED_BY = BUDGET + 0.1


def not_live(problem: str) -> Fitness:
    return Fitness((problem,), (f"not live: {problem}",))


async def test_an_idle_supervisor_is_fit_for_ever(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        for _ in range(10):
            assert supervisor.fitness() == FIT
            await trio.sleep(777)


# The sweeper


async def test_it_is_not_live_while_its_sweeper_is_down_and_heals_with_it(autojump_clock: MockClock) -> None:
    async with opened(sweep_period=30.0, sweep_jitter=0.0) as (supervisor, _):
        crash_next_sweep(supervisor)
        await trio.sleep(29.9)
        assert supervisor.fitness() == FIT
        await trio.sleep(0.2)
        assert supervisor.fitness() == not_live("the background cleanup crashed, and does not run for 1 s")
        await trio.sleep(1)
        assert supervisor.fitness() == FIT


async def hang(_: Sweep, *, ask: bool) -> float:
    return await trio.sleep_forever()


HANGS = "the background cleanup hangs: no sweep for more than 960 s (its period is 300 s)"


async def test_a_sweep_that_never_ends_is_found_after_three_periods_and_a_minute(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(sweep_jitter=0.0) as (supervisor, _):
        await trio.sleep(310)
        monkeypatch.setattr(Sweep, "_look", hang)
        await trio.sleep(300 + 3 * 300 + 60 - 310)
        assert supervisor.fitness() == FIT
        await trio.sleep(1)
        assert supervisor.fitness() == not_live(HANGS)


async def test_a_loop_that_stood_still_does_not_convict_the_sweeper(autojump_clock: MockClock) -> None:
    async with opened(sweep_jitter=0.0) as (supervisor, _):
        advance(5000.0)
        assert supervisor.fitness() == FIT, "nobody else has run so far"
        await settle()
        assert supervisor.fitness() == FIT


async def test_short_stalls_do_not_excuse_a_sweeper_that_hangs(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(sweep_jitter=0.0) as (supervisor, _):
        monkeypatch.setattr(Sweep, "_look", hang)
        for _ in range(97):
            advance(1.0)
            await trio.sleep(9)
        assert supervisor.counts().stalls == 97
        assert supervisor.fitness() == not_live(HANGS)


async def test_a_shorter_period_is_no_late_sweep(autojump_clock: MockClock) -> None:
    async with opened(sweep_period=3000.0) as (supervisor, _):
        await trio.sleep(2000)
        supervisor.configure(Settings(limit=20, supervisor=SupervisorSpec(sweep_period=10.0)))
        assert supervisor.fitness() == FIT


# The condemned

SPENT = "1 user has more condemned managers than allowed, and lost slots to them"


async def test_a_spent_allowance_is_not_live_until_one_ends_after_all(autojump_clock: MockClock) -> None:
    first, others = trio.Event(), trio.Event()
    async with opened(3, condemned_allowance=1, sweep_period=10.0) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("first", 1, partial(Shielded, first), at_work=True)
        await trio.sleep(CONDEMNED_BY)
        await supervisor.cleanup()
        assert supervisor.fitness() == FIT, "within its allowance"
        await crowd.add("second", 1, partial(Shielded, others), at_work=True)
        await trio.sleep(CONDEMNED_BY)
        await supervisor.cleanup()
        assert supervisor.fitness() == not_live(SPENT)
        first.set()
        await settle()
        assert supervisor.fitness() == FIT
        others.set()
        await settle()
        assert supervisor.counts().zombies == 0
        assert supervisor.fitness() == FIT


async def test_a_raised_limit_heals_it_where_the_allowance_follows_the_limit(
    autojump_clock: MockClock,
) -> None:
    release = trio.Event()
    async with opened(2) as (supervisor, _):
        await Crowd(supervisor).add("stuck", 2, partial(Shielded, release), at_work=True)
        await trio.sleep(CONDEMNED_BY)
        await supervisor.cleanup()
        supervisor.set_limit(1)
        assert supervisor.fitness() == not_live(SPENT)
        supervisor.set_limit(2)
        assert supervisor.fitness() == FIT
        release.set()


class SpinsForASecond(Healthy):
    """Swallows its cancellation, and goes round and round for a second."""

    async def work(self) -> None:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        for _ in range(1000):
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                clock.jump(0.001)


async def test_one_that_burns_a_core_makes_it_unready_and_not_dead(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(2) as (supervisor, _):
        await Crowd(supervisor).add("stuck", 1, SpinsForASecond, at_work=True)
        await Crowd(supervisor).add("resting", 1, partial(Shielded, release), at_work=True)
        await trio.sleep(CONDEMNED_BY)
        await supervisor.cleanup()
        problem = "1 condemned manager spins, and costs a core: only a new process gives it back"
        assert supervisor.fitness() == Fitness((), (problem,))
        await settle(10)
        assert supervisor.counts().zombies == 1
        assert supervisor.fitness() == FIT
        release.set()


async def test_only_users_with_condemned_are_looked_at(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []

    def spent(table: Table) -> bool:
        looked_at.append(table.user)
        return False

    release = trio.Event()
    async with opened() as (supervisor, _):
        for number in range(50):
            await Crowd(supervisor, f"user {number}").add("tab", 1)
        await Crowd(supervisor, "bob").add("stuck", 2, partial(Shielded, release), at_work=True)
        await trio.sleep(CONDEMNED_BY)
        await supervisor.cleanup()
        monkeypatch.setattr(Table, "allowance_spent", property(spent))
        assert supervisor.fitness() == FIT
        assert looked_at == ["bob"]
        release.set()
        await settle()
        assert supervisor.fitness() == FIT
        assert looked_at == ["bob"]


# The end


async def test_it_is_unready_from_the_moment_on_that_the_block_is_left(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery, open_supervisor() as supervisor:
        seen: list[tuple[bool, Fitness]] = []

        async def look() -> None:
            seen.append((supervisor.accepting, supervisor.fitness()))

        assert (supervisor.accepting, supervisor.fitness()) == (True, FIT)
        for _ in range(30):  # many, so that one runs before the task that ends the supervisor
            nursery.start_soon(look)
    assert len(seen) == 30
    assert set(seen) == {(False, Fitness((), ("shutting down",)))}
    told = supervisor.counts().events
    await trio.sleep(10_000)
    assert supervisor.fitness() == Fitness((), ("shutting down",)), "its sweeper is not missed any more"
    assert supervisor.counts().events == told, "nor is it an event to ask"


async def test_it_is_unready_from_the_moment_on_that_the_block_is_cancelled(
    autojump_clock: MockClock,
) -> None:
    with trio.CancelScope() as scope:
        async with open_supervisor() as supervisor:
            scope.cancel()
            with trio.CancelScope(shield=True):  # what the body still does may take its time
                await trio.sleep(1)
                assert not supervisor.accepting
                assert supervisor.fitness() == Fitness((), ("shutting down",))
                with pytest.raises(SupervisorClosed):
                    await supervisor.get_or_spawn("alice", "tab", PLAIN)
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught


async def test_what_the_body_raises_comes_out_also_when_it_was_cancelled(autojump_clock: MockClock) -> None:
    async def serve() -> None:
        async with open_supervisor():
            scope.cancel()
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            raise ZeroDivisionError

    with trio.CancelScope() as scope, pytest.raises(ZeroDivisionError) as raised:
        await serve()
    assert raised.type is ZeroDivisionError, "a Cancelled would end in the scope, too"


async def test_who_was_let_in_before_ends_in_order(autojump_clock: MockClock) -> None:
    async with open_supervisor() as supervisor:
        ref = (await supervisor.get_or_spawn("alice", "tab", PLAIN)).ref
    assert (await ref.wait_stopped()).detail == "the supervisor ends"
    with pytest.raises((SupervisorClosed, SpawnFailed)):
        await supervisor.get_or_spawn("alice", "tab", PLAIN)


# In words

WELL = Facts(
    accepting=True,
    draining=False,
    sweeper_down_for=None,
    sweeper_quiet=0.0,
    sweep_period=300.0,
    spent=0,
    spinning=0,
)


@pytest.mark.parametrize(
    ("wrong", "live", "ready"),
    [
        ({}, [], []),
        ({"accepting": False}, [], ["shutting down"]),
        ({"accepting": False, "draining": True}, [], ["shutting down"]),
        ({"draining": True}, [], ["draining"]),
        ({"accepting": False, "sweeper_down_for": 1.0, "sweeper_quiet": 1e6}, [], ["shutting down"]),
        ({"sweeper_quiet": 960.0}, [], []),
        ({"sweeper_quiet": 960.1}, ["hangs"], ["not live: the background cleanup hangs"]),
        ({"sweeper_down_for": 4.0, "sweeper_quiet": 1e6}, ["does not run for 4 s"], ["not live"]),
        ({"spent": 2}, ["2 users have more condemned"], ["not live: 2 users"]),
        ({"spinning": 2}, [], ["2 condemned managers spin, and each costs a core"]),
        ({"accepting": False, "spent": 1}, ["1 user has"], ["shutting down", "not live: 1 user has"]),
        ({"spent": 1, "spinning": 1, "sweeper_down_for": 1.0}, ["crashed", "1 user"], ["1 c", "not", "not"]),
    ],
)
def test_each_problem_is_named(wrong: dict[str, Any], live: list[str], ready: list[str]) -> None:
    said = fitness(attrs.evolve(WELL, **wrong))
    for problems, words in ((said.live, live), (said.ready, ready)):
        assert len(problems) == len(words)
        for problem, word in zip(problems, words, strict=True):
            assert word in problem
