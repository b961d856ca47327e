"""What ignores cancellation is condemned: dead to all, counted, bounded, and told of when it ends."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import ActorRef, ActorStopped, ExitReason, Fenced, State
from supervisor import Condemned, Health, RefusalReason, Reserved, ShutdownHeld, Terminal, open_supervisor
from supervisor.testing import Healthy, Shielded, Work

from .harness import BUDGET, CANCEL_GRACE, Crowd, all_answer, keys, opened, settle


class Tells(Shielded):
    """Stuck, and once released tries to send all the same."""

    def __init__(self, until: trio.Event, target: ActorRef[Any], said: list[BaseException | None]) -> None:
        super().__init__(until)
        self._target = target
        self._said = said

    async def work(self) -> None:
        await super().work()
        try:
            self._target.tell_nowait(Work())
        except Fenced as fenced:
            self._said.append(fenced)
        else:
            self._said.append(None)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 20])
async def test_generations_of_condemned_lock_nobody_out_up_to_the_allowance(
    limit: int, autojump_clock: MockClock
) -> None:
    release = trio.Event()
    async with opened(limit) as (supervisor, log):
        crowd = Crowd(supervisor)
        for generation in range(2):
            await crowd.add(f"stuck-{generation}", limit, partial(Shielded, release), at_work=True)
            await trio.sleep(BUDGET + 0.01)
        # One generation is condemned, within the allowance; the next one fills it up and more.
        refusal = await crowd.refused("one-more")
        assert refusal.reason is RefusalReason.REAP_PENDING
        assert refusal.live == refusal.limit == limit
        assert [holder.verdict.health for holder in refusal.holders] == [Health.CONDEMNED] * limit
        assert refusal.condemned == 2 * limit
        assert crowd.held == limit
        assert all(event.held <= limit for event in log.of(Reserved))
        release.set()
        await settle()
        assert (await crowd.get("one-more")).created
        assert [event.was_condemned for event in log.of(Terminal)] == [True] * 2 * limit


async def test_with_no_allowance_it_keeps_its_slot(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(2, condemned_allowance=0) as (supervisor, log):
        crowd = Crowd(supervisor)
        healthy = await crowd.add("healthy", 1)
        await crowd.add("stuck", 1, partial(Shielded, release), at_work=True)
        await trio.sleep(BUDGET + 0.01)

        refusal = await crowd.refused("one-more")
        assert refusal.reason is RefusalReason.REAP_PENDING
        assert refusal.live == 2
        assert refusal.condemned == 1
        assert {key for stage in refusal.stages for key in keys(stage.failed)} == {"stuck-0"}
        assert len(log.of(Condemned)) == 1
        assert (await crowd.refused("stuck-0")).reason is RefusalReason.REAP_PENDING  # its key is no way in

        release.set()
        await settle()
        assert (await crowd.get("one-more")).created
        assert await all_answer(healthy)


async def test_it_is_condemned_within_its_cancel_grace_and_no_earlier(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [ref] = await crowd.add("stuck", 1, partial(Shielded, release), at_work=True, cancel_grace=0.5)
        await trio.sleep(BUDGET + 0.01)
        began = trio.current_time()
        await supervisor.cleanup("alice")
        [condemned] = log.of(Condemned)
        assert condemned.stamp.at == pytest.approx(began + 0.5)
        assert ref.state is State.CONDEMNED
        assert any("specimens.py" in line and "work" in line for line in condemned.stack)
        release.set()


async def test_each_is_condemned_after_its_own_grace_whoever_else_goes(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(2) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("late", 1, partial(Shielded, release), at_work=True, cancel_grace=2.0)
        await crowd.add("early", 1, partial(Shielded, release), at_work=True, cancel_grace=0.1)
        await trio.sleep(BUDGET + 0.01)
        began = trio.current_time()
        await supervisor.cleanup("alice")
        told = {event.key: event.stamp.at - began for event in log.of(Condemned)}
        assert told == {"early-0": pytest.approx(0.1), "late-0": pytest.approx(2.0)}
        release.set()


async def test_each_that_is_stopped_is_condemned_after_its_own_graces(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(2) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("late", 1, partial(Shielded, release), at_work=True, stop_grace=3.0)
        await crowd.add("early", 1, partial(Shielded, release), at_work=True, stop_grace=1.0)
        await supervisor.stop_user("alice")
        told = {event.key: event.stamp.at for event in log.of(Condemned)}
        assert told == {"early-0": pytest.approx(1.05), "late-0": pytest.approx(3.05)}
        release.set()


async def test_a_dying_key_whose_holder_ignores_everything_is_waited_for_no_longer_than_its_graces(
    autojump_clock: MockClock,
) -> None:
    release = trio.Event()
    async with opened(1) as (supervisor, _):
        crowd = Crowd(supervisor)
        [old] = await crowd.add("tab", 1, partial(Shielded, release), at_work=True, stop_grace=3.0)
        old.stop()
        assert (await crowd.get("tab-0")).created
        assert trio.current_time() == pytest.approx(3.0 + CANCEL_GRACE)
        release.set()


async def test_its_ref_is_dead_and_its_own_sends_are_fenced(autojump_clock: MockClock) -> None:
    release = trio.Event()
    said: list[BaseException | None] = []
    async with opened(2) as (supervisor, _):
        crowd = Crowd(supervisor)
        [target] = await crowd.add("healthy", 1)
        [ref] = await crowd.add("stuck", 1, lambda: Tells(release, target, said), at_work=True)
        await trio.sleep(BUDGET + 0.01)
        await supervisor.cleanup("alice")

        assert ref.exit is not None
        assert ref.exit.reason is ExitReason.UNRESPONSIVE
        with pytest.raises(ActorStopped):
            ref.tell_nowait(Work())
        assert supervisor.lookup("alice", "stuck-0") is None

        accepted = target.statistics().accepted
        release.set()
        await settle()
        assert [type(error) for error in said] == [Fenced]
        assert target.statistics().accepted == accepted


async def test_its_key_is_free_and_the_next_incarnation_hears_nothing_of_it(
    autojump_clock: MockClock,
) -> None:
    release = trio.Event()
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [old] = await crowd.add("tab", 1, partial(Shielded, release), at_work=True)
        await trio.sleep(BUDGET + 0.01)
        new = await crowd.get("tab-0")
        assert new.created
        release.set()
        await settle()
        assert [event.incarnation for event in log.of(Terminal)] == [1]
        assert old.state is State.ENDED
        assert supervisor.lookup("alice", "tab-0") == new.ref
        assert await all_answer([new.ref])


async def test_it_is_watched_on_and_told_of_when_it_ends_after_all(autojump_clock: MockClock) -> None:
    async with opened(1) as (supervisor, log):
        crowd = Crowd(supervisor)
        [ref] = await crowd.add("stuck", 1, partial(Shielded, seconds=100.0), at_work=True)
        await trio.sleep(BUDGET + 0.01)
        await supervisor.cleanup("alice")
        explained = supervisor.explain("alice")
        assert [holder.verdict.health for holder in explained.condemned] == [Health.CONDEMNED]
        assert explained.slots_held == 0
        assert explained.would_admit
        assert not log.of(Terminal)
        await trio.sleep(100)
        [terminal] = log.of(Terminal, ref)
        assert terminal.was_condemned
        assert terminal.exit.reason is ExitReason.UNRESPONSIVE
        await settle()
        assert not supervisor.snapshot().users


async def test_a_raised_limit_raises_the_allowance_with_it(autojump_clock: MockClock) -> None:
    release = trio.Event()
    async with opened(1, process_limit=4) as (supervisor, _):
        crowd = Crowd(supervisor)
        for generation in range(2):
            await crowd.add(f"stuck-{generation}", 1, partial(Shielded, release), at_work=True)
            await trio.sleep(BUDGET + 0.01)
        await crowd.refused("one-more")  # 2 condemned, 1 allowed
        supervisor.set_limit(2)
        await crowd.add("new", 2)
        supervisor.set_limit(4)
        await crowd.add("newer", 2)  # the process counts none of the condemned any more
        release.set()


async def test_it_delays_no_other_user(autojump_clock: MockClock) -> None:  # R13
    release = trio.Event()
    async with opened(1) as (supervisor, _):
        await Crowd(supervisor, "ann").add("stuck", 1, partial(Shielded, release), at_work=True)
        await trio.sleep(BUDGET + 0.01)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Crowd(supervisor, "ann").get, "new")
            began = trio.current_time()
            assert (await Crowd(supervisor, "bob").get("tab")).created
            assert trio.current_time() == began
        release.set()


async def test_only_it_holds_up_the_end_of_the_block_and_that_is_said(autojump_clock: MockClock) -> None:
    release = trio.Event()
    with trio.fail_after(1000):
        async with trio.open_nursery() as nursery:
            async with open_supervisor(2) as supervisor:
                log = supervisor.events()
                crowd = Crowd(supervisor)
                await crowd.add("stuck", 1, partial(Shielded, release), at_work=True, stop_grace=1.0)
                await crowd.add("healthy", 1, Healthy)

                async def release_later() -> None:
                    await trio.sleep(50)
                    release.set()

                nursery.start_soon(release_later)
            ended = trio.current_time()
            assert ended == pytest.approx(50)
            [held] = [event for event in log.drain() if isinstance(event, ShutdownHeld)]
            assert held.stamp.at == pytest.approx(1.0 + CANCEL_GRACE)
            assert "alice/stuck-0#1" in held.holders[0]
            assert "specimens.py" in held.holders[0]
