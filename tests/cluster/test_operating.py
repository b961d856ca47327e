"""What is told of a node: its log is judged, its counts are recounted, its health follows the policy."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from trio.testing import MockClock

from supervisor import (
    Counts,
    EngineChanged,
    Event,
    Fitness,
    FoundElsewhere,
    LeaseLost,
    NodeJoined,
    NotAdmitted,
    OwnersAsked,
    Reconciled,
    Trigger,
)
from supervisor._log_lines import entry_of
from supervisor.checking import Violation, check_events
from supervisor.cluster import OnLeaseLost
from supervisor.endpoints import endpoints
from supervisor.journal._lines import line_of, record_of
from supervisor.metrics.prometheus import SupervisorCollector
from supervisor.testing import run
from tests.supervisor.test_endpoints import ask

from .scripts import NODES, Action, scripts, take
from .troubles import ALICE, TROUBLES, cut_off, failed_over, fill, full, silent_owner, wiped
from .world import LEASE, SimulatedNode, World, open_world


def recounted(events: Sequence[Event]) -> dict[str, int]:
    """The counts of a cluster once more, in the plainest way."""
    asked = [event for event in events if isinstance(event, OwnersAsked)]
    compared = [event for event in events if isinstance(event, Reconciled)]
    return {
        "leases_begun": sum(isinstance(event, NodeJoined) for event in events),
        "leases_lost": sum(isinstance(event, LeaseLost) for event in events),
        "warmings": sum(isinstance(event, NodeJoined) and event.warming > 0 for event in events),
        "engine_changes": sum(isinstance(event, EngineChanged) for event in events),
        "owners_asked": sum(len(event.asked) for event in asked),
        "owners_silent": sum(len(event.silent) for event in asked),
        "slots_freed_elsewhere": sum(event.freed for event in asked),
        "orphans_dropped": sum(event.dropped for event in compared),
        "slots_added": sum(event.added for event in compared),
        "slots_lost": sum(len(event.lost) for event in compared),
        "found_elsewhere": sum(isinstance(event, FoundElsewhere) for event in events),
        "not_admitted": sum(isinstance(event, NotAdmitted) for event in events),
    }


def grown(before: Counts, now: Counts) -> dict[str, int]:
    return {name: getattr(now, name) - getattr(before, name) for name in recounted([])}


@pytest.mark.parametrize("name", TROUBLES)
async def test_whatever_happens_no_promise_is_broken_and_each_count_equals_its_recount(
    autojump_clock: MockClock, name: str
) -> None:
    trouble, policy = TROUBLES[name]
    async with open_world(3, on_lease_lost=policy) as world:
        before = [node.supervisor.counts() for node in world.nodes]
        began = [len(node.log.all) for node in world.nodes]
        await trouble(world)
        await trio.sleep(LEASE)
        for node, counts, start in zip(world.nodes, before, began, strict=True):
            log = node.log.all
            assert check_events(log, spec=node.supervisor.spec, limit=3, over=False, clustered=True) == ()
            assert grown(counts, node.supervisor.counts()) == recounted(log[start:])


async def judged(script: list[Action], limit: int, seed: int, policy: OnLeaseLost) -> list[Violation]:
    """What the logs of all nodes show broken, when all this has happened and all is well again."""
    async with open_world(NODES, limit=limit, seed=seed, on_lease_lost=policy) as world:
        async with trio.open_nursery() as nursery:
            for action in script:
                await take(world, action, nursery, [])
            await world.heal()
        logs = [(node.log.all, node.supervisor.spec) for node in world.nodes]
        return [
            bad
            for log, spec in logs
            for bad in check_events(log, spec=spec, limit=limit, over=False, clustered=True)
        ]


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(scripts, st.sampled_from([1, 2, 3]), st.integers(0, 2**32), st.sampled_from(OnLeaseLost))
def test_no_promise_is_broken_whatever_happens(
    script: list[Action], limit: int, seed: int, policy: OnLeaseLost
) -> None:
    assert run(judged, script, limit, seed, policy, seed=seed) == []


async def test_the_troubles_are_such_that_everything_is_counted(autojump_clock: MockClock) -> None:
    seen = dict.fromkeys(recounted([]), 0)
    for trouble, policy in TROUBLES.values():
        async with open_world(3, on_lease_lost=policy) as world:
            before = [node.supervisor.counts() for node in world.nodes]
            await trouble(world)
            for node, counts in zip(world.nodes, before, strict=True):
                for name, number in grown(counts, node.supervisor.counts()).items():
                    seen[name] += number
    assert [name for name, number in seen.items() if not number] == []


async def test_all_of_it_can_be_logged_and_written_down_and_read_again(autojump_clock: MockClock) -> None:
    kinds = set[type[Event]]()
    for trouble in (full, cut_off, failed_over, wiped, silent_owner):
        async with open_world(3) as world:
            await trouble(world)
            for event in (event for node in world.nodes for event in node.log.all):
                kinds.add(type(event))
                said = entry_of(event)
                assert said is not None
                assert said.message.isprintable()
                read = record_of(line_of(event))
                assert line_of(read) == line_of(event)
    assert kinds >= {
        NodeJoined,
        LeaseLost,
        EngineChanged,
        OwnersAsked,
        Reconciled,
        FoundElsewhere,
        NotAdmitted,
    }


async def test_users_who_are_full_and_well_everywhere_are_no_failure_of_cleanup(
    autojump_clock: MockClock,
) -> None:
    async with open_world(3) as world:
        await full(world)
        counts = world.nodes[0].supervisor.counts()
        assert counts.cleanups[Trigger.FULL_CLUSTER] == 3
        assert counts.emergency_cleanup_triggers == 0


# How a node stands


async def test_a_node_that_is_well_says_so(autojump_clock: MockClock) -> None:
    async with open_world(3) as world:
        await fill(world)
        await trio.sleep(LEASE)
        stands = world.nodes[0].supervisor.counts().cluster
        assert stands is not None
        assert stands == world.nodes[0].cluster.statistics()
        assert (stands.node, stands.address, stands.engine) == ("n0", "wss://n0", "simulated")
        assert (stands.standing, stands.is_up, stands.no_lease) == ("up", True, "")
        assert stands.lease_left is not None
        assert LEASE / 2 < stands.lease_left < LEASE
        assert (stands.nodes, stands.slots, stands.warming, stands.kept) == (3, 1, 0.0, False)
        assert stands.calls > 5
        assert stands.failures == stands.gaps == 0
        assert stands.round_trip is not None
        assert 0 < stands.round_trip < 0.01


async def test_another_thread_may_ask_also_when_all_is_over() -> None:
    async with open_world(1, warm=False) as world:
        supervisor = world.nodes[0].supervisor
        stands = (await trio.to_thread.run_sync(supervisor.counts)).cluster
        assert stands is not None
        assert stands.lease_left is not None
    after = supervisor.counts().cluster
    assert after is not None
    assert after.lease_left is None or after.lease_left < stands.lease


async def test_a_node_that_is_cut_off_says_why_it_has_no_lease(autojump_clock: MockClock) -> None:
    async with open_world(2) as world:
        world.nodes[0].wire.cut()
        await trio.sleep(LEASE)
        stands = world.nodes[0].cluster.statistics()
        assert (stands.standing, stands.lease_left, stands.nodes) == ("down", None, 0)
        assert "the connection was cut" in stands.no_lease
        assert stands.standing_for == pytest.approx(LEASE)
        assert stands.failures > 0
        assert world.nodes[1].cluster.statistics().is_up


# Health


async def readyz(node: SimulatedNode, name: str = "readyz") -> tuple[int, str]:
    answer = await ask(endpoints(node.supervisor), f"/{name}")
    return answer.status, answer.text


async def test_without_a_lease_a_node_that_stops_is_not_ready_and_says_why_but_live(
    autojump_clock: MockClock,
) -> None:
    async with open_world(2) as world:
        await world.spawn(0, ALICE, "tab")
        cut, other = world.nodes
        assert await readyz(cut) == (200, "ok\n")
        cut.wire.cut()
        await trio.sleep(LEASE)
        assert await readyz(cut) == (503, "no lease in the cluster (its engine is down): nobody is let in\n")
        assert await readyz(cut, "livez") == (200, "ok\n")
        assert await readyz(other) == (200, "ok\n")
        cut.wire.mend()
        await trio.sleep(1)
        assert await readyz(cut) == (200, "ok\n")


async def test_without_a_lease_a_node_that_keeps_on_is_ready_and_warns(autojump_clock: MockClock) -> None:
    async with open_world(1, on_lease_lost=OnLeaseLost.KEEP) as world:
        [node] = world.nodes
        node.wire.cut()
        await trio.sleep(LEASE)
        warning = "no lease in the cluster (its engine is down): limits may be exceeded"
        assert await readyz(node) == (200, f"ok\n{warning}\n")
        assert await readyz(node, "livez") == (200, "ok\n")
        assert node.supervisor.fitness() == Fitness(warnings=(warning,))
        node.wire.mend()
        await trio.sleep(1)
        assert node.supervisor.fitness() == Fitness()


async def test_while_the_engines_data_is_new_a_node_is_not_ready(autojump_clock: MockClock) -> None:
    async with open_world(1, warm=False) as world:
        status, text = await readyz(world.nodes[0])
        assert (status, text.splitlines()) == (
            503,
            ["the cluster is warming, its engine's data is new: nobody is let in for 4 s"],
        )
        await trio.sleep(LEASE)
        assert await readyz(world.nodes[0]) == (200, "ok\n")


async def test_no_problem_names_a_user(autojump_clock: MockClock) -> None:
    async with open_world(3) as world:
        await fill(world, "secret@example.org")
        world.engine.stop()
        for _ in range(8):
            await trio.sleep(LEASE / 4)
            for node in world.nodes:
                await world.spawn(0, "secret@example.org", "one more")
                assert "secret" not in repr(node.supervisor.fitness())
                assert "secret" not in repr(node.cluster.statistics())


# Metrics


def scraped(node: SimulatedNode) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(SupervisorCollector(node.supervisor))
    return {
        sample.name.removeprefix("trouper_cluster_"): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name.startswith("trouper_cluster_")
    }


async def in_numbers(world: World, node: int = 0) -> dict[str, float]:
    await trio.lowlevel.checkpoint()
    return scraped(world.nodes[node])


async def test_metrics_tell_how_a_node_stands(autojump_clock: MockClock) -> None:
    async with open_world(3) as world:
        await full(world)
        told = await in_numbers(world)
        assert told == told | {
            "engine_up": 1,
            "nodes": 3,
            "slots": 1,
            "warming_seconds": 0,
            "leases_begun_total": 1,
            "leases_lost_total": 0,
            "owners_asked_total": 6,
            "owners_silent_total": 0,
            "found_elsewhere_total": 1,
            "engine_failures_total": 0,
        }
        assert 0 < told["lease_left_seconds"] < LEASE
        assert 0 < told["round_trip_seconds"] < 0.01
        assert told["engine_calls_total"] > 10
        world.engine.stop()
        await trio.sleep(LEASE)
        told = await in_numbers(world)
        assert told == told | {
            "engine_up": 0,
            "nodes": 0,
            "slots": 0,
            "lease_left_seconds": 0,
            "leases_lost_total": 1,
        }
        assert told["engine_failures_total"] > 0


async def test_each_count_is_exported_under_its_own_name(autojump_clock: MockClock) -> None:
    async with open_world(3) as world:
        await failed_over(world)
        told, counts = await in_numbers(world, 1), world.nodes[1].supervisor.counts()
        named = {"slots_freed_elsewhere": "slots_freed"}
        for name in recounted([]):
            assert told[f"{named.get(name, name)}_total"] == getattr(counts, name), name
