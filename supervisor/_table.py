"""The children table of one user: who holds a slot. It is the truth; nothing is counted beside it."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Concatenate, ParamSpec, Protocol
from weakref import WeakValueDictionary

import attrs
import trio

from actors import Attached, Began, DeadLettered, Detached, Ended, Ending, ExitReason, Notice, State, Threads

from ._backend import Backend
from ._child import Child
from ._events import (
    ActorEvent,
    Condemned,
    ConnectionAttached,
    ConnectionDetached,
    Forced,
    ForceStep,
    MailDeadLettered,
    RecycleAdvised,
    Reserved,
    Stamp,
    StartFailed,
    StopOverdue,
    Terminal,
)
from ._eviction import EvictionPolicy
from ._health import Lag, is_well
from ._quota import LocalQuota
from ._report import Verdict
from ._spec import ChildSpec, SupervisorSpec
from ._starts import Starts
from ._stream import Events

P = ParamSpec("P")


@attrs.define(eq=False, repr=False)
class Services:
    """What all users of one supervisor share: immutable specs, and its own services."""

    spec: SupervisorSpec
    """As it is now: read it each time."""
    events: Events
    quota: LocalQuota
    lag: Callable[[], Lag]
    make_room: Callable[[], Awaitable[None]]
    """Clean up after everybody, within an admission; what a full process does before it refuses."""
    reclaim: Callable[[], Awaitable[bool]]
    """Take back the slots of all that have turned out dead by now, else that of the client that is gone
    longest; False: there are none."""
    evict: EvictionPolicy | None = None
    """Who makes room though healthy; None: nobody."""
    backend: Backend | None = None
    """The other nodes of a cluster; None: there are none."""
    starts: Starts = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: Starts(lambda: self.spec.concurrent_starts), takes_self=True),
    )
    in_need: int = attrs.field(init=False, default=0)
    """How many wait for a slot of the process, of whatever user."""
    jitter: random.Random = attrs.field(factory=lambda: random.Random(random.getrandbits(64)))  # noqa: S311  # dice, no secret
    """From the program's own dice: where those are seeded, every run is the same."""
    origin: str = attrs.field(init=False, factory=lambda: os.urandom(16).hex())
    """Of the names of its slots: no other supervisor has the same."""
    _incarnations: Iterator[int] = attrs.field(init=False, factory=lambda: itertools.count(1))

    _threads: WeakValueDictionary[str, Threads] = attrs.field(
        init=False, factory=WeakValueDictionary[str, Threads]
    )
    """By user, for as long as a thread of his runs, or somebody is about to start one."""

    def next_incarnation(self) -> int:
        return next(self._incarnations)

    def threads_of(self, user: str) -> Threads:
        """The same ones over all of his managers; those that still run outlast a retired user."""
        return self._threads.setdefault(user, Threads(user, self.spec.threads_per_user))

    def busy_threads_of(self, user: str) -> int:
        """How many of his run."""
        threads = self._threads.get(user)
        return 0 if threads is None else threads.busy

    @property
    def occupy_threads(self) -> tuple[str, ...]:
        """The users that do, also those of whom nothing else is here."""
        return tuple(threads.owner for threads in self._threads.values() if threads.busy)


class Steward(Protocol):
    """Told what happens to the children in a table."""

    def began(self, child: Child) -> None:
        """It has started."""
        ...

    def unconnected(self, child: Child) -> None:
        """Its last connection is gone."""
        ...

    def ending(self, child: Child) -> None:
        """Its end has begun."""
        ...

    def ended(self, child: Child) -> None:
        """It has ended. Call the table's `ended` as soon as nothing counts it any more."""
        ...

    def left(self, child: Child) -> None:
        """Its key became free: it has ended, or is condemned. Told once, before `freed`."""
        ...

    def freed(self, child: Child) -> None:
        """Its key, and perhaps its slot, became free."""
        ...


@attrs.define(eq=False, repr=False)
class Table:
    """One user's slots. Every change of who holds one happens here, synchronously."""

    user: str
    limit: int
    services: Services
    _steward: Steward
    _children: dict[str, Child] = attrs.field(init=False, factory=dict[str, Child])
    """By key: those that hold a slot and a key."""
    _condemned: dict[int, Child] = attrs.field(init=False, factory=dict[int, Child])
    """By incarnation, oldest first; those beyond the allowance hold a slot too."""
    _spinning: frozenset[int] = frozenset()
    """The condemned, by incarnation, that cost a core when they were condemned."""
    _probed: frozenset[int] = frozenset()
    """Those, by incarnation, that have begun, have a probe, and have not left."""

    @property
    def threads(self) -> Threads:
        """The user's own."""
        return self.services.threads_of(self.user)

    @property
    def has_lease(self) -> bool:
        """Does it run only as long as the lease of a cluster lasts?"""
        return self.services.backend is not None

    @property
    def allowance(self) -> int:
        """How many condemned actors hold no slot."""
        wanted = self.services.spec.condemned_allowance
        return self.limit if wanted is None else wanted

    @property
    def held(self) -> int:
        """Slots held: starting, live, stopping, and condemned beyond the allowance."""
        held = len(self._children)
        return held + max(0, len(self._condemned) - self.allowance) if self._condemned else held

    @property
    def size(self) -> int:
        """How many hold a key."""
        return len(self._children)

    @property
    def being_freed(self) -> int:
        """How many hold a key and are cancelled: soon their slots are free."""
        return sum([child.cancelled for child in self._children.values()])

    @property
    def children(self) -> tuple[Child, ...]:
        return tuple(self._children.values())

    @property
    def condemned(self) -> tuple[Child, ...]:
        return tuple(self._condemned.values())

    @property
    def hold_no_slot(self) -> tuple[Child, ...]:
        """The condemned within the allowance."""
        return self.condemned[: self.allowance]

    @property
    def allowance_spent(self) -> bool:
        """More are condemned than may hold no slot: from here on the user loses slots to them."""
        return len(self._condemned) > self.allowance

    @property
    def spinning(self) -> int:
        """How many of the condemned cost a core."""
        return len(self._spinning)

    @property
    def deserted(self) -> bool:
        """Nobody is here any more, not even a condemned one."""
        return not self._children and not self._condemned

    def under(self, key: str) -> Child | None:
        """Who holds `key`, in whatever state."""
        return self._children.get(key)

    def verdict(self, child: Child) -> Verdict:
        return child.verdict(trio.current_time(), self.services.lag())

    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on every holder of a key, now."""
        now, lag = trio.current_time(), self.services.lag()
        return {key: child.verdict(now, lag) for key, child in self._children.items()}

    def doubts(self) -> dict[str, Verdict]:
        """The verdicts on those holders of a key who are not plainly well: few, as a rule."""
        now = trio.current_time()
        everybody = self._children.values()
        doubtful = [child for child in everybody if not is_well(child.pulse, child.spec.health, now)]
        if not doubtful:
            return {}
        lag = self.services.lag()
        return {child.key: child.verdict(now, lag) for child in doubtful}

    @property
    def has_probes(self) -> bool:
        """Must anybody be asked to know how he is?"""
        return bool(self._probed)

    def verdicts_on(self, children: Iterable[Child]) -> list[tuple[Child, Verdict]]:
        """The verdicts on these, now; those that have left meanwhile are left out."""
        now, lag = trio.current_time(), self.services.lag()
        here = (child for child in children if child.is_condemned or not child.has_left)
        return [(child, child.verdict(now, lag)) for child in here]

    def reserve(self, key: str, spec: ChildSpec[Any]) -> Child:
        """Take a slot. The caller has seen that one is free, with no await in between."""
        assert key not in self._children
        services, events = self.services, self.services.events
        incarnation = services.next_incarnation()
        slot = f"{services.origin}-{incarnation}"
        child = Child(
            f"{self.user}/{key}#{incarnation}",
            *(self.user, key, incarnation, spec, slot, self),
            capacity=spec.mailbox_capacity,
            stop_grace=spec.stop_grace,
            cleanup_grace=spec.cleanup_grace,
            connection_limit=spec.connection_limit,
        )
        self._children[key] = child
        held = self.held
        assert held <= self.limit
        events.emit(
            Reserved(
                events.stamp(),
                *(self.user, key, incarnation, held, self.limit),
                *(spec.health, spec.stop_grace, spec.cleanup_grace),
            )
        )
        return child

    def force(self, child: Child, step: ForceStep) -> None:
        """Do more to end a cancelled child that runs on."""
        self.emit(Forced, child, step, child.force(step))

    def condemn(self, child: Child) -> None:
        """Move a cancelled child that runs on out of the way of its key, and of its slot."""
        if child.state is not State.CANCELLING or child.has_left:
            return
        del self._children[child.key]
        self._condemned[child.incarnation] = child
        pulse = child.pulse
        since = (pulse.cancelled_at, pulse.phase, pulse.since)
        self.emit(Condemned, child, child.cause(), child.stack(), *since, self.held)
        child.condemn()
        self._advise(child)
        self._leave(child)

    def _advise(self, child: Child) -> None:
        """A condemned one that only costs memory can wait; what costs more asks for a new process."""
        advice = ""
        if child.spins:
            self._spinning |= {child.incarnation}
            advice = f"{child.name} is condemned and spins: it costs a core"
        elif self.allowance_spent:
            number = len(self._condemned)
            advice = f"{self.user!r} has {number} condemned, with an allowance of {self.allowance}"
        if advice:
            self.services.events.emit(RecycleAdvised(self.services.events.stamp(), advice))

    def ended(self, child: Child) -> None:
        """The child's task is over: everything that it held is free."""
        was_condemned = self._condemned.pop(child.incarnation, None) is not None
        self._spinning -= {child.incarnation}
        if self._children.get(child.key) is child:
            del self._children[child.key]
        how = child.exit_due
        if how.reason is ExitReason.START_FAILED:
            self.emit(StartFailed, child, how)
        events, who = self.services.events, (child.user, child.key, child.incarnation)
        events.emit(Terminal(events.stamp(), *who, how, was_condemned, child.ending_since, self.held))
        self._leave(child)

    def _leave(self, child: Child) -> None:
        if self._probed:
            self._probed -= {child.incarnation}
        if not child.has_left:
            child.leave()
            self._steward.left(child)
        self._steward.freed(child)

    def emit(
        self,
        kind: Callable[Concatenate[Stamp, str, str, int, P], ActorEvent],
        child: Child,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Emit an event about one child."""
        events = self.services.events
        who = (child.user, child.key, child.incarnation)
        events.emit(kind(events.stamp(), *who, *args, **kwargs))

    def overdue(self, child: Child) -> None:
        """It had time enough to stop."""
        self.emit(StopOverdue, child, child.stack())

    def noticed(self, child: Child, notice: Notice) -> None:
        """A child tells what happens to it."""
        match notice:
            case Began():
                self._began(child)
            case Ended():
                self._steward.ended(child)
            case Ending():
                if child.key in self._children:
                    self._steward.ending(child)
            case Attached(connections):
                self.emit(ConnectionAttached, child, connections)
            case Detached(connections, why):
                self._detached(child, connections, why)
            case DeadLettered(count, reason):
                self.emit(MailDeadLettered, child, count, reason)

    def _began(self, child: Child) -> None:
        if child.pulse.has_probe:
            self._probed |= {child.incarnation}
        self._steward.began(child)

    def _detached(self, child: Child, connections: int, why: str) -> None:
        self.emit(ConnectionDetached, child, connections, why)
        if not connections:
            self._steward.unconnected(child)
