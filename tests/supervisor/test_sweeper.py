"""The background: it runs before anybody does, at its period, survives its crashes, and convicts fairly."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from supervisor import (
    ChildSpec,
    Event,
    EventsLost,
    Health,
    Stage,
    Stalled,
    SupervisorSpec,
    Suspected,
    SweeperFailed,
    SweeperStarted,
    Swept,
    Terminal,
    Voided,
    open_supervisor,
)
from supervisor._stream import Events
from supervisor._sweeper import Pace, sweep_for_ever
from supervisor.testing import (
    Healthy,
    ProbeAnswers,
    Shielded,
    SlowButAlive,
    SlowStop,
    WedgedForever,
    run,
)

from .harness import ATTACH_GRACE, BUDGET, Crowd, all_answer, all_tasks, dice, keys, names, opened, settle

manager = partial(Healthy, sockets=True)


def sweepers() -> list[trio.lowlevel.Task]:
    return [task for task in all_tasks() if "sweep_for_ever" in task.name]


async def test_it_runs_before_the_block_is_entered(autojump_clock: MockClock) -> None:  # R09, A13
    async with open_supervisor():
        assert len(sweepers()) == 1
    assert not sweepers()


@pytest.mark.parametrize("period", [30.0, 120.0, 300.0])
async def test_it_sweeps_once_a_period(period: float, autojump_clock: MockClock) -> None:  # R09, A19
    async with opened(sweep_period=period, sweep_jitter=0.0) as (_, log):
        await trio.sleep(5 * period + 1)
        assert [event.stamp.at for event in log.of(Swept)] == [n * period for n in range(1, 6)]


@pytest.mark.parametrize("turns", range(6))
def test_a_stall_at_the_very_end_is_told(turns: int) -> None:  # R12: the log must excuse what came late
    async def stall_at_the_end(leaving: trio.Event) -> None:
        await leaving.wait()
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        clock.jump(400)

    async def scenario() -> list[Event | EventsLost]:
        leaving = trio.Event()
        async with trio.open_nursery() as nursery, open_supervisor() as supervisor:
            log = supervisor.events()
            await supervisor.get_or_spawn("alice", "1", ChildSpec(Healthy))
            nursery.start_soon(stall_at_the_end, leaving)
            leaving.set()
        return [event async for event in log]

    for seed in range(20):
        log = run(scenario, seed=seed)
        swept_late = any(isinstance(event, Swept) for event in log)
        assert swept_late <= any(isinstance(event, Stalled) for event in log)


async def test_its_period_is_jittered(autojump_clock: MockClock) -> None:  # R09
    async with opened(sweep_period=100.0, sweep_jitter=0.1) as (_, log):
        await trio.sleep(1200)
        ends = [0.0, *(event.stamp.at for event in log.of(Swept))]
        waits = [after - before for before, after in pairwise(ends)]
        assert len(set(waits)) > 5
        assert all(90 <= wait <= 110 for wait in waits)


async def test_it_removes_the_dead_though_nobody_ever_spawns_again(autojump_clock: MockClock) -> None:
    async with opened(20, sweep_period=30.0, sweep_jitter=0.0) as (supervisor, log):
        ann, bob = Crowd(supervisor, "ann"), Crowd(supervisor, "bob")
        await ann.add("stuck", 2, WedgedForever, at_work=True)
        healthy = await bob.add("healthy", 2)
        await bob.add("abandoned", 1, manager)
        await trio.sleep(61)
        assert [event.user for event in log.of(Suspected)] == ["ann", "ann", "bob"]
        assert keys(log.of(Swept)[0].report.reaped) == names("stuck", 2)
        assert keys(log.of(Swept)[1].report.reaped) == names("abandoned", 1)
        assert bob.keys == names("healthy", 2)
        assert not ann.keys
        assert await all_answer(healthy)


async def test_a_sweep_that_takes_long_does_not_put_off_the_next(autojump_clock: MockClock) -> None:
    async with opened(2, sweep_period=100.0, sweep_jitter=0.0) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("busy", 1, AnswersProbesButNever, at_work=True, budget=1000.0, ceiling=1000.0)
        await trio.sleep(350)
        assert [event.stamp.at for event in log.of(Swept)] == [125.0, 225.0, 325.0]


class AnswersProbesButNever(WedgedForever):
    """Would answer a probe, if its work ever ended."""

    async def probe(self) -> None: ...


async def test_a_crash_is_an_event_and_it_starts_anew_with_back_off(autojump_clock: MockClock) -> None:  # A18
    events = Events()
    log = events.subscribe(100)
    crashes = 3

    async def sweep() -> float:
        nonlocal crashes
        await trio.lowlevel.checkpoint()
        if crashes:
            crashes -= 1
            raise OSError("sweep")
        return math.inf

    spec = SupervisorSpec(sweep_period=100.0, sweep_jitter=0.0)
    async with trio.open_nursery() as nursery:
        await nursery.start(sweep_for_ever, sweep, Pace(spec, dice(1)), events)
        await trio.sleep(1000)
        nursery.cancel_scope.cancel()
    told = [event for event in log.drain() if isinstance(event, SweeperStarted | SweeperFailed)]
    assert [type(event) for event in told] == [SweeperStarted, *[SweeperFailed, SweeperStarted] * 3]
    failed = [event for event in told if isinstance(event, SweeperFailed)]
    assert [event.restart_in for event in failed] == [1.0, 2.0, 4.0]
    assert all(isinstance(event.error, OSError) for event in failed)
    assert [event.stamp.at for event in failed] == [100.0, 201.0, 303.0]


async def dead_sweeper(*_: object, task_status: trio.TaskStatus[None]) -> None:
    await trio.lowlevel.checkpoint()
    task_status.started()


async def stillborn_sweeper(*_: object, task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC128  # its purpose
    await trio.lowlevel.checkpoint()
    raise OSError("no sweeper")


async def test_a_sweeper_that_cannot_start_is_an_error_of_the_opener(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:  # A18
    monkeypatch.setattr("supervisor._supervisor.sweep_for_ever", stillborn_sweeper)
    entered = False
    with pytest.raises(ExceptionGroup) as raised:
        async with open_supervisor():
            entered = True
    assert raised.group_contains(OSError, match="no sweeper")
    assert not entered


async def test_manual_cleanup_works_while_the_sweeper_is_dead(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:  # R10, A20
    monkeypatch.setattr("supervisor._supervisor.sweep_for_ever", dead_sweeper)
    async with opened(5) as (supervisor, _):
        assert not sweepers()
        for user in ("ann", "bob"):
            await Crowd(supervisor, user).add(f"stuck-{user}", 1, WedgedForever, at_work=True)
            await Crowd(supervisor, user).add(f"healthy-{user}", 1)
        await trio.sleep(BUDGET + 0.01)
        one = await supervisor.cleanup("ann")
        assert (one.user, keys(one.reaped), keys(one.kept)) == ("ann", {"stuck-ann-0"}, {"healthy-ann-0"})
        everybody = await supervisor.cleanup()
        assert everybody.user is None
        assert keys(everybody.reaped) == {"stuck-bob-0"}
        assert keys(everybody.kept) == {"healthy-ann-0", "healthy-bob-0"}
        assert str(everybody) == "cleanup removed 1, kept 2, failed 0"
        assert not (await supervisor.cleanup("nobody")).stages


async def test_a_dry_run_tells_and_touches_nobody(autojump_clock: MockClock) -> None:  # R10
    async with opened(5) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("abandoned", 1, manager)
        await trio.sleep(ATTACH_GRACE)
        await crowd.add("stuck", 2, WedgedForever, at_work=True)
        await crowd.add("healthy", 1, ProbeAnswers)
        await trio.sleep(BUDGET + 0.01)
        before = len(log.all)

        rehearsal = await supervisor.cleanup("alice", dry_run=True)

        assert rehearsal.dry_run
        assert len(log.all) == before
        assert crowd.held == 4
        assert str(rehearsal) == "cleanup would remove 3, kept 1, failed 0"
        real = await supervisor.cleanup("alice")
        assert keys(rehearsal.reaped) == keys(real.reaped)
        assert keys(rehearsal.kept) == keys(real.kept)
        counts = [[(stage.before, stage.after) for stage in report.stages] for report in (rehearsal, real)]
        assert counts == [[(4, 3), (3, 1)], [(4, 3), (3, 1)]]


async def test_a_cleanup_goes_no_further_than_told(autojump_clock: MockClock) -> None:  # R10
    async with opened(5) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("abandoned", 1, manager)
        await trio.sleep(ATTACH_GRACE)
        await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 0.01)
        report = await supervisor.cleanup("alice", until=Stage.GARBAGE)
        assert [stage.stage for stage in report.stages] == [Stage.GARBAGE]
        assert crowd.keys == {"stuck-0"}


async def test_explain_tells_what_an_admission_would_do(autojump_clock: MockClock) -> None:
    async with opened(2) as (supervisor, _):
        crowd = Crowd(supervisor)
        assert supervisor.explain("alice").would_admit
        await crowd.add("healthy", 1)
        await crowd.add("stuck", 1, WedgedForever, at_work=True)
        assert not supervisor.explain("alice").would_admit
        await trio.sleep(BUDGET + 0.01)
        explained = supervisor.explain("alice")
        assert explained.would_admit
        assert {holder.key: holder.verdict.health for holder in explained.holders} == {
            "healthy-0": Health.HEALTHY,
            "stuck-0": Health.UNRESPONSIVE,
        }
        assert crowd.held == 2


async def test_a_user_who_reaches_the_high_water_mark_is_looked_at_early(autojump_clock: MockClock) -> None:
    async with opened(10, sweep_period=1e6) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 2, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 0.01)
        await crowd.add("healthy", 4)
        await settle()
        assert not log.of(Suspected)
        await crowd.add("seventh", 1)
        await settle()
        assert {event.key for event in log.of(Terminal)} == names("stuck", 2)
        assert crowd.held == 5


async def test_a_stalled_loop_convicts_nobody(autojump_clock: MockClock) -> None:
    async with opened(5, sweep_period=1e6) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("slow", 3, partial(SlowButAlive, 0.9), at_work=True)
        stuck = await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(1)

        autojump_clock.jump(60)
        report = await supervisor.cleanup("alice")

        assert not report.reaped
        assert len(log.of(Stalled)) == 1
        assert log.of(Stalled)[0].duration == pytest.approx(60, abs=0.3)
        assert "stuck-0" in {event.key for event in log.of(Voided)}
        await trio.sleep(BUDGET + 0.01)  # the clock of the stuck one started anew, and runs out
        assert keys((await supervisor.cleanup("alice")).reaped) == {"stuck-0"}
        assert stuck[0].exit is not None
        assert {event.key for event in log.of(Terminal)} == {"stuck-0"}


async def test_one_user_who_is_slow_to_clean_up_holds_up_no_other(autojump_clock: MockClock) -> None:  # R13
    release = trio.Event()
    async with opened(5, sweep_period=100.0, sweep_jitter=0.0) as (supervisor, log):
        await Crowd(supervisor, "ann").add("slow", 2, partial(SlowStop, 4.0, sockets=True))
        await Crowd(supervisor, "ann").add("stuck", 2, partial(Shielded, release), at_work=True)
        await Crowd(supervisor, "bob").add("stuck", 2, WedgedForever, at_work=True)
        await trio.sleep(101)
        gone = {event.user: event.stamp.at for event in log.of(Terminal)}
        assert gone == {"bob": 100.0}
        assert (await Crowd(supervisor, "bob").get("new")).created
        release.set()
