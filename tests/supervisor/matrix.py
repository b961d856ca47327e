"""One cell of the matrix: a user's slots, some of them held by one kind; what becomes of it, and when."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from actors import ActorCrashed, ActorRef, ActorStopped, MailboxFull
from supervisor import (
    ActorEvent,
    ChildSpec,
    Condemned,
    Obtained,
    Refusal,
    SpawnFailed,
    SpawnRefused,
    Supervisor,
    Terminal,
)
from supervisor.testing import Echo, Healthy, Trigger, Work, connection, hold

from .harness import Log, opened
from .promises import Kind

E = TypeVar("E", bound=ActorEvent)

USER = "alice"
CAPACITY = 4

# The period of the sweep, in seconds; it is exact, so that the worst moment for it can be met.
SWEEP = 2.0

# How long a sweep waits for those that have a probe, in seconds.
PROBE_WAIT = SWEEP / 4

# What is due at a moment is acted upon just after it; and one round of a spinner takes its time.
SLACK = 0.02

# How often everybody is told and asked under load, in seconds.
LOAD_PERIOD = 2.5


# How long the last of those that are released takes to end, in seconds.
RELEASED = 2.0


JUST_AFTER = 0.001


class Condition(enum.Enum):
    IDLE = "idle"
    FULL = "mailbox full"
    LOAD = "under load"


def bound_unasked(kind: Kind) -> float:
    """Within this it must be gone or condemned if nobody ever asks, from its misbehaviour on, in seconds."""
    looks = 0 if kind.promise.by_itself else 1 + kind.promise.asked_first
    asking = PROBE_WAIT if kind.specimen.probed else 0.0
    return kind.promise.due_if(wanted=False) + looks * SWEEP + asking + kind.promise.grace


@attrs.frozen
class Cell:
    """`count` of the user's slots are held by that kind, the others by healthy ones."""

    kind: Kind
    limit: int
    count: int
    condition: Condition
    asked: bool
    """A newcomer asks as soon as the evidence is there; else nobody ever spawns again."""

    def __str__(self) -> str:
        who = "asked" if self.asked else "unasked"
        return f"{self.kind}: {self.count} of {self.limit}, {self.condition.value}, {who}"


async def play(cell: Cell, look: Callable[[Scene], Awaitable[None]]) -> Scene:
    """Fill the slots, let the kind misbehave, ask or wait; `look` at the bound; then release and end all."""
    async with (
        opened(max(cell.limit, 1), sweep_period=SWEEP, sweep_jitter=0.0) as (supervisor, log),
        trio.open_nursery() as nursery,
    ):
        scene = Scene(cell, supervisor, log, nursery)
        await trio.sleep_until(scene.worst_moment)
        await scene.populate()
        await scene.misbehave()
        if cell.asked:
            await scene.ask_when_due()
        else:
            await trio.sleep(bound_unasked(cell.kind) + SLACK)
        scene.left = scene.left_so_far()
        await look(scene)
        scene.release.set()
        await trio.sleep(RELEASED)
        await supervisor.stop_user(USER)
        nursery.cancel_scope.cancel()
    return scene


@attrs.define(eq=False)
class Scene:
    """One user with his slots, and everything that happens to them."""

    cell: Cell
    supervisor: Supervisor
    log: Log
    nursery: trio.Nursery
    release: trio.Event = attrs.field(init=False, factory=trio.Event)
    bad: dict[str, ActorRef[Any]] = attrs.field(init=False, factory=dict[str, ActorRef[Any]])
    """By key, those of the kind that have started."""
    good: dict[str, ActorRef[Any]] = attrs.field(init=False, factory=dict[str, ActorRef[Any]])
    """By key, their healthy neighbours."""
    began: float = attrs.field(init=False, default=0.0)
    asked_at: float = attrs.field(init=False, default=0.0)
    answer: Obtained[Any] | Refusal | None = attrs.field(init=False, default=None)
    answered_after: float = attrs.field(init=False, default=0.0)
    left: dict[str, float] = attrs.field(init=False, factory=dict[str, float])
    """By key, when those of the kind were gone or condemned, as it was at the bound."""
    senders: int = attrs.field(init=False, default=0)
    """Those that wait for room in a full mailbox."""

    @property
    def due(self) -> float:
        """When the evidence is there, after the misbehaviour."""
        return self.cell.kind.promise.due_if(wanted=self.cell.asked)

    @property
    def worst_moment(self) -> float:
        """To begin at: so that the evidence is there just after a sweep has looked."""
        promise = self.cell.kind.promise
        # A sweep that asks one that is stuck and cannot answer looks only when it has waited for it.
        looks_after = PROBE_WAIT if promise.unprobeable else 0.0
        early = 0.0 if promise.asked_first else (self.due - looks_after) % SWEEP
        return SWEEP - early + JUST_AFTER

    # Acts

    async def populate(self) -> None:
        kind = self.cell.kind
        for number in range(max(self.cell.limit, 1) - self.cell.count):
            key = f"good-{number}"
            self.good[key] = (await self.get(key, ChildSpec(Healthy))).ref
        self.began = trio.current_time()
        for number in range(self.cell.count):
            self.nursery.start_soon(self.spawn_bad, f"bad-{number}")
        await wait_all_tasks_blocked()
        if self.cell.limit == 0:
            self.supervisor.set_limit(0)
        if kind.specimen.sockets:
            mute = kind.specimen.on is Trigger.SILENCE
            for ref in self.bad.values():
                self.nursery.start_soon(hold, ref, connection(mute=mute))
            await wait_all_tasks_blocked()

    async def spawn_bad(self, key: str) -> None:
        """Be the caller that starts one of the kind."""
        kind = self.cell.kind
        spec = ChildSpec[Any](
            lambda: kind.specimen.make(self.release), mailbox_capacity=CAPACITY, force=kind.force
        )
        with trio.move_on_after(kind.caller_waits), suppress(SpawnFailed):
            self.bad[key] = (await self.get(key, spec)).ref

    async def get(self, key: str, spec: ChildSpec[Any]) -> Obtained[Any]:
        return await self.supervisor.get_or_spawn(USER, key, spec)

    async def misbehave(self) -> None:
        on = self.cell.kind.specimen.on
        for ref in self.bad.values():
            if on in {Trigger.WORK, Trigger.STOP}:
                ref.tell_nowait(Work())
            if self.cell.condition is Condition.FULL:
                self.fill(ref)
        if on is Trigger.STOP:
            await wait_all_tasks_blocked()
            for ref in self.bad.values():
                ref.stop()
        if self.cell.asked and self.cell.kind.promise.asked_first:
            await self.ask()  # in vain
        if self.cell.condition is Condition.LOAD:
            self.nursery.start_soon(self.tell_all)
            self.nursery.start_soon(self.ask_all)

    def fill(self, ref: ActorRef[Any]) -> None:
        with suppress(MailboxFull):
            while True:
                ref.tell_nowait(Work())
        self.nursery.start_soon(self.wait_for_room, ref)

    async def wait_for_room(self, ref: ActorRef[Any]) -> None:
        self.senders += 1
        with suppress(ActorStopped):
            await ref.tell(Work())
            await ref.tell(Work())
        self.senders -= 1

    async def tell_all(self) -> None:
        while True:
            for ref in (*self.bad.values(), *self.good.values()):
                with suppress(ActorStopped, MailboxFull):
                    ref.tell_nowait(Work())
            await trio.sleep(LOAD_PERIOD)

    async def ask_all(self) -> None:
        while True:
            for ref in (*list(self.bad.values())[:1], *list(self.good.values())[:1]):
                with trio.move_on_after(LOAD_PERIOD / 2), suppress(ActorStopped, ActorCrashed):
                    await ref.ask(Echo())
            await trio.sleep(LOAD_PERIOD / 2)

    async def ask_when_due(self) -> None:
        await trio.sleep_until(self.began + self.due + SLACK)
        await self.ask()
        self.asked_at = trio.current_time() - self.answered_after
        await trio.sleep(max(0.0, self.cell.kind.promise.grace - self.answered_after))

    async def ask(self) -> None:
        began = trio.current_time()
        try:
            self.answer = await self.get("newcomer", ChildSpec(Healthy))
        except SpawnRefused as refused:
            self.answer = refused.refusal
        self.answered_after = trio.current_time() - began

    # Facts

    def left_so_far(self) -> dict[str, float]:
        """By key, when those of the kind were gone or condemned."""
        left: dict[str, float] = {}
        for event in self.log.of(ActorEvent):
            if isinstance(event, Condemned | Terminal) and event.key.startswith("bad-"):
                left.setdefault(event.key, event.stamp.at)
        return left

    def of(self, kind: type[E], prefix: str) -> list[E]:
        """The events of those whose key begins so."""
        return [event for event in self.log.of(kind) if event.key.startswith(prefix)]
