"""Several who want in at once: one cleanup serves them all, and what another's hand frees counts."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from supervisor import CleanedUp, RefusalReason, SpawnRefused, Stage
from supervisor.testing import EndsLate, Healthy, SlowStop, WedgedForever, run

from .harness import BUDGET, Crowd, all_answer, names, opened, settle

manager = partial(Healthy, sockets=True)


async def test_with_4_of_5_live_3_at_once_let_exactly_1_in(autojump_clock: MockClock) -> None:  # R03
    async with opened(5) as (supervisor, log):
        crowd = Crowd(supervisor)
        healthy = await crowd.add("healthy", 4)
        admitted: list[str] = []
        refused: list[str] = []

        async def ask(key: str) -> None:
            try:
                await crowd.get(key)
                admitted.append(key)
            except SpawnRefused:
                refused.append(key)

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(ask, f"new-{number}")

        assert len(admitted) == 1
        assert len(refused) == 2
        assert crowd.held == 5
        assert len(log.of(CleanedUp)) == 1
        assert await all_answer(healthy)


async def test_spawns_at_once_share_one_cleanup(autojump_clock: MockClock) -> None:
    async with opened(5) as (supervisor, log):
        crowd = Crowd(supervisor)
        await crowd.add("stuck", 5, WedgedForever, at_work=True)
        await trio.sleep(BUDGET + 0.01)

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(crowd.get, f"new-{number}")

        assert crowd.keys == names("new", 5)
        await settle()
        [cleaned] = log.of(CleanedUp)
        assert [stage.stage for stage in cleaned.report.stages] == [Stage.GARBAGE, Stage.LIVENESS]


@pytest.mark.parametrize("seed", range(5))
def test_a_spawn_amid_another_cleanup_has_the_slots_that_come_free_of_it(seed: int) -> None:
    async def both_at_once() -> None:
        async with opened(1) as (supervisor, _):
            crowd = Crowd(supervisor)
            await crowd.add("stuck", 1, partial(EndsLate, 0.04), at_work=True)
            await trio.sleep(BUDGET + 0.01)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(supervisor.cleanup, "alice")
                await trio.sleep(0.001)
                assert (await crowd.get("one-more")).created

    run(both_at_once, seed=seed)


async def test_who_joins_a_cleanup_under_way_has_one_more_give_way(autojump_clock: MockClock) -> None:
    async with opened(2) as (supervisor, _):
        crowd = Crowd(supervisor)
        [slow] = await crowd.add("slow", 1, partial(SlowStop, 1.0, sockets=True))
        [quick] = await crowd.add("quick", 1, manager)
        crowd.attach(slow).abort()
        await trio.sleep(1)
        crowd.attach(quick).abort()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.get, "first")  # the longest gone is to give way, and takes long
            await trio.sleep(0.02)
            refusal = await crowd.refused("second")
        assert refusal.reason is RefusalReason.REAP_PENDING
        assert crowd.keys == {"slow-0", "first"}
