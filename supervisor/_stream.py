"""The stream of events: numbers them and hands them to whoever subscribed. Never waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import trio

from ._counts import Tally
from ._events import Event, EventsLost, Stamp
from ._fitness import Signs

# Some seconds of a busy server; a subscriber that falls further behind loses its oldest events.
DEFAULT_CAPACITY = 10_000


class Events:
    """The stream: numbers events and hands them to whoever subscribed. Never waits."""

    def __init__(self, *listeners: Callable[[Event], object]) -> None:
        """`listeners` are called with each event as it happens: they neither wait nor raise."""
        self._listeners = listeners
        self._seq = 0
        self.tally = Tally()
        """Counts all of them, from the first."""
        self.signs = Signs()
        """What they say of the process's own health."""
        self._subscriptions: dict[Subscription, None] = {}
        self._over = False

    def stamp(self) -> Stamp:
        self._seq += 1
        return Stamp(self._seq, trio.current_time())

    def emit(self, event: Event) -> None:
        self.tally.add(event)
        self.signs.add(event)
        for listen in self._listeners:
            listen(event)
        for subscription in self._subscriptions:
            subscription.put(event)

    def close(self) -> None:
        """Nothing more will happen: who iterates comes to an end."""
        self._over = True
        for subscription in self._subscriptions:
            subscription.end()

    def subscribe(self, capacity: int = DEFAULT_CAPACITY) -> Subscription:
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
