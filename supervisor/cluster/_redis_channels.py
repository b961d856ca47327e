"""Channels: what is published, on a line of its own, with a GAP wherever something may be missing."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import trio

from ._errors import ClusterError, EngineDown, EngineRefused, EngineUnknown
from ._redis_line import Line, Pending
from ._redis_link import Link
from ._redis_url import EngineUrl
from ._wire import GAP, Gap

# So many channels are subscribed with one breath, when a line is new: few enough that the engine's answers
# come within a call's timeout.
BATCH = 100


@attrs.define(eq=False)
class Subscription:
    """What waits to be received."""

    _topic: _Topic
    _capacity: int
    _waiting: deque[str | Gap] = attrs.field(init=False, factory=deque["str | Gap"])
    _messages: int = attrs.field(init=False, default=0)
    _receivers: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot)

    async def receive(self) -> str | Gap:
        """The next message, or GAP. Raises EngineRefused, EngineDown once nothing more can come."""
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            self._topic.check()
            await self._receivers.park()
        item = self._waiting.popleft()
        self._messages -= item is not GAP
        return item

    def put(self, message: str) -> bool:
        """False: it did not fit, which is a new gap."""
        if self._messages < self._capacity:
            self._messages += 1
            self._waiting.append(message)
            self.wake()
            return True
        return not self.put_gap()

    def put_gap(self) -> bool:
        """False: there is one at this place already."""
        if self._waiting and self._waiting[-1] is GAP:
            return False
        self._waiting.append(GAP)
        self.wake()
        return True

    def wake(self) -> None:
        """Somebody should look again."""
        self._receivers.unpark_all()


@attrs.define(eq=False)
class _Topic:
    """One channel that somebody here wants to hear."""

    channel: str
    users: int = 0
    """Who wants to hear it, or hears it."""
    hearing: set[Subscription] = attrs.field(init=False, factory=set[Subscription])
    """Those that were told that they hear it."""
    line: Line | None = attrs.field(init=False, default=None)
    """On which the engine has confirmed it."""
    _end: ClusterError | None = attrs.field(init=False, default=None)
    _waiting: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot)

    async def wait_heard(self) -> None:
        while self.line is None or not self.line.is_open:
            self.check()
            await self._waiting.park()

    def confirm(self, line: Line) -> int:
        """It is heard from here on; say how many gaps that makes."""
        self.line = line
        self._waiting.unpark_all()
        return sum(subscription.put_gap() for subscription in self.hearing)

    def end(self, error: ClusterError) -> None:
        self._end = error
        self._waiting.unpark_all()
        for subscription in self.hearing:
            subscription.wake()

    def check(self) -> None:
        """Raise what ended it, if anything did."""
        if self._end is not None:
            raise self._end


@attrs.define(eq=False)
class Channels:
    """All that somebody here wants to hear, over one link."""

    url: EngineUrl
    call_timeout: float
    gaps: int = attrs.field(init=False, default=0)
    link: Link = attrs.field(init=False)
    _topics: dict[str, _Topic] = attrs.field(init=False, factory=dict[str, _Topic])
    _unasked: dict[str, _Topic] = attrs.field(init=False, factory=dict[str, _Topic])
    """Those of them that the engine was not asked for on this line."""
    _line: Line | None = attrs.field(init=False, default=None)
    _asking: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot)

    def __attrs_post_init__(self) -> None:
        self.link = Link(self.url, self.call_timeout, self._use)

    @asynccontextmanager
    async def subscribe(self, channel: str, *, capacity: int) -> AsyncGenerator[Subscription]:
        channel.encode()  # what cannot be sent is the caller's mistake, not the line's
        if capacity < 1:
            raise ValueError(f"capacity must be 1 or more, not {capacity!r}")
        topic = self._join(channel)
        subscription = Subscription(topic, capacity)
        try:
            await topic.wait_heard()
            topic.hearing.add(subscription)
            yield subscription
        finally:
            topic.hearing.discard(subscription)
            self._leave(topic)

    def close(self) -> None:
        """Nothing comes any more."""
        self.link.close()
        for topic in self._topics.values():
            topic.end(EngineDown(str(self.url), "it was closed on this side"))

    def _join(self, channel: str) -> _Topic:
        topic = self._topics.get(channel)
        if topic is None:
            topic = self._topics[channel] = self._unasked[channel] = _Topic(channel)
            self._asking.unpark_all()
        topic.users += 1
        return topic

    def _leave(self, topic: _Topic) -> None:
        topic.users -= 1
        if topic.users or self._topics.get(topic.channel) is not topic:
            return
        del self._topics[topic.channel]
        if self._unasked.pop(topic.channel, None) is None and self._line is not None:
            self._line.tell(b"UNSUBSCRIBE", topic.channel.encode())

    async def _use(self, line: Line) -> None:
        """Ask for everything anew; then for each topic that comes, for as long as the line holds."""
        self._line = line
        self._unasked = dict(self._topics)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.hear, self._deliver)
            while line.is_open:
                while not self._unasked:
                    await self._asking.park()
                await self._ask(line, [self._unasked.pop(name) for name in list(self._unasked)[:BATCH]])

    async def _ask(self, line: Line, topics: list[_Topic]) -> None:
        """Answers come in the order of asking: what follows a SUBSCRIBE gets its error, if it has one."""
        before = trio.current_time() + self.call_timeout
        try:
            asked = [(topic, self._begin(line, topic)) for topic in topics]
            for topic, pending in asked:
                await self._confirm(line, topic, pending, before=before)
        except (EngineDown, EngineUnknown):
            pass  # the line is over, and they are asked for on the next one

    def _begin(self, line: Line, topic: _Topic) -> Pending:
        line.tell(b"SUBSCRIBE", topic.channel.encode())
        return line.post(b"PING")

    async def _confirm(self, line: Line, topic: _Topic, pending: Pending, *, before: float) -> None:
        try:
            await line.answer(pending, before=before)
        except EngineRefused as error:
            topic.end(error)
            if self._topics.get(topic.channel) is topic:  # else somebody has left, and come anew
                del self._topics[topic.channel]
            line.cut(str(error))  # its answers are one off from now on
            raise EngineDown(line.address, line.why) from error
        self.gaps += topic.confirm(line)

    def _deliver(self, channel: str, message: str) -> None:
        topic = self._topics.get(channel)
        if topic is not None and topic.line is self._line:
            for subscription in topic.hearing:
                self.gaps += not subscription.put(message)
