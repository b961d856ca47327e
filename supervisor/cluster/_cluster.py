"""Cluster: one supervisor's share of many; what it asks of the others, and what they ask of it."""

from __future__ import annotations

import json
import math
import os
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from supervisor import (
    Claim,
    ClusterStatistics,
    Health,
    Holder,
    LivesElsewhere,
    LocalNode,
    Node,
    OwnersAsked,
    Place,
)

from ._bus import Bus, Handler, NotAnswered
from ._engine import Engine, Slot
from ._errors import ClusterError, EngineDown, EngineUnknown
from ._nodes import name_of, node_of, read, silent_holder, written
from ._redis import open_redis
from ._session import Membership, boottime
from ._slots import Slots
from ._spec import ClusterSpec
from ._wire import Wire

# What one node asks of another one. Programs of your own choose other names.
CLEAN_UP = "trouper.clean_up"
HOLDERS = "trouper.holders"
RECLAIM = "trouper.reclaim"
STOP = "trouper.stop"


@attrs.define(eq=False, repr=False)
class Cluster:
    """A node's share of a cluster. Made by `open_cluster`, handed to `open_supervisor`; it serves one.

    Guaranteed, as long as the engine keeps what it has acknowledged and clocks run at about the same rate:
    of a user no more managers run than the limit, over all nodes; a key has one manager; a node that
    has lost its lease runs nothing (but what ignores cancellation), before others get its slots.
    Not guaranteed: any of that with `OnLeaseLost.KEEP` while a node is cut off; and after a failover
    that loses writes, until the nodes have reconciled.
    """

    engine: Engine
    spec: ClusterSpec
    name: str
    _boottime: Callable[[], float]
    _bus: Bus = attrs.field(init=False)
    membership: Membership = attrs.field(init=False)
    _slots: Slots = attrs.field(init=False)
    _node: LocalNode | None = attrs.field(init=False, default=None)
    _clock: trio.abc.Clock = attrs.field(init=False, factory=trio.lowlevel.current_clock)
    """For other threads, which have none."""

    def __attrs_post_init__(self) -> None:
        self._bus = Bus(self.engine, self.spec.retry)
        self.membership = Membership(
            self.engine, self.spec, self.name, self._bus.serve, self._bus.alive, self._boottime
        )
        self._slots = Slots(self.engine, self.membership, self.spec)
        self._bus.handle(CLEAN_UP, self._clean_up_for)
        self._bus.handle(HOLDERS, self._holders_for)
        self._bus.handle(RECLAIM, self._reclaim_for)
        self._bus.handle(STOP, self._stop_for)

    def __repr__(self) -> str:
        lease = "has a lease" if self.membership.holds else "has no lease"
        return f"<Cluster {self.name} {lease}, {len(self._slots)} slots, engine {self.engine.wire.address}>"

    # This node

    @property
    def session(self) -> str:
        """The session in whose name this node acts. Raises LeaseLost: there is none now."""
        return self.membership.check()

    def check(self, session: str | None = None) -> None:
        """Call it right before you do something outside of this process that only one node may do.

        Cancellation comes when a lease ends; this is for the one step that runs on, and for machines
        that slept. An actor that may outlive its lease (in `on_stop`, or since it ignores cancellation)
        remembers `session` when it starts, and asks for that one: its node may have another by now.
        Raises LeaseLost.
        """
        self.membership.check(session)

    @property
    def live(self) -> frozenset[str]:
        """The sessions alive at the last beat; empty without a lease."""
        now = self.membership.now
        return frozenset() if now is None else now.live

    async def live_changed(self) -> None:
        """Until this node joins or loses its lease, or others have come or gone."""
        await self.membership.wait_changed()

    def statistics(self) -> ClusterStatistics:
        """How this node stands now; also from other threads, and when the cluster's block has ended."""
        now, session, wire = self._clock.current_time(), self.membership.now, self.engine.wire
        stands = wire.statistics()
        left = 0.0 if session is None else session.until - now
        return ClusterStatistics(
            node=self.name,
            address=self.spec.address,
            engine=wire.address,
            standing=stands.standing.value,
            standing_for=now - stands.since,
            why=stands.why,
            lease=self.spec.lease,
            lease_left=left if left > 0 else None,
            no_lease="" if left > 0 else self.membership.why,
            kept=self.membership.keeps,
            warming=0.0 if session is None else max(0.0, session.warm_at - now),
            nodes=0 if session is None else len(session.live),
            slots=len(self._slots),
            calls=stands.calls,
            failures=stands.failures,
            connects=stands.connects,
            gaps=stands.gaps,
            round_trip=stands.round_trip,
        )

    # All nodes

    async def nodes(self) -> tuple[Node, ...]:
        """All that are alive. Raises EngineDown, EngineUnknown, EngineRefused."""
        now = self.membership.now
        me = None if now is None else now.id
        return tuple(node_of(record, me) for record in await self.engine.nodes())

    async def places(self, user: str) -> tuple[Place, ...]:
        """Where the user's managers live, the oldest first. Raises as `nodes` does."""
        nodes = {node.session: node for node in await self.nodes()}
        slots = await self.engine.slots(user)
        return tuple(Place(s.key, nodes[s.session], s.fence) for s in slots if s.session in nodes)

    async def holders(self, user: str) -> tuple[Holder, ...]:
        """Who holds the user's slots on all nodes, with the verdict on each, within `admission_deadline`.

        Those of nodes that do not answer are Unknown, and say so. Raises as `nodes` does.
        """
        here = self._node.holders(user) if self._node is not None else ()
        there, _, _ = await self._ask_owners(user, HOLDERS)
        return (*here, *there)

    async def stop(self, user: str, key: str, detail: str = "") -> bool:
        """Stop a manager wherever it lives, and wait until it has left; False: there is none.

        Cancellation: it stops all the same. Raises NotAnswered: its node did not answer; and as `nodes`.
        """
        if self._node is not None and await self._node.stop_here(user, key, detail):
            await self._slots.settle(user)
            return True
        slots = [slot for slot in await self.engine.slots(user) if slot.key == key]
        question = json.dumps([user, key, detail])
        return any([json.loads(await self.ask(slot.session, STOP, question)) for slot in slots])

    def answer(self, op: str, handler: Handler) -> None:
        """Answer questions of other nodes: a text comes in, a text goes out; see `ask`."""
        self._bus.handle(op, handler)

    async def ask(self, session: str, op: str, text: str) -> str:
        """Ask the node that has this session. Waits for as long as you do.

        Cancellation: it may answer all the same. Raises NotAnswered: nobody is there, or it failed there.
        """
        return await self._bus.ask(session, op, text)

    # The supervisor's side: its Backend

    @property
    def ground(self) -> trio.Nursery | None:
        """Where actors run."""
        return self.membership.ground

    @property
    def patience(self) -> float:
        """How long one step of an admission may take, in seconds."""
        return self.spec.admission_deadline

    async def serve(self, node: LocalNode, *, task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC128  # passed on
        """Keep the node in the cluster. Called by `open_supervisor`."""
        if self._node is not None:
            raise RuntimeError("a cluster serves one supervisor: call open_cluster once for each")
        self._node = node
        self._slots.attach(node)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._slots.give_back_for_ever)
            nursery.start_soon(self._slots.reconcile_for_ever)
            await self.membership.run(node, task_status=task_status)

    async def admit(self, claim: Claim) -> None:
        """As `Backend.admit`."""
        try:
            await self._slots.admit(claim)
        except LivesElsewhere as error:
            address = await self._address_of(error.node)  # noqa: ASYNC120  # cancelled, nobody asks where
            name = name_of(error.node)
            raise LivesElsewhere(claim.user, claim.key, node=name, address=address) from None

    async def _address_of(self, session: str) -> str:
        try:
            return next((node.address for node in await self.nodes() if node.session == session), "")
        except ClusterError:
            return ""

    def counts(self, claim: Claim) -> bool:
        """As `Backend.counts`."""
        return self._slots.counts(claim)

    def release(self, user: str, slot: str) -> None:
        """As `Backend.release`."""
        self._slots.release(user, slot)

    async def make_room(self, claim: Claim) -> tuple[Holder, ...]:
        """As `Backend.make_room`."""
        began = trio.current_time()
        try:
            await self._slots.clear(claim.user)
            holders, before, silent = await self._ask_owners(claim.user, CLEAN_UP)
        except ClusterError:
            return ()
        if before and self._node is not None:
            asked = tuple(sorted({name for _, name in before}))
            freed, took = len(before) - len(holders), trio.current_time() - began
            self._node.tell(OwnersAsked, claim.user, asked, silent, max(0, freed), took)
        return holders

    async def reclaim(self, claim: Claim, holders: Sequence[Holder]) -> bool:
        """As `Backend.reclaim`."""
        gone = [
            holder
            for holder in holders
            if holder.verdict.health is Health.DISCONNECTED and holder.verdict.until is not None
        ]
        if not gone:
            return False
        name = min(gone, key=lambda holder: holder.verdict.until or 0.0).node
        try:
            with trio.move_on_after(self.spec.admission_deadline):
                # One that was started anew may have the name of one whose lease is not over yet.
                for node in await self.nodes():
                    if node.name == name and await self._reclaims(node.session, claim.user):
                        return True
        except ClusterError:
            return False
        return False

    async def _reclaims(self, session: str, user: str) -> bool:
        try:
            return bool(json.loads(await self._bus.ask(session, RECLAIM, user)))
        except NotAnswered:
            return False

    async def _ask_owners(
        self, user: str, op: str
    ) -> tuple[tuple[Holder, ...], list[tuple[Slot, str]], tuple[str, ...]]:
        """Ask all other nodes that hold slots of the user, at once, within one deadline.

        Gives who holds them in the end, which were held before and where, and who did not answer.
        """
        now, until = self.membership.now, trio.current_time() + self.spec.admission_deadline
        me = None if now is None else now.id
        slots = [slot for slot in await self.engine.slots(user) if slot.session != me]
        if not slots:
            return (), [], ()
        nodes = {node.session: node for node in await self.nodes()}
        owners = {slot.session: nodes[slot.session] for slot in slots if slot.session in nodes}
        answers: dict[str, tuple[Holder, ...]] = {}

        async def ask(session: str, name: str) -> None:
            try:
                said = await self._bus.ask(session, op, user)
                answers[session] = read(said, name, trio.current_time())
            except (ClusterError, ValueError, KeyError, TypeError):
                return  # it counts as silent

        with trio.move_on_at(until):
            async with trio.open_nursery() as nursery:
                for session, owner in owners.items():
                    nursery.start_soon(ask, session, owner.name)
        before = [(slot, owners[slot.session].name) for slot in slots if slot.session in owners]
        unheard = [slot for slot, _ in before if slot.session not in answers]
        unknown = [
            silent_holder(slot, (owner := owners[slot.session]).name, owner.expires_in) for slot in unheard
        ]
        heard = [holder for holders in answers.values() for holder in holders]
        silent = tuple(sorted({owners[slot.session].name for slot in unheard}))
        return (*heard, *unknown), before, silent

    # What other nodes ask

    async def _clean_up_for(self, user: str) -> str:
        if self._node is None:
            return written((), 0.0)
        holders = await self._node.clean_up(user)
        await self._slots.clear(user)  # before they are told: they will look at once
        return written(holders, trio.current_time())

    async def _holders_for(self, user: str) -> str:
        holders = self._node.holders(user) if self._node is not None else ()
        return written(holders, trio.current_time())

    async def _reclaim_for(self, user: str) -> str:
        reclaimed = self._node is not None and await self._node.reclaim(user)
        await self._slots.clear(user)
        return json.dumps(reclaimed)

    async def _stop_for(self, question: str) -> str:
        user, key, detail = json.loads(question)
        stopped = self._node is not None and await self._node.stop_here(user, key, detail)
        await self._slots.clear(user)
        return json.dumps(stopped)


@asynccontextmanager
async def open_cluster(
    engine: str | Wire,
    spec: ClusterSpec | None = None,
    *,
    boottime: Callable[[], float] = boottime,
) -> AsyncGenerator[Cluster]:
    """A share of the cluster for as long as the block lasts; hand it to `open_supervisor`.

    `engine` is a URL: `redis://host:port`, `rediss://` (TLS), `unix://path`, or
    `sentinel://host:port,host:port/service`; or a wire of your own. `boottime` tells the seconds since the
    machine started, those included for which it slept. The node joins when the supervisor opens.

    Raises:
      ValueError: the URL is none of these, or live nodes have another lease than the spec says.
      EngineDown: the engine is not there.
      EngineRefused: it lets nobody in with this URL, is too old or a Redis Cluster, or forbids a command.
    """
    spec = ClusterSpec() if spec is None else spec
    if not isinstance(spec, ClusterSpec):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"spec must be a ClusterSpec, not {spec!r}")
    name = spec.name or f"{socket.gethostname()}-{os.getpid()}"
    if isinstance(engine, str):
        # A call must be over before the lease is: else no other beat could be tried.
        bound = min(spec.call_timeout, spec.lease / 4)
        async with open_redis(engine, call_timeout=bound) as wire:
            cluster = Cluster(Engine(wire, spec.prefix), spec, name, boottime)
            await _look_around(cluster)
            yield cluster
    else:
        cluster = Cluster(Engine(engine, spec.prefix), spec, name, boottime)
        await _look_around(cluster)
        yield cluster


async def _look_around(cluster: Cluster) -> None:
    """Is the engine there, and do all agree on the lease? A short trouble of its is waited out."""
    seen: dict[str, float] = {}
    while (other := _disagrees(await _nodes_soon(cluster), cluster.spec.lease)) is not None:
        if other.expires_in > seen.get(other.session, math.inf):  # it beats: nobody's leftover
            raise ValueError(
                f"lease must be the same on all nodes: {other.name} has {other.lease:g} s, "
                f"this one {cluster.spec.lease:g} s; or choose another prefix"
            )
        seen[other.session] = other.expires_in
        await trio.sleep(cluster.spec.retry)


def _disagrees(nodes: Sequence[Node], lease: float) -> Node | None:
    return next((node for node in nodes if node.lease != lease), None)


async def _nodes_soon(cluster: Cluster) -> tuple[Node, ...]:
    until = trio.current_time() + cluster.spec.admission_deadline
    while True:
        try:
            return await cluster.nodes()
        except (EngineDown, EngineUnknown) as error:
            if trio.current_time() >= until:
                why = f"{error.why}; is it running, and is it Valkey or Redis 7 or later?"
                raise EngineDown(cluster.engine.wire.address, why) from None
            await trio.sleep(cluster.spec.retry)
