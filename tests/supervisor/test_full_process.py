"""A full process, and other bad moments: who can be let in is, and nobody is ended without cause."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from actors import Connection, ExitReason, State, attach
from supervisor import (
    CleanedUp,
    Condemned,
    Health,
    RefusalReason,
    Reserved,
    SpawnFailed,
    Stage,
    Stalled,
    SupervisorSpec,
    Terminal,
)
from supervisor.testing import Healthy, MemoryTransport, ProbeAnswers, Shielded, StartHangs, WedgedForever

from .harness import BUDGET, CANCEL_GRACE, Crowd, all_answer, answers, opened, settle

ADMISSION = SupervisorSpec().admission_deadline
SOCKETS = partial(Healthy, sockets=True)


class LateProbe(Healthy):
    """Its first probe fails, later than an admission waits for it; the next ones are well."""

    failures = 1

    async def probe(self) -> None:
        await trio.sleep(0.1)
        self.failures -= 1
        if self.failures >= 0:
            raise OSError("no backend")


class DiesLate(WedgedForever):
    """Takes so long over its last rites, `shielded` beyond their grace."""

    def __init__(self, seconds: float, *, shielded: bool) -> None:
        super().__init__()
        self._seconds, self._is_shielded = seconds, shielded

    async def on_stop(self) -> None:
        with trio.CancelScope(shield=self._is_shielded):
            await trio.sleep(self._seconds)


class StallsWhenCancelled(Healthy):
    """The loop stands still in the very moment of its cancellation; then it ends, in a few steps."""

    def __init__(self, clock: MockClock) -> None:
        super().__init__()
        self._clock = clock

    async def work(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self._clock.jump(2.0)
            with trio.CancelScope(shield=True):
                for _ in range(20):
                    await trio.lowlevel.checkpoint()


async def gone(crowd: Crowd) -> None:
    """One more user whose only client has just gone, and may come back."""
    await crowd.add("tab", 1, SOCKETS, sockets=1)
    crowd.sockets.close()
    await trio.sleep(1)


# A full process


async def test_the_client_gone_longest_gives_way_and_no_other(autojump_clock: MockClock) -> None:
    async with opened(5, process_limit=3) as (supervisor, log):
        ann = Crowd(supervisor, "ann")
        [healthy] = await ann.add("tab", 1, SOCKETS, sockets=1)
        for user in ("bob", "cid"):
            await gone(Crowd(supervisor, user))
        assert (await Crowd(supervisor, "dan").get("tab")).created
        assert [(event.user, event.exit.reason) for event in log.of(Terminal)] == [
            ("bob", ExitReason.DISCONNECTED)
        ]
        assert await answers(healthy)
        assert len(ann.keys) == len(Crowd(supervisor, "cid").keys) == 1


async def test_a_client_that_is_gone_keeps_its_place_where_there_is_garbage(
    autojump_clock: MockClock,
) -> None:
    async with opened(5, process_limit=2) as (supervisor, log):
        await Crowd(supervisor, "ann").add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(BUDGET)
        await gone(Crowd(supervisor, "bob"))
        assert (await Crowd(supervisor, "cid").get("tab")).created
        assert [event.user for event in log.of(Terminal)] == ["ann"]


async def test_the_healthy_never_give_way_and_the_refusal_says_what_was_tried(
    autojump_clock: MockClock,
) -> None:
    async with opened(5, process_limit=2) as (supervisor, _):
        ann = Crowd(supervisor, "ann")
        refs = await ann.add("tab", 1, SOCKETS, sockets=1)
        refs += await Crowd(supervisor, "bob").add("tab", 1)
        refusal = await Crowd(supervisor, "cid").refused("tab")
        assert refusal.reason is RefusalReason.PROCESS_LIMIT
        assert [report.stage for report in refusal.stages] == [Stage.GARBAGE, Stage.LIVENESS]
        assert await all_answer(refs)


async def test_who_turns_out_stuck_while_room_is_made_gives_way_too(autojump_clock: MockClock) -> None:
    class AnswersSlowly(Healthy):
        async def probe(self) -> None:
            await trio.sleep(2 * ADMISSION)

    async with opened(5, process_limit=2) as (supervisor, log):
        await Crowd(supervisor, "bob").add("tab", 1, AnswersSlowly)
        await Crowd(supervisor, "ann").add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(BUDGET - ADMISSION / 2)
        assert (await Crowd(supervisor, "cid").get("tab")).created
        assert [event.user for event in log.of(Terminal)] == ["ann"]


async def test_spawns_that_find_the_process_full_share_one_cleanup(autojump_clock: MockClock) -> None:
    async with opened(5, process_limit=2) as (supervisor, log):
        refs = await Crowd(supervisor, "ann").add("tab", 2, ProbeAnswers)
        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(Crowd(supervisor, f"user-{number}").refused, "tab")
        assert [event.report.user for event in log.of(CleanedUp)].count("ann") == 1
        assert await all_answer(refs)


@pytest.mark.parametrize("pause", [0.0, 0.05, 1.0, None])
async def test_each_newcomer_gets_the_place_of_one_that_is_gone(
    pause: float | None, autojump_clock: MockClock
) -> None:
    """One after the other, or all at once."""
    async with opened(5, process_limit=2) as (supervisor, _):
        for user in ("ann", "bob"):
            await gone(Crowd(supervisor, user))
        newcomers = [Crowd(supervisor, user) for user in ("cid", "dan")]
        async with trio.open_nursery() as nursery:
            for newcomer in newcomers:
                if pause is None:
                    nursery.start_soon(newcomer.get, "tab")
                else:
                    await newcomer.get("tab")
                    await trio.sleep(pause)
        assert [newcomer.held for newcomer in newcomers] == [1, 1]


# Those who wait


async def test_a_stop_amid_a_start_fails_it_at_once_and_a_newcomer_gets_a_new_one(
    autojump_clock: MockClock,
) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)

        async def ask() -> None:
            with pytest.raises(SpawnFailed) as failed:
                await crowd.get("tab", StartHangs)
            assert failed.value.exit.reason is ExitReason.STOPPED
            assert trio.current_time() == pytest.approx(0.5)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(0.5)
            nursery.start_soon(supervisor.stop_user, "alice")
            await trio.sleep(0.1)
            obtained = await crowd.get("tab")
        assert obtained.created
        assert await answers(obtained.ref)
        order = [type(event) for event in log.all if isinstance(event, Reserved | Terminal)]
        assert order == [Reserved, Terminal, Reserved]


@pytest.mark.parametrize("known", [False, True])
async def test_a_limit_set_while_a_function_thinks_about_it_wins(
    known: bool, autojump_clock: MockClock
) -> None:
    async def one(_: str) -> int:
        await trio.sleep(1)
        return 1

    async with opened(3 if known else one) as (supervisor, _):
        crowd = Crowd(supervisor)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.get, "first")
            await trio.sleep(0.25)
            if known:
                supervisor.set_limit(one)
                await trio.sleep(0.25)
            supervisor.set_limit(5, user="alice")
        await settle(2)
        assert supervisor.explain("alice").limit == 5
        await crowd.add("tab", 4)


async def test_who_waits_is_admitted_as_soon_as_a_holder_is_past_its_budget(
    autojump_clock: MockClock,
) -> None:
    async with opened(1, slot_wait=60.0) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(BUDGET - 0.1)
        assert (await crowd.get("tab")).created
        assert trio.current_time() < BUDGET + 0.5


@pytest.mark.parametrize(("age", "convicted"), [(0.2, True), (BUDGET + 1, False), (200.0, False)])
async def test_only_a_fresh_failure_of_a_probe_convicts(
    age: float, convicted: bool, autojump_clock: MockClock
) -> None:
    async with opened(1) as (supervisor, _):
        crowd = Crowd(supervisor)
        [ref] = await crowd.add("tab", 1, LateProbe)
        await crowd.refused("one-more")
        await trio.sleep(age)
        assert ref.pulse.probe_failure is not None
        [holder] = supervisor.explain("alice").holders
        assert (holder.verdict.health is Health.UNRESPONSIVE) is convicted
        obtained = await crowd.get("tab-0")
        assert (obtained.created, obtained.ref == ref) == (convicted, not convicted)


# The end of one


@pytest.mark.parametrize(
    ("make", "condemned_after"),
    [
        (partial(DiesLate, 0.9, shielded=False), None),
        (partial(DiesLate, 60.0, shielded=False), None),
        (partial(DiesLate, 60.0, shielded=True), 1.0 + CANCEL_GRACE),
    ],
    ids=["within", "cut short", "past"],
)
async def test_only_one_past_its_cleanup_grace_is_condemned(
    make: Callable[[], Healthy], condemned_after: float | None, autojump_clock: MockClock
) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("tab", 1, make, at_work=True, cleanup_grace=1.0)
        await trio.sleep(BUDGET + 0.01)
        began = trio.current_time()
        await supervisor.cleanup("alice")
        after = [event.stamp.at - began for event in log.of(Condemned)]
        assert after == ([] if condemned_after is None else [pytest.approx(condemned_after, abs=0.02)])
        assert (await crowd.get("tab-0")).created


async def test_a_stall_amid_an_end_condemns_nobody_who_ends(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("tab", 1, partial(StallsWhenCancelled, autojump_clock), at_work=True)
        await trio.sleep(BUDGET + 0.01)
        await supervisor.cleanup("alice")
        assert log.of(Stalled)
        assert not log.of(Condemned)
        assert [event.was_condemned for event in log.of(Terminal)] == [False]


async def test_a_polite_stop_that_is_ignored_ends_by_itself(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [ref] = await crowd.add("tab", 1, Shielded, at_work=True, stop_grace=2.0)
        await settle(1)
        began = trio.current_time()
        ref.stop()
        assert (await ref.wait_stopped()).reason is ExitReason.STOPPED
        assert trio.current_time() - began == pytest.approx(2.0 + CANCEL_GRACE, abs=0.02)
        assert len(log.of(Condemned)) == 1
        assert crowd.held == 0


# What there is to see


@pytest.mark.parametrize("talks", [True, False])
async def test_frames_count_as_activity_though_nobody_tells_the_manager(
    talks: bool, autojump_clock: MockClock
) -> None:
    async with opened(sweep_period=20.0) as (supervisor, _):
        ref = (await Crowd(supervisor).get("tab", SOCKETS, idle_limit=100.0)).ref
        transport = MemoryTransport()

        async def listen(connection: Connection) -> None:
            with attach(ref, connection):
                while True:
                    await connection.receive()

        supervisor.handler_nursery.start_soon(Connection("it", transport).run, listen)
        for _ in range(40):
            await trio.sleep(10)
            if talks:
                transport.arrive("typing")
        assert ref.state is (State.RUNNING if talks else State.ENDED)
        assert talks or ref.cell.exit_due.reason is ExitReason.IDLE
