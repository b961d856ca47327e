"""Room is made before anybody is refused: whom each stage removes, and whom it keeps."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from actors import Actor, ActorStopped, ExitReason, State
from supervisor import CleanedUp, Condemned, Health, RefusalReason, SpawnRefused, Stage, Suspected, Terminal
from supervisor.testing import (
    WEDGES,
    Healthy,
    LiesAboutHealth,
    ProbeAnswers,
    ProbeHangs,
    ProbeRaises,
    Shielded,
    WedgedForever,
    Work,
)

from .harness import (
    ATTACH_GRACE,
    BUDGET,
    CANCEL_GRACE,
    Crowd,
    all_answer,
    answers,
    keys,
    names,
    opened,
    settle,
)

manager = partial(Healthy, sockets=True)
liar = partial(LiesAboutHealth, sockets=True)

LIMITS = (1, 2, 3, 5, 20)


async def test_of_15_mixed_exactly_the_10_bad_go(autojump_clock: MockClock) -> None:  # R03, A01
    async with opened(20) as (supervisor, _):
        crowd = Crowd(supervisor)
        never = await crowd.add("never", 3, manager)
        closed = await crowd.add("closed", 2, manager)
        for ref in closed:
            crowd.attach(ref).abort()
        stuck = await crowd.add("stuck", 5, liar, sockets=1, at_work=True)
        healthy = await crowd.add("healthy", 5, manager, sockets=2)
        await trio.sleep(ATTACH_GRACE + 1)

        report = await supervisor.cleanup("alice")

        garbage, liveness = report.stages
        assert keys(garbage.reaped) == names("never", 3) | names("closed", 2)
        assert keys(liveness.reaped) == names("stuck", 5)
        assert (garbage.before, garbage.after, liveness.before, liveness.after) == (15, 10, 10, 5)
        assert len(report.reaped) == 10
        assert not report.failed
        assert keys(report.kept) == crowd.keys == names("healthy", 5)
        assert {ref.exit.reason for ref in (*never, *closed) if ref.exit} == {ExitReason.DISCONNECTED}
        assert {ref.exit.reason for ref in stuck if ref.exit} == {ExitReason.UNRESPONSIVE}
        assert [supervisor.lookup("alice", f"healthy-{n}") for n in range(5)] == healthy
        assert await all_answer(healthy)


async def test_20_healthy_stay_and_the_21st_is_refused_with_evidence(
    autojump_clock: MockClock,
) -> None:  # R03, A02, A08
    async with opened(20) as (supervisor, log):
        crowd = Crowd(supervisor)
        healthy = await crowd.add("healthy", 20, manager, sockets=3)
        await trio.sleep(600)
        report = await supervisor.cleanup("alice")
        assert not report.reaped
        assert not report.failed

        with pytest.raises(SpawnRefused) as refused:
            await crowd.get("one-more")

        error = refused.value
        assert (error.user, error.limit, error.live, error.reason) == ("alice", 20, 20, "limit")
        assert error.retry_after > 0
        assert error.close_code == 1013
        assert len(error.close_reason.encode()) <= 123
        assert "20 of 20" in error.close_reason
        assert "garbage, liveness" in error.close_reason
        assert "alice" in str(error)
        holders = error.refusal.holders
        assert {holder.key for holder in holders} == names("healthy", 20)
        for holder in holders:
            assert holder.verdict.health is Health.HEALTHY
            assert holder.connections == 3
            assert holder.age >= 600
            why = [sentence.partition(":")[0] for sentence in holder.kept]
            assert why == ["garbage", "liveness"]
            assert all("parked" in sentence for sentence in holder.kept)
        assert not log.of(Terminal)
        assert not log.of(Suspected)
        assert supervisor.explain("alice").limit == 20
        assert await all_answer(healthy)


@pytest.mark.parametrize("kind", WEDGES)
@pytest.mark.parametrize("stuck", [0, 1, 19, 20])
async def test_one_cleanup_finds_every_wedge_in_one_grace(
    kind: str, stuck: int, autojump_clock: MockClock
) -> None:  # A03, R04, R06
    release = trio.Event()
    async with opened(20) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", stuck, lambda: WEDGES[kind].make(release), at_work=True)
        healthy = await crowd.add("healthy", 20 - stuck)
        await trio.sleep(BUDGET + 0.01)

        began = trio.current_time()
        report = await supervisor.cleanup("alice")
        took = trio.current_time() - began

        assert took <= CANCEL_GRACE
        gone = report.reaped if WEDGES[kind].gives_way else report.failed
        assert keys(gone) == names("stuck", stuck)
        assert len(report.reaped) + len(report.failed) == stuck
        assert keys(report.kept) == crowd.keys == names("healthy", 20 - stuck)
        assert await all_answer(healthy)
        release.set()


async def test_those_whose_probe_raises_go_in_the_same_admission(
    autojump_clock: MockClock,
) -> None:  # A04
    async with opened(20) as (supervisor, log):
        crowd = Crowd(supervisor)
        for_show = await crowd.add("show", 5, partial(ProbeRaises, sockets=True), sockets=2)
        healthy = await crowd.add("healthy", 15, partial(ProbeAnswers, sockets=True), sockets=2)

        assert (await crowd.get("one-more")).created
        await settle()

        detected = {event.key for event in log.of(Suspected)}
        [cleaned] = [event.report for event in log.of(CleanedUp)]
        assert detected == names("show", 5)
        assert detected == keys(cleaned.reaped) | keys(cleaned.failed)
        assert len(cleaned.reaped) + len(cleaned.failed) == 5
        assert all("no backend" in finding.verdict.evidence for finding in cleaned.reaped)
        assert all(ref.exit and ref.exit.reason is ExitReason.UNRESPONSIVE for ref in for_show)
        assert await all_answer(healthy)


async def test_what_an_actor_says_of_itself_saves_nobody(autojump_clock: MockClock) -> None:  # A05, R05
    async with opened(20) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("probed", 4, partial(ProbeRaises, sockets=True), sockets=2)
        await crowd.add("stuck", 4, liar, sockets=2, at_work=True)
        healthy = await crowd.add("healthy", 5, manager, sockets=2)
        await trio.sleep(BUDGET + 5)

        report = await supervisor.cleanup("alice")

        assert keys(report.reaped) == names("probed", 4) | names("stuck", 4)
        assert keys(report.kept) == names("healthy", 5)
        assert await all_answer(healthy)


async def test_18_healthy_and_2_stuck_let_the_21st_in(autojump_clock: MockClock) -> None:  # R03, A06
    async with opened(20) as (supervisor, log):
        crowd = Crowd(supervisor)
        healthy = await crowd.add("healthy", 18)
        stuck = await crowd.add("stuck", 2, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 0.01)

        assert (await crowd.get("one-more")).created
        await settle()

        assert {(e.key, e.exit.reason) for e in log.of(Terminal)} == {
            ("stuck-0", ExitReason.UNRESPONSIVE),
            ("stuck-1", ExitReason.UNRESPONSIVE),
        }
        with pytest.raises(ActorStopped):
            stuck[0].tell_nowait(Work())
        assert await all_answer(healthy)
        assert crowd.held == 19


@pytest.mark.parametrize("limit", LIMITS)
async def test_one_stuck_manager_is_room_for_one(limit: int, autojump_clock: MockClock) -> None:  # R01, A17
    async with opened(limit) as (supervisor, _):
        crowd = Crowd(supervisor)
        healthy = await crowd.add("healthy", limit - 1)
        await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 0.01)

        assert (await crowd.get("one-more")).created
        refusal = await crowd.refused("too-many")

        assert refusal.reason is RefusalReason.LIMIT
        assert refusal.live == refusal.limit == limit
        assert await all_answer(healthy)


async def test_stages_stop_as_soon_as_there_is_room(autojump_clock: MockClock) -> None:  # R02
    async with opened(2) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("abandoned", 1, manager)
        await trio.sleep(ATTACH_GRACE)
        await crowd.add("probed", 1, partial(ProbeRaises, sockets=True), sockets=1)
        await trio.sleep(1)

        assert (await crowd.get("one-more")).created
        await settle()

        [cleaned] = log.of(CleanedUp)
        assert [stage.stage for stage in cleaned.report.stages] == [Stage.GARBAGE]
        assert crowd.keys == {"probed-0", "one-more"}


async def test_no_number_of_actors_is_too_small_for_cleanup(autojump_clock: MockClock) -> None:  # R02
    async with opened(1) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 1, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 0.01)
        assert (await crowd.get("one-more")).created
        assert crowd.keys == {"one-more"}


async def test_a_probe_that_hangs_is_found_by_one_manual_cleanup(autojump_clock: MockClock) -> None:  # R04
    async with opened(2) as (supervisor, _):
        crowd = Crowd(supervisor)
        await crowd.add("hangs", 1, ProbeHangs)
        healthy = await crowd.add("healthy", 1, ProbeAnswers)
        report = await supervisor.cleanup("alice")
        assert keys(report.reaped) == {"hangs-0"}
        assert await all_answer(healthy)


async def test_counters_equal_the_tables(autojump_clock: MockClock) -> None:  # A09
    async with opened(2) as (supervisor, _):
        for user in ("ann", "bob", "cid"):
            await Crowd(supervisor, user).add("tab", 2)
        await settle()
        snapshot = supervisor.snapshot()
        assert snapshot.slots_held == 6
        assert {user.user: user.slots_held for user in snapshot.users} == {"ann": 2, "bob": 2, "cid": 2}
        assert [len(user.managers) for user in snapshot.users] == [2, 2, 2]


async def test_a_newcomer_is_at_work_before_the_others_ends_cost_it_time(autojump_clock: MockClock) -> None:
    async with opened(20) as (supervisor, log):  # R23
        crowd = Crowd(supervisor)
        stuck = await crowd.add("stuck", 20, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 0.01)

        suspected_by_then: list[int] = []

        class Newcomer(Actor[Work]):
            async def handle(self, message: Work) -> None:
                suspected_by_then.append(len(log.of(Suspected)))

        await (await crowd.get("newcomer", Newcomer)).ref.tell(Work())
        await settle(0.01)
        assert suspected_by_then == [1], "one slot was needed"

        assert {ref.state for ref in stuck} == {State.ENDED}
        assert [len(log.of(Suspected, ref)) for ref in stuck] == [1] * 20
        [cleaned] = [event.report for event in log.of(CleanedUp)]
        assert keys(cleaned.reaped) == names("stuck", 20)
        assert not cleaned.failed


async def test_the_others_end_with_the_first_where_it_runs_on(autojump_clock: MockClock) -> None:  # R06
    async with opened(5) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 5, lambda: Shielded(trio.Event()), at_work=True)
        await trio.sleep(BUDGET + 0.01)
        began = trio.current_time()
        await crowd.get("newcomer")
        await settle(0.01)
        after = [event.stamp.at - began for event in log.of(Condemned)]
        assert after == pytest.approx([CANCEL_GRACE] * 5)
        await supervisor.stop_user("alice")


async def test_who_waits_is_let_in_as_soon_as_a_client_turns_out_gone(autojump_clock: MockClock) -> None:
    async with opened(2, slot_wait=60.0) as (supervisor, _):  # R02
        crowd = Crowd(supervisor)
        [here, gone] = await crowd.add("tab", 2, manager)
        wires = [crowd.attach(ref) for ref in (here, gone)]
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.get, "newcomer")
            await trio.sleep(3)
            assert crowd.keys == {"tab-0", "tab-1"}
            wires[1].abort()
        assert trio.current_time() - began == 3
        assert crowd.keys == {"tab-0", "newcomer"}
        assert await answers(here)
