"""Presence: who is somewhere, over all nodes; a node that dies takes its people with it."""

from __future__ import annotations

import math

import attrs
import trio

from ._engine import Dead, Engine
from ._errors import EngineDown, EngineUnknown, LeaseLost
from ._member import Member
from ._spec import ClusterSpec

# Seconds. A crowd that comes at once is read once, not once a head; and nobody sees the difference.
BREATH = 0.01


@attrs.define(eq=False)
class Presence:
    """Who is at a place; `run` keeps it true while it runs.

    Nothing is counted here by what it is told of: each message is only a hint to look, so that nothing
    missed, doubled or late makes it wrong for longer than until the next look.

    Non-guarantee: of a node that dies the others learn with a beat after its lease has ended; and while
    the engine is away, `who` is as it was, but for those who come here.
    """

    engine: Engine
    place: str
    member: Member
    spec: ClusterSpec
    looked: trio.Event = attrs.field(init=False, factory=trio.Event)
    """Set once the engine has said who is there."""
    _here: set[str] = attrs.field(init=False, factory=set[str])
    _leaving: set[str] = attrs.field(init=False, factory=set[str])
    """They left here; whether they are still there by another node, the next look says."""
    _elsewhere: frozenset[str] = attrs.field(init=False, default=frozenset())
    _told: set[str] = attrs.field(init=False, factory=set[str])
    """Whom the engine counts for `_told_by`, as far as we know."""
    _told_by: str = attrs.field(init=False, default="")
    _hint: trio.Event = attrs.field(init=False, factory=trio.Event)
    _changed: trio.Event = attrs.field(init=False, factory=trio.Event)

    @property
    def who(self) -> frozenset[str]:
        """All that are there: those of this node, and those of others as of the last look."""
        return self._elsewhere | self._here | self._leaving

    def enter(self, who: str) -> None:
        """Somebody of this node is there, at once; the others are told soon."""
        self._here.add(who)
        self._leaving.discard(who)
        self._hint.set()

    def leave(self, who: str) -> None:
        """And is no more, as soon as the engine says that no other node has him."""
        if who in self._here:
            self._here.remove(who)
            self._leaving.add(who)
            self._hint.set()

    async def wait_changed(self) -> None:
        """Wait until a look finds that somebody has come or gone."""
        await self._changed.wait()

    async def run(self) -> None:
        """Keep it true until cancelled; then it says `farewell`, for no longer than one call may take.

        Raises EngineRefused: the engine answered with an error of its own. They stay: run it again.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hear)
                nursery.start_soon(self._watch_nodes)
                await self._keep()
        finally:
            if _is_cancelled():
                with trio.move_on_after(self.spec.call_timeout, shield=True):
                    await self.farewell()

    async def farewell(self) -> None:
        """Have all of this node leave: ask until the engine has answered, or their session is over.

        For when `run` has ended, and the engine was away for longer than that waits.
        Cancellation: some may stay for as long as the session lasts. Raises EngineRefused: so they may.
        """
        self._here.clear()
        while (session := self._session) is not None:
            try:
                if not self.looked.is_set():  # somebody may be there by a Presence before this one
                    await self._look(session)
                if session == self._told_by:
                    await self._tell(session)
            except (EngineDown, EngineUnknown):
                await trio.sleep(self.spec.retry)
            else:
                return

    @property
    def _session(self) -> str | None:
        try:
            return self.member.session
        except LeaseLost:
            return None

    async def _keep(self) -> None:
        while True:
            self._hint = trio.Event()
            try:
                await self._agree()
            except (EngineDown, EngineUnknown, LeaseLost):
                await trio.sleep(self.spec.retry)
                continue
            with trio.move_on_after(self.spec.reconcile_period):
                await self._hint.wait()
            await trio.sleep(BREATH)

    async def _hear(self) -> None:
        channel = self.engine.place_channel(self.place)
        async with self.engine.wire.subscribe(channel, capacity=1) as subscription:
            while True:
                self._hint.set()
                await subscription.receive()

    async def _watch_nodes(self) -> None:
        while True:
            await self.member.live_changed()
            self._hint.set()

    async def _agree(self) -> None:
        """Tell the engine who of ours is there, and ask it who else is."""
        session = self.member.session
        if session != self._told_by:
            self._told, self._told_by = set(), session
        left = frozenset(self._leaving)
        await self._tell(session)
        elsewhere = await self._look(session)
        if self._told != self._here:
            self._hint.set()
        before = self.who
        self._elsewhere = elsewhere
        self._leaving -= left
        if self.who != before:
            self._changed.set()
            self._changed = trio.Event()

    async def _look(self, session: str) -> frozenset[str]:
        """See whom the engine has there by our session, and give whom it has by others."""
        pairs = await self.engine.present(self.place)
        self._told, self._told_by = {who for by, who in pairs if by == session}, session
        self.looked.set()
        return frozenset(who for by, who in pairs if by != session)

    async def _tell(self, session: str) -> None:
        for who in sorted(self._here - self._told):
            # Before the call: without an answer it may have been done. The next look corrects it.
            self._told.add(who)
            if isinstance(await self.engine.enter(self.place, session, who), Dead):
                raise LeaseLost(self.spec.name or session)
        for who in sorted(self._told - self._here):
            await self.engine.leave(self.place, session, who)
            self._told.discard(who)


def _is_cancelled() -> bool:
    """Is the caller to end, or did something just fail?"""
    return trio.current_effective_deadline() == -math.inf
