"""Nodes of one cluster in one process and in real time, on a simulated engine: looked at from outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import attrs
import trio

from supervisor import Limit, Supervisor, SupervisorSpec, open_supervisor
from supervisor.cluster import ClusterSpec, OnLeaseLost, open_cluster

from .simulated import SimulatedEngine, SimulatedWire, open_simulated_engine

# Of each node, in seconds.
LEASE = 2.0


@attrs.frozen
class Nodes:
    """The nodes `chat-1`, `chat-2` and so on, and what they stand on."""

    engine: SimulatedEngine
    supervisors: list[Supervisor]
    wires: list[SimulatedWire]


@asynccontextmanager
async def open_nodes(
    number: int, limit: Limit, spec: SupervisorSpec, *, on_lease_lost: OnLeaseLost = OnLeaseLost.STOP
) -> AsyncGenerator[Nodes]:
    """So many, from the moment on that they may admit somebody."""
    async with open_simulated_engine() as engine, AsyncExitStack() as stack:
        nodes = Nodes(engine, [], [])
        for each in range(1, number + 1):
            said = ClusterSpec(
                name=f"chat-{each}", address=f"10.0.0.{each}:8000", lease=LEASE, on_lease_lost=on_lease_lost
            )
            wire = engine.wire()
            cluster = await stack.enter_async_context(open_cluster(wire, said))
            supervisor = await stack.enter_async_context(open_supervisor(limit, spec=spec, cluster=cluster))
            nodes.wires.append(wire)
            nodes.supervisors.append(supervisor)
        await trio.sleep(LEASE)
        yield nodes
