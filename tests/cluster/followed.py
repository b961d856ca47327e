"""Nodes that beat, writers that ask until they have an ack, and readers that keep what they were given."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio

from supervisor.cluster._chain import Rewritten, Truncated
from supervisor.cluster._engine import Beat, Engine, Entry
from supervisor.cluster._errors import EngineDown, EngineUnknown, LeaseLost
from supervisor.cluster._log import Log
from supervisor.cluster._patience import until_answered
from supervisor.cluster._spec import ClusterSpec

from .simulated import SimulatedEngine, SimulatedWire, open_simulated_engine

SPEC = ClusterSpec(lease=3.0)
ROOM = "room: of {one}"


@attrs.define(eq=False)
class Node:
    """A node that does nothing but renew its lease."""

    name: str
    wire: SimulatedWire
    engine: Engine
    _session: str | None = attrs.field(init=False, default=None)
    _live: frozenset[str] = attrs.field(init=False, default=frozenset())
    _changed: trio.Event = attrs.field(init=False, factory=trio.Event)
    _scope: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)

    @property
    def session(self) -> str:
        if self._session is None:
            raise LeaseLost(self.name)
        return self._session

    @property
    def live(self) -> frozenset[str]:
        return self._live

    async def live_changed(self) -> None:
        await self._changed.wait()

    def log(self, room: str = ROOM) -> Log:
        return Log(self.engine, room, self, SPEC)

    def die(self) -> None:
        """As by kill -9: it says nothing to nobody."""
        self._scope.cancel()
        self.wire.cut()

    async def run(self) -> None:
        with self._scope:
            for number in itertools.count():
                session = f"{self.name}-{number}"
                await _patiently(partial(self.engine.open, session, SPEC.lease, ""))
                self._session = session
                await self._beat(session)
                self._session = None

    async def _beat(self, session: str) -> None:
        beat = partial(self.engine.beat, session, SPEC.lease, "")
        while isinstance(beaten := await _patiently(beat), Beat):
            if frozenset(beaten.live) != self._live:
                self._live = frozenset(beaten.live)
                self._changed.set()
                self._changed = trio.Event()
            await trio.sleep(SPEC.beat)


async def _patiently(ask: Callable[[], Awaitable[object]]) -> object:
    return await until_answered(ask, pause=SPEC.retry)


@attrs.define(eq=False)
class Reader:
    """What one follower holds to be the log, by what it was told."""

    log: Log
    entries: list[Entry] = attrs.field(init=False, factory=list[Entry])
    given: list[str] = attrs.field(init=False, factory=list[str])
    """The payload of each entry that it was given, also of those that the engine lost later."""
    told: list[Truncated | Rewritten] = attrs.field(init=False, factory=list[Truncated | Rewritten])
    position: int = attrs.field(init=False, default=0)

    @property
    def payloads(self) -> list[str]:
        return [entry.payload for entry in self.entries]

    async def run(self, *, after: int | None = 0, task_status: trio.TaskStatus[None]) -> None:
        async with self.log.follow(after=after) as follower:
            self.position = follower.position
            task_status.started()
            while True:
                self._take(await follower.receive())

    def _take(self, news: Entry | Truncated | Rewritten) -> None:
        match news:
            case Rewritten(back_to):
                self.told.append(news)
                self.entries = [entry for entry in self.entries if entry.position <= back_to]
                self.position = back_to
            case Truncated(after, first):
                assert after == self.position < first
                self.told.append(news)
            case Entry(position, before, payload):
                truncated = bool(self.told) and isinstance(self.told[-1], Truncated)
                assert before == self.position or (truncated and before > self.position), (
                    news,
                    self.position,
                )
                self.entries.append(news)
                self.given.append(payload)
                self.position = position


@attrs.define(eq=False)
class Cluster:
    """An engine, nodes on it, and what was acked."""

    engine: SimulatedEngine
    nursery: trio.Nursery
    nodes: list[Node] = attrs.field(factory=list[Node])
    acked: dict[str, int] = attrs.field(factory=dict[str, int])
    """Payload -> position, of all that was acked, in order of the acks."""

    async def node(self, name: str) -> Node:
        """One more, which has its lease."""
        wire = self.engine.wire(name)
        node = Node(name, wire, Engine(wire, "test"))
        self.nodes.append(node)
        self.nursery.start_soon(node.run)
        while node.live == frozenset():
            await trio.sleep(0.01)
        return node

    async def reader(self, node: Node, *, after: int | None = 0, room: str = ROOM) -> Reader:
        reader = Reader(node.log(room))
        await self.nursery.start(partial(reader.run, after=after))
        return reader

    async def say(self, node: Node, *payloads: str, room: str = ROOM) -> None:
        """Until all are acked, in one append."""
        entries = [(f"id of {payload}", payload) for payload in payloads]
        while True:
            try:
                appended = await node.log(room).append(entries)
            except (EngineDown, EngineUnknown, LeaseLost):
                await trio.sleep(SPEC.retry)
            else:
                self.acked |= {payload: at.position for payload, at in zip(payloads, appended, strict=True)}
                return


@asynccontextmanager
async def open_cluster(*names: str, seed: int = 0) -> AsyncGenerator[Cluster]:
    with trio.fail_after(10_000):
        async with open_simulated_engine(seed=seed) as engine, trio.open_nursery() as nursery:
            cluster = Cluster(engine, nursery)
            for name in names:
                await cluster.node(name)
            yield cluster
            nursery.cancel_scope.cancel()
