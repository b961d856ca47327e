"""What the tests of the supervisor share: populations, a log, and a clock of their own."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Any, TypeVar

import attrs
import pytest
import trio

from actors import Actor, ActorRef, Connection, attach
from supervisor import (
    ActorEvent,
    Backend,
    ChildSpec,
    Event,
    EventsLost,
    Finding,
    HealthPolicy,
    Limit,
    Obtained,
    Refusal,
    SpawnRefused,
    Subscription,
    Supervisor,
    SupervisorSpec,
    open_supervisor,
)
from supervisor.testing import Echo, Healthy, Work, connection

T = TypeVar("T")
E = TypeVar("E", bound=Event)

BUDGET = HealthPolicy().budget
CANCEL_GRACE = HealthPolicy().cancel_grace
ATTACH_GRACE = HealthPolicy().attach_grace

# Enough virtual time for any test; a deadlock ends in an instant with TooSlowError.
LONG = 1e5

PLAIN = ChildSpec(Healthy)


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # dice, not secrets


@attrs.frozen(eq=False)
class Log:
    """All that happened in one supervisor since its block was entered."""

    _subscription: Subscription
    _seen: list[Event] = attrs.field(init=False, factory=list[Event])

    @property
    def all(self) -> list[Event]:
        for event in self._subscription.drain():
            assert not isinstance(event, EventsLost)
            self._seen.append(event)
        return self._seen

    def of(self, kind: type[E], ref: ActorRef[Any] | None = None) -> list[E]:
        """Those of one kind, perhaps of one incarnation only."""
        return [e for e in self.all if isinstance(e, kind) and (ref is None or _is_about(e, ref))]


def _is_about(event: Event, ref: ActorRef[Any]) -> bool:
    if not isinstance(event, ActorEvent):
        return False
    return f"{event.user}/{event.key}#{event.incarnation}" == ref.name


@asynccontextmanager
async def opened(
    limit: Limit = 20, *, cluster: Backend | None = None, **spec: Any
) -> AsyncGenerator[tuple[Supervisor, Log]]:
    """A supervisor and its log, bounded against deadlocks."""
    with trio.fail_after(LONG):
        async with open_supervisor(limit, spec=SupervisorSpec(**spec), cluster=cluster) as supervisor:
            with supervisor.events(capacity=1_000_000) as subscription:
                yield supervisor, Log(subscription)


def spec_of(make: Callable[[], Actor[Any]], **kwargs: Any) -> ChildSpec[Any]:
    """A spec with a policy made of those keywords that a policy has."""
    names = {field.name for field in attrs.fields(HealthPolicy)}
    policy = {name: value for name, value in kwargs.items() if name in names}
    others = {name: value for name, value in kwargs.items() if name not in names}
    return ChildSpec(make, health=HealthPolicy(**policy), **others)


@attrs.frozen(eq=False)
class Crowd:
    """Adds actors for one user, and holds the sockets that it gave them."""

    supervisor: Supervisor
    user: str = "alice"
    sockets: ExitStack = attrs.field(factory=ExitStack)

    async def add(
        self,
        name: str,
        count: int,
        make: Callable[[], Actor[Any]] = Healthy,
        *,
        sockets: int = 0,
        at_work: bool = False,
        **policy: Any,
    ) -> list[ActorRef[Any]]:
        """So many of one kind, each with so many sockets, and with `Work` in hand if asked."""
        refs: list[ActorRef[Any]] = []
        for number in range(count):
            obtained = await self.get(f"{name}-{number}", make, **policy)
            assert obtained.created
            refs.append(obtained.ref)
            for _ in range(sockets):
                self.attach(obtained.ref)
            if at_work:
                await obtained.ref.tell(Work())
        return refs

    async def get(self, key: str, make: Callable[[], Actor[Any]] = Healthy, **policy: Any) -> Obtained[Any]:
        return await self.supervisor.get_or_spawn(self.user, key, spec_of(make, **policy))

    async def refused(self, key: str, make: Callable[[], Actor[Any]] = Healthy) -> Refusal:
        """Ask for one more, be refused, and have the proof."""
        with pytest.raises(SpawnRefused) as refused:
            await self.get(key, make)
        assert refused.value.user == self.user
        return refused.value.refusal

    def attach(self, ref: ActorRef[Any]) -> Connection:
        wire = connection()
        self.sockets.enter_context(attach(ref, wire))
        return wire

    @property
    def held(self) -> int:
        """Slots held, as the tables say."""
        return sum(user.slots_held for user in self.supervisor.snapshot().users if user.user == self.user)

    @property
    def keys(self) -> set[str]:
        """Who holds a slot now."""
        users = self.supervisor.snapshot().users
        return {holder.key for user in users if user.user == self.user for holder in user.managers}


def keys(findings: Iterable[Finding]) -> set[str]:
    return {finding.key for finding in findings}


def names(prefix: str, count: int) -> set[str]:
    return {f"{prefix}-{number}" for number in range(count)}


async def answers(ref: ActorRef[Any]) -> bool:
    """Is it alive, by the only proof that counts to its user?"""
    with trio.move_on_after(1):
        return await ref.ask(Echo("there?")) == "there?"
    return False


async def all_answer(refs: Sequence[ActorRef[Any]]) -> bool:
    return all([await answers(ref) for ref in refs])


async def settle(seconds: float = 1.0) -> None:
    """Let what is under way finish: all run until nobody can, for so many virtual seconds."""
    await trio.sleep(seconds)


def descendants(task: trio.lowlevel.Task) -> set[trio.lowlevel.Task]:
    """A task and all below it in Trio's real task tree."""
    found = {task}
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            found |= descendants(child)
    return found


def all_tasks() -> set[trio.lowlevel.Task]:
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return descendants(root)
