"""The alerts about a cluster, within the process: each fires, each stays silent."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from supervisor.alerts import Alert, AlertName, Thresholds, watch_alerts
from supervisor.cluster import OnLeaseLost

from .troubles import ALICE, failed_over, fill, full
from .world import LEASE, World, open_world

WINDOW = 60.0


@attrs.define(eq=False)
class Watched:
    """A cluster, and somebody on duty for its first node."""

    world: World
    told: list[Alert] = attrs.field(factory=list[Alert])

    async def on_alert(self, alert: Alert) -> None:
        await trio.lowlevel.checkpoint()
        self.told.append(alert)

    async def window(self) -> None:
        await trio.sleep(WINDOW)

    @property
    def names(self) -> list[AlertName]:
        return [alert.name for alert in self.told]


@asynccontextmanager
async def watched(
    node: int = 0, thresholds: Thresholds | None = None, **world: Any
) -> AsyncGenerator[Watched]:
    async with open_world(3, **world) as opened, trio.open_nursery() as nursery:
        watch = Watched(opened)
        supervisor = opened.nodes[node].supervisor
        nursery.start_soon(
            lambda: watch_alerts(supervisor, watch.on_alert, window=WINDOW, thresholds=thresholds)
        )
        await trio.sleep(0.1)
        yield watch
        nursery.cancel_scope.cancel()


async def test_a_cluster_that_is_well_and_full_is_not_told_of(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        await full(on_duty.world)
        for _ in range(3):
            await on_duty.window()
        assert on_duty.told == []


async def test_an_engine_that_is_away_is_told_and_so_is_the_lease_that_was_lost(
    autojump_clock: MockClock,
) -> None:
    async with watched() as on_duty:
        on_duty.world.engine.stop()
        await on_duty.window()
        assert on_duty.names == [AlertName.LEASE_LOST]
        assert on_duty.told[0].summary == (
            "This node lost its lease in the cluster, 1 times: its managers ended."
        )
        await on_duty.window()
        assert on_duty.names == [AlertName.LEASE_LOST, AlertName.ENGINE_AWAY]
        assert on_duty.told[1].summary == "The cluster's engine is down for 120 s: the engine has stopped."


async def test_an_engine_that_was_away_for_a_moment_is_not_told(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        for _ in range(3):
            on_duty.world.engine.stop()
            await trio.sleep(LEASE / 4)
            on_duty.world.engine.start()
            await on_duty.window()
        assert on_duty.told == []


async def test_where_everybody_is_kept_the_alert_says_what_may_follow(autojump_clock: MockClock) -> None:
    async with watched(on_lease_lost=OnLeaseLost.KEEP) as on_duty:
        on_duty.world.nodes[0].wire.cut()
        await on_duty.window()
        [alert] = on_duty.told
        assert alert.name is AlertName.LEASE_LOST
        assert "limits may be exceeded" in alert.summary


async def test_an_engine_that_has_lost_its_data_is_told(autojump_clock: MockClock) -> None:
    async with watched() as on_duty:
        on_duty.world.engine.wipe()
        await on_duty.window()
        assert AlertName.CLUSTER_WARMING in on_duty.names


async def test_slots_that_were_counted_wrongly_again_and_again_are_told(autojump_clock: MockClock) -> None:
    async with watched(node=1, thresholds=Thresholds(orphans=2)) as on_duty:
        await failed_over(on_duty.world)
        await on_duty.window()
        [alert] = on_duty.told
        assert alert.name is AlertName.ORPHANS
        assert alert.summary.startswith("The cluster had counted ")


async def test_a_few_of_them_are_not_told(autojump_clock: MockClock) -> None:
    async with watched(node=1) as on_duty:
        await failed_over(on_duty.world)
        await on_duty.window()
        assert on_duty.told == []


@pytest.mark.parametrize(("times", "told"), [(2, []), (3, [AlertName.OWNERS_SILENT])])
async def test_nodes_that_do_not_answer_are_told_from_the_third_time_on(
    autojump_clock: MockClock, times: int, told: list[AlertName]
) -> None:
    async with watched(limit=1) as on_duty:
        for number in range(times):
            user = f"{ALICE} {number}"
            await on_duty.world.spawn(1, user, "tab")
            on_duty.world.nodes[1].wire.deafen()
            await on_duty.world.spawn(0, user, "one more")
            on_duty.world.nodes[1].wire.mend()
            await trio.sleep(LEASE)
        assert on_duty.world.nodes[0].supervisor.counts().owners_silent == times
        await on_duty.window()
        assert on_duty.names == told


async def test_users_who_live_on_all_nodes_are_told_by_nobody(autojump_clock: MockClock) -> None:
    async with watched(limit=9) as on_duty:
        await fill(on_duty.world, number=6)
        await on_duty.window()
        assert on_duty.told == []
