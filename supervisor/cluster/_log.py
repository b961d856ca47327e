"""Log: what was said at one place, by all nodes, in one order; and who follows it misses nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from ._chain import Chain, Rewritten, Truncated
from ._engine import Appended, Dead, Engine, Entry, Page
from ._errors import LeaseLost
from ._member import Member
from ._patience import until_answered
from ._spec import ClusterSpec
from ._wire import GAP, Gap, WireSubscription

# Entries of one page: one step of the engine, and well under a megabyte.
PAGE = 500

# What is published waits for a follower that is busy; what does not fit is read from the log instead,
# which is the faster way for many.
QUEUE = 256


@attrs.frozen
class Log:
    """One log of the cluster. Its positions grow, and say nothing else."""

    engine: Engine
    name: str
    member: Member
    spec: ClusterSpec

    async def append(self, entries: Sequence[tuple[str, str]]) -> tuple[Appended, ...]:
        """Append entries, each an id and a payload, in this order, and say where each is.

        An id that was appended within `spec.log_memory` is not appended again, so that whoever got no answer
        asks again with the same ids. Cancellation: they may have been appended.

        Raises:
          LeaseLost: this node has no lease; nothing was appended.
          EngineDown: nor was anything here.
          EngineUnknown: perhaps they were.
          EngineRefused: the engine answered with an error of its own.

        """
        session = self.member.session
        appended = await self.engine.append(
            self.name, session, entries, length=self.spec.log_length, memory=self.spec.log_memory
        )
        if isinstance(appended, Dead):
            raise LeaseLost(self.spec.name or session)
        return appended

    async def read(self, *, after: int = 0, limit: int = PAGE) -> Page:
        """The first entries after a position. Raises EngineDown, EngineUnknown, EngineRefused."""
        return await self.engine.read(self.name, after=after, limit=limit)

    async def latest(self, *, count: int) -> Page:
        """The last entries. Raises as `read` does."""
        return await self.engine.latest(self.name, count=count)

    @asynccontextmanager
    async def follow(self, *, after: int | None = None) -> AsyncGenerator[Follower]:
        """Follow the log while the block lasts: every entry after a position, in order, once.

        None: from now on. It is entered once the engine has answered, however long it is away.

        Raises:
          EngineRefused: the engine answered with an error of its own.

        """
        channel = self.engine.log_channel(self.name)
        async with self.engine.wire.subscribe(channel, capacity=QUEUE) as subscription:
            if after is None:
                latest = await until_answered(lambda: self.latest(count=1), pause=self.spec.retry)
                after = latest.last
            yield Follower(self, subscription, Chain(after))


@attrs.define(eq=False)
class Follower:
    """Whoever follows a log; made by `Log.follow`."""

    _log: Log
    _subscription: WireSubscription
    _chain: Chain
    _ready: deque[Entry | Truncated | Rewritten] = attrs.field(
        init=False, factory=deque[Entry | Truncated | Rewritten]
    )
    """What is still to be given: a page at the most."""

    @property
    def position(self) -> int:
        """All up to here has been given, or is about to be."""
        return self._chain.position

    async def receive(self) -> Entry | Truncated | Rewritten:
        """The next entry; while the engine is away it waits.

        Truncated: what comes next is not kept any more. Rewritten: the engine has lost what was given before.
        Cancellation: nothing is lost.

        Raises:
          EngineRefused: the engine answered with an error of its own; call again to go on.

        """
        if self._ready:
            await trio.lowlevel.checkpoint()
        while not self._ready:
            if self._chain.in_step:
                self._hear(await self._subscription.receive())
            else:
                self._ready += self._chain.read(await self._read())
        return self._ready.popleft()

    def _hear(self, message: str | Gap) -> None:
        if message is GAP:
            self._chain.in_step = False
            return
        try:
            said = self._log.engine.entry_of(message)
        except ValueError:  # not one of ours: whatever it was, the log knows
            self._chain.in_step = False
            return
        entry = self._chain.heard(said)
        if entry is not None:
            self._ready.append(entry)

    async def _read(self) -> Page:
        after = self._chain.position
        return await until_answered(lambda: self._log.read(after=after), pause=self._log.spec.retry)
