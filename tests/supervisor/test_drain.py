"""Drain: who is told when, in what order, within what time; and who held it up."""

from __future__ import annotations

import math
import re
from functools import partial
from itertools import pairwise

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors import ExitReason
from supervisor import (
    Drained,
    DrainReport,
    DrainSpec,
    DrainStarted,
    Restart,
    RestartGroup,
    RestartPolicy,
    StopOverdue,
    Supervisor,
    SupervisorClosed,
    Terminal,
)
from supervisor._drain import TICK, pace
from supervisor.checking import check_events
from supervisor.testing import CrashesInHandle, Healthy, Shielded, WedgedForever, Work

from .harness import CANCEL_GRACE, PLAIN, Crowd, answers, opened, settle

QUICK = DrainSpec(spread=0.0, grace=1.0)


def ends(log: list[Terminal]) -> list[str]:
    return [event.key for event in log]


@given(st.integers(0, 100_000), st.floats(0, 100), st.floats(0.1, 1e6))
def test_all_go_in_time_no_more_at_once_than_need_be(units: int, spread: float, per_second: float) -> None:
    size, pause = pace(units, DrainSpec(spread=spread, per_second=per_second))
    batches = math.ceil(units / size)
    seconds = min(spread, units / per_second)
    assert batches * pause <= seconds + 1e-6
    assert pause >= min(TICK, seconds) / 2 or not units
    assert size <= units * TICK / seconds + 1 if seconds > TICK else batches <= 1


async def test_everybody_ends_works_off_his_mail_and_nobody_new_comes(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, log):
        crowd = Crowd(supervisor)
        refs = await crowd.add("tab", 5)
        before = [ref.statistics().handled for ref in refs]
        for ref in refs:
            for _ in range(3):
                ref.tell_nowait(Work())
        report = await supervisor.drain(QUICK)
        assert report.managers == 5
        assert report.overdue == report.condemned == ()
        assert [ref.statistics().handled - b for ref, b in zip(refs, before, strict=True)] == [3] * 5
        assert {event.exit.reason for event in log.of(Terminal)} == {ExitReason.DRAINED}
        with pytest.raises(SupervisorClosed):
            await crowd.get("new")
        assert not supervisor.users
        assert [type(event) for event in log.all if isinstance(event, DrainStarted | Drained)] == [
            DrainStarted,
            Drained,
        ]
        assert check_events(log.all, over=False) == ()


async def test_while_it_is_noticed_it_is_not_ready_and_lets_newcomers_in(
    autojump_clock: MockClock,
) -> None:
    async with opened() as (supervisor, _), trio.open_nursery() as nursery:
        assert supervisor.fitness().ready == ()
        nursery.start_soon(supervisor.drain, attrs.evolve(QUICK, notice=5.0))
        await trio.sleep(4.9)
        assert supervisor.fitness().ready == ("draining",)
        assert supervisor.fitness().live == ()
        ref = (await supervisor.get_or_spawn("alice", "late", PLAIN)).ref
        assert await answers(ref)
        await trio.sleep(0.2)
        assert supervisor.fitness().ready == ("shutting down",)
        with pytest.raises(SupervisorClosed):
            await supervisor.get_or_spawn("alice", "later", PLAIN)
        how = await ref.wait_stopped()
        assert how.reason is ExitReason.DRAINED


async def test_each_client_is_told_when_to_come_back_at_a_time_of_its_own(
    autojump_clock: MockClock,
) -> None:
    async with opened(100) as (supervisor, _):
        crowd = Crowd(supervisor)
        refs = await crowd.add("tab", 50, lambda: Healthy(sockets=True))
        wires = [crowd.attach(ref) for ref in refs]
        await supervisor.drain(DrainSpec(spread=0.0, reconnect=1000.0))
    closed = [wire.closed for wire in wires if wire.closed is not None]
    assert {why.code for why in closed} == {1012}
    words = [why.reason.split() for why in closed]
    assert {" ".join([*word[:5], word[6]]) for word in words} == {"The server restarts. Retry in s."}
    seconds = [int(word[5]) for word in words]
    assert len(seconds) == 50
    assert 0 <= min(seconds) < 250
    assert 750 < max(seconds) <= 1000


async def test_they_go_over_the_whole_time_the_quiet_first_and_who_is_at_work_last(
    autojump_clock: MockClock,
) -> None:
    async with opened() as (supervisor, log):
        crowd = Crowd(supervisor)
        for number in range(10):
            (ref,) = await crowd.add(f"tab{number}", 1, partial(Healthy, sockets=number < 5))
            if number < 5:
                crowd.attach(ref)
            await trio.sleep(1)
        began = trio.current_time()
        await supervisor.drain(DrainSpec(spread=5.0, per_second=2.0))
        assert ends(log.of(Terminal)) == [f"tab{n}-0" for n in (5, 6, 7, 8, 9, 0, 1, 2, 3, 4)]
        times = [event.stamp.at - began for event in log.of(Terminal)]
        assert 4.0 < times[-1] <= 5.0
        assert max(b - a for a, b in pairwise(times)) < 1.0


async def test_a_few_are_gone_at_once(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        await Crowd(supervisor).add("tab", 20)
        began = trio.current_time()
        await supervisor.drain(DrainSpec(spread=30.0))
        assert trio.current_time() - began < 2 * TICK


async def test_who_holds_it_up_is_cancelled_and_named_with_his_line(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("fine", 3)
        (stuck,) = await crowd.add("stuck", 1, WedgedForever, at_work=True, stop_grace=60.0)
        (shielded,) = await crowd.add(
            "shielded", 1, partial(Shielded, seconds=30), at_work=True, stop_grace=60.0
        )
        await settle(0.1)
        report = await supervisor.drain(DrainSpec(spread=0.0, grace=2.0))
        assert 2.0 <= report.duration <= 2.0 + 2 * CANCEL_GRACE
        assert stuck.exit is not None
        assert shielded.exit is not None, "condemned: dead to everybody"
        assert {name.split("#")[0] for name in report.overdue} == {"alice/stuck-0", "alice/shielded-0"}
        assert all("_specimens.py" in name for name in report.overdue)
        (condemned,) = report.condemned
        assert condemned.startswith("alice/shielded-0#")
        assert "_specimens.py" in condemned
        assert re.fullmatch(r"drained 5 managers in 2.\d s, 2 cancelled, 1 condemned", str(report))
        await settle(60)
        assert check_events(log.all, over=False) == ()


async def test_a_stop_grace_of_its_own_that_ends_before_the_drains_is_told_too(
    autojump_clock: MockClock,
) -> None:
    async with opened() as (supervisor, log):
        await Crowd(supervisor).add("stuck", 1, WedgedForever, at_work=True, stop_grace=0.5)
        await settle(0.1)
        report = await supervisor.drain(DrainSpec(spread=0.0, grace=60.0))
        assert report.duration < 1.0
        assert len(report.overdue) == len(log.of(StopOverdue)) == 1


async def test_a_second_drain_in_more_of_a_hurry_ends_both_at_once(autojump_clock: MockClock) -> None:
    reports: list[DrainReport] = []

    async def drain(supervisor: Supervisor, spec: DrainSpec) -> None:
        reports.append(await supervisor.drain(spec))

    for patience in (1.0, 11.0, 18.0):  # while it is noticed, spread, and waited for
        async with opened() as (supervisor, _):
            crowd = Crowd(supervisor)
            await crowd.add("tab", 10)
            await crowd.add("stuck", 1, WedgedForever, at_work=True, stop_grace=60.0)
            async with trio.open_nursery() as nursery:
                slow = DrainSpec(notice=10.0, spread=5.0, per_second=0.1, grace=60.0)
                nursery.start_soon(drain, supervisor, slow)
                await trio.sleep(patience)
                began = trio.current_time()
                nursery.start_soon(drain, supervisor, DrainSpec(spread=0.0, grace=0.0))
            assert trio.current_time() - began <= 2 * TICK
            assert not supervisor.users
    assert len(reports) == 6


async def test_who_is_ended_at_once_by_a_second_drain_is_blamed_for_nothing(
    autojump_clock: MockClock,
) -> None:
    async with opened() as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("tab", 10)
        await crowd.add("stuck", 1, WedgedForever, at_work=True, stop_grace=60.0)
        async with trio.open_nursery() as nursery:
            slow = DrainSpec(notice=1.0, spread=10.0, per_second=1.0, grace=60.0)
            nursery.start_soon(supervisor.drain, slow)
            await trio.sleep(3)
            nursery.start_soon(supervisor.drain, DrainSpec(spread=0.0, grace=0.0))
        assert not log.of(StopOverdue)
        assert len(log.of(DrainStarted)) == len(log.of(Drained)) == 1
        (told,) = log.of(Drained)
        assert told.report.managers == 11
        assert told.report.overdue == ()


async def test_who_waits_for_a_slot_is_told_that_there_will_be_none(autojump_clock: MockClock) -> None:
    async with opened(1, slot_wait=60.0) as (supervisor, _):
        await Crowd(supervisor).add("tab", 1)

        async def wait() -> None:
            with pytest.raises(SupervisorClosed):
                await supervisor.get_or_spawn("alice", "second", PLAIN)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await settle(0.1)
            await supervisor.drain(QUICK)


class CrashesAtItsEnd(Healthy):
    async def on_stop(self) -> None:
        raise OSError("no goodbye")


async def test_nobody_begins_anew(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        always = RestartPolicy(when=Restart.ALWAYS, backoff=0.01)
        crowd = Crowd(supervisor)
        await crowd.add("tab", 2, CrashesAtItsEnd, restart=always)
        (crashed,) = await crowd.add("late", 1, CrashesInHandle, restart=attrs.evolve(always, backoff=50.0))
        crashed.tell_nowait(Work())
        await settle(0.1)
        report = await supervisor.drain(QUICK)
        assert report.managers == 3, "one that is to begin anew, too"
        await settle(100)
        assert not supervisor.users


async def test_who_crashes_before_he_is_asked_to_stop_does_not_begin_anew_either(
    autojump_clock: MockClock,
) -> None:
    async with opened() as (supervisor, _), trio.open_nursery() as nursery:
        crowd = Crowd(supervisor)
        restart = RestartPolicy(when=Restart.ALWAYS, backoff=0.01)
        for number in range(10):
            await crowd.get(f"tab-{number}", CrashesInHandle, restart=restart)
            await trio.sleep(1)
        last = supervisor.lookup("alice", "tab-9")
        assert last is not None
        nursery.start_soon(supervisor.drain, DrainSpec(spread=10.0, per_second=1.0))
        await trio.sleep(2)
        last.tell_nowait(Work())
        await trio.sleep(1)
        assert supervisor.lookup("alice", "tab-9") is None
        await trio.sleep(20)
        assert not supervisor.users


async def test_a_group_ends_in_order(autojump_clock: MockClock) -> None:
    group = RestartGroup("call")
    async with opened() as (supervisor, log):
        crowd = Crowd(supervisor)
        for key in ("a", "b", "c"):
            await crowd.get(key, restart=RestartPolicy(when=Restart.ON_FAILURE), group=group)
        report = await supervisor.drain(QUICK)
        assert [event.key for event in log.of(Terminal)] == ["c", "b", "a"]
        assert report.managers == 3


async def test_a_group_whose_last_one_hangs_is_gone_within_the_grace(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        crowd = Crowd(supervisor)
        group, restart = RestartGroup("call"), RestartPolicy(when=Restart.ON_FAILURE)
        await crowd.get("a", restart=restart, group=group)
        stuck = await crowd.get("b", WedgedForever, restart=restart, group=group, stop_grace=60.0)
        await stuck.ref.tell(Work())
        await settle(0.1)
        report = await supervisor.drain(DrainSpec(spread=0.0, grace=2.0))
        assert report.duration <= 2.0 + 2 * CANCEL_GRACE
        assert not supervisor.users


async def test_cancelled_it_lets_nobody_in_and_who_was_asked_to_stop_stops(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("tab", 10)
        with trio.move_on_after(2.05):
            await supervisor.drain(DrainSpec(spread=10.0, per_second=1.0))
        await settle()
        gone = len(log.of(Terminal))
        assert 1 <= gone < 10
        with pytest.raises(SupervisorClosed):
            await crowd.get("new")
        await settle(100)
        assert len(log.of(Terminal)) == gone


async def test_an_empty_process_is_drained_at_once(autojump_clock: MockClock) -> None:
    async with opened() as (supervisor, _):
        assert await supervisor.drain() == DrainReport(0, (), (), 0.0, 0.0, 0.0)


@pytest.mark.parametrize("wrong", [{"spread": -1.0}, {"notice": float("inf")}, {"per_second": 0.0}])
def test_what_is_no_drain_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DrainSpec(**wrong)
