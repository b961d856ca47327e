"""A cluster of a few nodes on a simulated engine, and who acts in it: counted by the actors themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import attrs
import trio

from actors import ActorStopped, Exit, MailboxFull
from supervisor import (
    ChildSpec,
    ClusterUnavailable,
    Event,
    HealthPolicy,
    LivesElsewhere,
    LocalNode,
    Obtained,
    SpawnFailed,
    SpawnRefused,
    Supervisor,
    SupervisorSpec,
    open_supervisor,
)
from supervisor.cluster import Cluster, ClusterError, ClusterSpec, OnLeaseLost, open_cluster
from supervisor.testing import WedgedForever, Work
from tests.supervisor.harness import Log

from .simulated import SimulatedEngine, SimulatedWire, open_simulated_engine

E = TypeVar("E", bound=Event)

LEASE = 4.0
RECONCILED = 5.0

# Seconds of one way to the engine, least and most.
QUICK = (0.0002, 0.002)
SLOW = (0.3, 0.45)


@attrs.define(eq=False)
class Acting:
    """Who acts, of each user, on whatever node, in this instant. The engine is not asked."""

    limit: int
    now: defaultdict[str, set[object]] = attrs.field(
        init=False, factory=lambda: defaultdict[str, set[object]](set)
    )
    peak: int = attrs.field(init=False, default=0)
    too_many: list[str] = attrs.field(init=False, factory=list[str])

    def begins(self, user: str, who: object) -> None:
        self.now[user].add(who)
        number = len(self.now[user])
        self.peak = max(self.peak, number)
        if number > self.limit:
            self.too_many.append(
                f"{trio.current_time():.3f}: {number} of {user}, with a limit of {self.limit}"
            )

    def ends(self, user: str, who: object, _: Exit) -> None:
        self.now[user].discard(who)


class Member(WedgedForever):
    """Notes when it acts, from its first step to its last; told to work, it hangs."""

    def __init__(self, acting: Acting, user: str) -> None:
        super().__init__()
        self._acting, self._user = acting, user

    async def on_start(self) -> None:
        self._acting.begins(self._user, self)
        self.ref.cell.call_at_end(self, partial(self._acting.ends, self._user, self))
        await super().on_start()


@attrs.define(eq=False)
class SimulatedNode:
    """One process of the cluster."""

    name: str
    wire: SimulatedWire
    cluster: Cluster
    supervisor: Supervisor
    log: Log

    @property
    def here(self) -> LocalNode:
        """As its share of the cluster sees it."""
        node = self.cluster._node  # pyright: ignore[reportPrivateUsage]  # what it was given
        assert node is not None, "it serves"
        return node

    def of(self, kind: type[E]) -> list[E]:
        """What has happened here so far, of one kind."""
        return self.log.of(kind)


Outcome = Obtained[Any] | SpawnRefused | LivesElsewhere | ClusterUnavailable | SpawnFailed


@attrs.define(eq=False)
class World:
    """The engine, its nodes, and who acts."""

    engine: SimulatedEngine
    nodes: list[SimulatedNode]
    acting: Acting

    async def spawn(self, node: int, user: str, key: str, **kwargs: Any) -> Outcome:
        """Obtain a manager on this node, or say why not."""
        health = HealthPolicy(budget=1.0, attach_grace=1e6, idle_limit=None)
        spec = ChildSpec(partial(Member, self.acting, user), health=health, stop_grace=0.2, **kwargs)
        try:
            return await self.nodes[node].supervisor.get_or_spawn(user, key, spec)
        except (SpawnRefused, LivesElsewhere, ClusterUnavailable, SpawnFailed) as error:
            return error

    async def stop(self, node: int, user: str, key: str) -> bool:
        """Stop a manager wherever it lives; False: there is none, or nobody can say."""
        try:
            return await self.nodes[node].cluster.stop(user, key)
        except ClusterError:
            return False

    async def hang(self, node: int, user: str, key: str) -> None:
        """Have it hang past its budget."""
        ref = self.nodes[node].supervisor.lookup(user, key)
        if ref is not None:
            with suppress(MailboxFull, ActorStopped):
                ref.tell_nowait(Work())

    async def heal(self) -> None:
        """All is well again, and has been for long enough that everybody knows."""
        if self.engine.is_frozen:
            self.engine.thaw()
        if not self.engine.is_running:
            self.engine.start()
        for node in self.nodes:
            node.wire.replies_to_lose, node.wire.delays = 0, QUICK
            node.wire.mend()
        await trio.sleep(2 * LEASE + 3 * RECONCILED)

    def held(self, user: str) -> set[tuple[str, str]]:
        """The slots that the nodes hold, each with the name of its node."""
        return {(node.name, c.slot) for node in self.nodes for c in node.here.claims_of(user)}

    async def counted(self, user: str) -> set[tuple[str, str]]:
        """The slots that the engine counts, likewise."""
        slots = await self.nodes[0].cluster.engine.slots(user)
        return {(slot.session.rpartition("-")[0], slot.slot) for slot in slots}


@asynccontextmanager
async def open_world(
    nodes: int = 3,
    *,
    limit: int = 3,
    seed: int = 0,
    warm: bool = True,
    on_lease_lost: OnLeaseLost = OnLeaseLost.STOP,
    **spec: Any,
) -> AsyncGenerator[World]:
    """A cluster for as long as the block lasts; `warm`: entered when somebody may be admitted."""
    acting = Acting(limit)
    async with open_simulated_engine(seed=seed) as engine, AsyncExitStack() as stack:
        members = list[SimulatedNode]()
        for number in range(nodes):
            name, wire = f"n{number}", engine.wire(f"n{number}")
            cluster_spec = ClusterSpec(
                name=name,
                address=f"wss://{name}",
                lease=LEASE,
                reconcile_period=RECONCILED,
                on_lease_lost=on_lease_lost,
            )
            cluster = await stack.enter_async_context(
                open_cluster(wire, cluster_spec, boottime=trio.current_time)
            )
            supervisor = await stack.enter_async_context(
                open_supervisor(limit, spec=SupervisorSpec(**spec), cluster=cluster)
            )
            log = stack.enter_context(supervisor.events(capacity=1_000_000))
            await trio.sleep(engine.random.uniform(0, LEASE / 4))  # so that they do not beat in step
            members.append(SimulatedNode(name, wire, cluster, supervisor, Log(log)))
        if warm:
            await trio.sleep(LEASE)
        yield World(engine, members, acting)
