"""What happened, as frozen records in one stream: logs, metrics and tests all read this."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Self

import attrs
import trio

from actors import Exit, ExitReason

from ._report import CleanupReport, Refusal, Verdict

# Some seconds of a busy server; a subscriber that falls further behind loses its oldest events.
DEFAULT_CAPACITY = 10_000


@attrs.frozen
class Stamp:
    """When, and the how-manieth: `seq` counts without gaps within one supervisor."""

    seq: int
    at: float
    """Trio's clock, in seconds."""


@attrs.frozen
class Event:
    """Base of all events."""

    stamp: Stamp


@attrs.frozen
class ActorEvent(Event):
    """Base of the events about one incarnation."""

    user: str
    key: str
    incarnation: int


@attrs.frozen
class Reserved(ActorEvent):
    """A slot is held; nothing runs yet."""

    held: int
    """The user's slots held, this one included."""
    limit: int


@attrs.frozen
class Started(ActorEvent):
    """`on_start` has returned."""

    waited: float
    """Seconds from the request to here."""


@attrs.frozen
class ConnectionAttached(ActorEvent):
    connections: int


@attrs.frozen
class ConnectionDetached(ActorEvent):
    connections: int
    why: str


@attrs.frozen
class Suspected(ActorEvent):
    """Judged bad; what is done about it follows."""

    verdict: Verdict


@attrs.frozen
class Voided(ActorEvent):
    """It looked late, but the observer was late itself: nothing follows from it."""

    verdict: Verdict


@attrs.frozen
class ReapStarted(ActorEvent):
    reason: ExitReason


@attrs.frozen
class Condemned(ActorEvent):
    """Cancelled and still running; its slot is free within the user's condemned allowance."""

    stack: tuple[str, ...]
    """Where it hangs, outermost first."""


@attrs.frozen
class Terminal(ActorEvent):
    """Its task is gone and all that it held is free. Exactly one per Reserved."""

    exit: Exit
    was_condemned: bool
    """It ended after all."""


@attrs.frozen
class StartFailed(ActorEvent):
    """It ended before it was running; Terminal follows."""

    exit: Exit


@attrs.frozen
class MailDeadLettered(ActorEvent):
    count: int
    reason: ExitReason


@attrs.frozen
class Found(ActorEvent):
    """A request for an identity was served by the incarnation that lives."""


@attrs.frozen
class Waited(Event):
    """A spawn did not find room at once and waits, behind `ahead` others of its user."""

    user: str
    key: str
    ahead: int


@attrs.frozen
class Refused(Event):
    user: str
    key: str
    refusal: Refusal


@attrs.frozen
class LimitChanged(Event):
    """A limit was set at run time; `user` is None for the limit of all."""

    user: str | None
    limit: int


@attrs.frozen
class CleanedUp(Event):
    """A cleanup, for an admission or asked for, is complete."""

    report: CleanupReport


@attrs.frozen
class SweeperStarted(Event):
    period: float


@attrs.frozen
class Swept(Event):
    """The background sweep went once over everybody."""

    report: CleanupReport
    duration: float


@attrs.frozen
class SweeperFailed(Event):
    """The background sweep crashed, and starts anew after `restart_in` seconds."""

    error: BaseException
    restart_in: float


@attrs.frozen
class HandlerFailed(Event):
    """A task of the handler nursery raised; nobody else is touched."""

    name: str
    error: BaseException


@attrs.frozen
class ChoreFailed(Event):
    """A task of ours raised, on behalf of one user; nobody else is touched. Please report it."""

    user: str
    error: BaseException


@attrs.frozen
class Stalled(Event):
    """The event loop did not run for `duration` seconds more than it should have."""

    duration: float


@attrs.frozen
class ShutdownHeld(Event):
    """The supervisor's block cannot end: these run on although they were cancelled."""

    holders: tuple[str, ...]


@attrs.frozen
class EventsLost:
    """What a slow subscriber gets in place of the events it lost."""

    count: int


class Events:
    """The stream: numbers events and hands them to whoever subscribed. Never waits."""

    def __init__(self) -> None:
        self._seq = 0
        self._subscriptions: dict[Subscription, None] = {}
        self._over = False

    def stamp(self) -> Stamp:
        self._seq += 1
        return Stamp(self._seq, trio.current_time())

    def emit(self, event: Event) -> None:
        for subscription in self._subscriptions:
            subscription.put(event)

    def close(self) -> None:
        """Nothing more will happen: who iterates comes to an end."""
        self._over = True
        for subscription in self._subscriptions:
            subscription.end()

    def subscribe(self, capacity: int) -> Subscription:
        subscription = Subscription(self._subscriptions, capacity)
        if self._over:
            subscription.end()
        return subscription


class Subscription:
    """A view on the stream from the moment you made it. Iterate over it, or `drain()` it.

    It loses its own oldest events when it falls `capacity` behind, and then says how many.
    Closed by `close()`, or as a context manager.
    """

    def __init__(self, register: dict[Subscription, None], capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a subscription holds 1 event or more, not {capacity!r}")
        self._register = register
        self._capacity = capacity
        self._waiting: deque[Event] = deque()
        self._lost = 0
        self._ended = False
        self._news = trio.Event()
        register[self] = None

    def put(self, event: Event) -> None:
        if len(self._waiting) >= self._capacity:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append(event)
        self._news.set()

    def drain(self) -> list[Event | EventsLost]:
        """All that is here now, without waiting."""
        lost: list[Event | EventsLost] = [EventsLost(self._lost)] if self._lost else []
        self._lost = 0
        events = [*lost, *self._waiting]
        self._waiting.clear()
        return events

    async def receive(self) -> Event | EventsLost:
        """The next event. Cancellation: nothing is lost.

        Raises:
          trio.EndOfChannel: the supervisor has ended, and you have seen all.
        """
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            if self._ended:
                raise trio.EndOfChannel
            if self._news.is_set():
                self._news = trio.Event()
            await self._news.wait()
        if self._lost:
            lost, self._lost = EventsLost(self._lost), 0
            return lost
        return self._waiting.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event | EventsLost:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    def end(self) -> None:
        """No more events will come."""
        self._ended = True
        self._news.set()

    def close(self) -> None:
        self._register.pop(self, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()
