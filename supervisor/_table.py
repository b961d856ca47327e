"""The children table of one user: who holds a slot. It is the truth; nothing is counted beside it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Concatenate, ParamSpec

import attrs
import trio

from actors import Attached, Began, DeadLettered, Detached, Ending, ExitReason, Notice, State

from ._child import Child
from ._events import (
    ActorEvent,
    Condemned,
    ConnectionAttached,
    ConnectionDetached,
    MailDeadLettered,
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


@attrs.frozen(eq=False)
class Services:
    """What all users of one supervisor share: immutable specs, and its own services."""

    spec: SupervisorSpec
    events: Events
    quota: Quota
    lag: Callable[[], Lag]
    make_room: Callable[[], Awaitable[None]]
    """Clean up after everybody, within an admission; what a full process does before it refuses."""
    reclaim: Callable[[], Awaitable[bool]]
    """Take back the slot of the client that is gone longest; False: nobody's is."""
    jitter: random.Random = attrs.field(factory=random.Random)
    _incarnations: Iterator[int] = attrs.field(init=False, factory=lambda: itertools.count(1))

    def next_incarnation(self) -> int:
        return next(self._incarnations)


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
    _children: dict[str, Child] = attrs.field(init=False, factory=dict[str, Child])
    """By key: those that hold a slot and a key."""
    _condemned: dict[int, Child] = attrs.field(init=False, factory=dict[int, Child])
    """By incarnation, oldest first; those beyond the allowance hold a slot too."""

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

    def reserve(self, key: str, spec: ChildSpec[Any]) -> Child:
        """Take a slot. The caller has seen that one is free, with no await in between."""
        assert key not in self._children
        child = Child(self.user, key, self.services.next_incarnation(), spec, self._noticed)
        self._children[key] = child
        assert self.held <= self.limit
        self.emit(Reserved, child, self.held, self.limit, spec.health)
        return child

    def condemn(self, child: Child) -> None:
        """Move a cancelled child that runs on out of the way of its key, and of its slot."""
        if child.state is not State.CANCELLING or child.left.is_set():
            return
        del self._children[child.key]
        self._condemned[child.incarnation] = child
        self.emit(Condemned, child, child.cause(), child.stack())
        child.cell.condemn()
        self._leave(child)

    def ended(self, child: Child) -> None:
        """The child's task is over: everything that it held is free."""
        was_condemned = self._condemned.pop(child.incarnation, None) is not None
        if self._children.get(child.key) is child:
            del self._children[child.key]
        how = child.cell.exit_due
        if how.reason is ExitReason.START_FAILED:
            self.emit(StartFailed, child, how)
        self.emit(Terminal, child, how, was_condemned)
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
