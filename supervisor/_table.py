"""The children table of one user: who holds a slot. It is the truth; nothing is counted beside it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Concatenate, ParamSpec
from weakref import WeakValueDictionary

import attrs
import trio

from actors import Attached, Began, DeadLettered, Detached, Ending, ExitReason, Notice, State, Threads

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
    Terminal,
)
from ._health import Lag
from ._quota import Quota
from ._report import Verdict
from ._spec import ChildSpec, SupervisorSpec
from ._stream import Events

P = ParamSpec("P")


@attrs.define(eq=False)
class Services:
    """What all users of one supervisor share: immutable specs, and its own services."""

    spec: SupervisorSpec
    """As it is now: read it each time."""
    events: Events
    quota: Quota
    lag: Callable[[], Lag]
    make_room: Callable[[], Awaitable[None]]
    """Clean up after everybody, within an admission; what a full process does before it refuses."""
    reclaim: Callable[[], Awaitable[bool]]
    """Take back the slots of all that have turned out dead by now, else that of the client that is gone
    longest; False: there are none."""
    jitter: random.Random = attrs.field(factory=lambda: random.Random(random.getrandbits(64)))  # noqa: S311  # dice, no secret
    """From the program's own dice: where those are seeded, every run is the same."""
    _incarnations: Iterator[int] = attrs.field(init=False, factory=lambda: itertools.count(1))

    _threads: WeakValueDictionary[str, Threads] = attrs.field(
        init=False, factory=WeakValueDictionary[str, Threads]
    )
    """By user, for as long as the user is here or a thread of his runs."""

    def next_incarnation(self) -> int:
        return next(self._incarnations)

    def threads_of(self, user: str) -> Threads:
        """The same ones over all of his managers; those that still run outlast a retired user."""
        return self._threads.setdefault(user, Threads(user, self.spec.threads_per_user))

    @property
    def occupy_threads(self) -> tuple[str, ...]:
        """The users that do, also those of whom nothing else is here."""
        return tuple(threads.owner for threads in self._threads.values() if threads.busy)


@attrs.define(eq=False)
class Table:
    """One user's slots. Every change of who holds one happens here, synchronously."""

    user: str
    limit: int
    services: Services
    _began: Callable[[Child], None]
    """Told when a child has started."""
    _ending: Callable[[Child], None]
    """Told when a child's end has begun."""
    _freed: Callable[[Child], None]
    """Told when a child's key, and perhaps its slot, became free."""
    threads: Threads = attrs.field(
        init=False, default=attrs.Factory(lambda self: self.services.threads_of(self.user), takes_self=True)
    )
    _children: dict[str, Child] = attrs.field(init=False, factory=dict[str, Child])
    """By key: those that hold a slot and a key."""
    _condemned: dict[int, Child] = attrs.field(init=False, factory=dict[int, Child])
    """By incarnation, oldest first; those beyond the allowance hold a slot too."""
    _spinning: set[int] = attrs.field(init=False, factory=set[int])
    """The condemned, by incarnation, that cost a core when they were condemned."""

    @property
    def allowance(self) -> int:
        """How many condemned actors hold no slot."""
        wanted = self.services.spec.condemned_allowance
        return self.limit if wanted is None else wanted

    @property
    def held(self) -> int:
        """Slots held: starting, live, stopping, and condemned beyond the allowance."""
        return len(self._children) + max(0, len(self._condemned) - self.allowance)

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

    def verdicts_on(self, children: Iterable[Child]) -> list[tuple[Child, Verdict]]:
        """The verdicts on these, now; those that have left meanwhile are left out."""
        now, lag = trio.current_time(), self.services.lag()
        here = (child for child in children if child.is_condemned or not child.left.is_set())
        return [(child, child.verdict(now, lag)) for child in here]

    def reserve(self, key: str, spec: ChildSpec[Any]) -> Child:
        """Take a slot. The caller has seen that one is free, with no await in between."""
        assert key not in self._children
        incarnation = self.services.next_incarnation()
        child = Child(self.user, key, incarnation, spec, self.threads, self._noticed)
        self._children[key] = child
        assert self.held <= self.limit
        policy, graces = spec.health, (spec.stop_grace, spec.cleanup_grace)
        self.emit(Reserved, child, self.held, self.limit, policy, *graces)
        return child

    def force(self, child: Child, step: ForceStep) -> None:
        """Do more to end a cancelled child that runs on."""
        self.emit(Forced, child, step, child.force(step))

    def condemn(self, child: Child) -> None:
        """Move a cancelled child that runs on out of the way of its key, and of its slot."""
        if child.state is not State.CANCELLING or child.left.is_set():
            return
        del self._children[child.key]
        self._condemned[child.incarnation] = child
        pulse = child.cell.pulse
        since = (pulse.cancelled_at, pulse.phase, pulse.since)
        self.emit(Condemned, child, child.cause(), child.stack(), *since, self.held)
        child.cell.condemn()
        self._advise(child)
        self._leave(child)

    def _advise(self, child: Child) -> None:
        """A condemned one that only costs memory can wait; what costs more asks for a new process."""
        advice = ""
        if child.spins:
            self._spinning.add(child.incarnation)
            advice = f"{child.cell.name} is condemned and spins: it costs a core"
        elif self.allowance_spent:
            number = len(self._condemned)
            advice = f"{self.user!r} has {number} condemned, with an allowance of {self.allowance}"
        if advice:
            self.services.events.emit(RecycleAdvised(self.services.events.stamp(), advice))

    def ended(self, child: Child) -> None:
        """The child's task is over: everything that it held is free."""
        was_condemned = self._condemned.pop(child.incarnation, None) is not None
        self._spinning.discard(child.incarnation)
        if self._children.get(child.key) is child:
            del self._children[child.key]
        how = child.cell.exit_due
        if how.reason is ExitReason.START_FAILED:
            self.emit(StartFailed, child, how)
        self.emit(Terminal, child, how, was_condemned, child.ending_since, self.held)
        self._leave(child)

    def _leave(self, child: Child) -> None:
        child.left.set()
        self._freed(child)

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

    def _noticed(self, child: Child, notice: Notice) -> None:
        match notice:
            case Began():
                self._began(child)
            case Ending():
                if child.key in self._children:
                    self._ending(child)
            case Attached(connections):
                self.emit(ConnectionAttached, child, connections)
            case Detached(connections, why):
                self.emit(ConnectionDetached, child, connections, why)
            case DeadLettered(count, reason):
                self.emit(MailDeadLettered, child, count, reason)
