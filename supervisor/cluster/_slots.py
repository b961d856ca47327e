"""Slots: what this node's users hold, counted by the engine: admitted, released, compared now and then."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import attrs
import trio

from supervisor import (
    ChoreFailed,
    Claim,
    ClusterUnavailable,
    LivesElsewhere,
    LocalNode,
    QuotaRefused,
    RefusalReason,
)
from supervisor import Reconciled as ReconciledEvent

from ._engine import Admitted, Dead, Engine, Full, Slot, Taken, Warming
from ._errors import ClusterError, EngineRefused, EngineUnknown
from ._session import Membership, Session
from ._spec import ClusterSpec

# So many users are compared with the engine in a second, at most, when all are to be.
RECONCILED_A_SECOND = 500.0


@attrs.frozen
class Counted:
    """That a slot counts: under which session, and with which fence."""

    session: str
    fence: int


# Of a slot that is held here while the engine is away.
UNCOUNTED = Counted("", 0)


@attrs.define(eq=False)
class Slots:
    """One for each node. For each user one step is done after the other."""

    _engine: Engine
    _membership: Membership
    _spec: ClusterSpec
    _node: LocalNode | None = attrs.field(init=False, default=None)
    _held: dict[str, Counted] = attrs.field(init=False, factory=dict[str, Counted])
    """By slot."""
    _leaving: dict[str, set[str]] = attrs.field(init=False, factory=dict[str, set[str]])
    """By user: slots that are to count no more, and may do so still."""
    _recent: dict[str, float] = attrs.field(init=False, factory=dict[str, float])
    """Users of whom a slot was given back, and till when they are compared though nobody is here."""
    _turns: WeakValueDictionary[str, trio.Lock] = attrs.field(
        init=False, factory=WeakValueDictionary[str, trio.Lock]
    )
    """By user: one step after the other, in order of arrival."""
    _wake: trio.Event = attrs.field(init=False, factory=trio.Event)
    """Something is to be given back."""
    _doubtful: set[str] = attrs.field(init=False, factory=set[str])
    """Slots that were asked for, with no answer, by those who still ask."""
    _hurry: bool = attrs.field(init=False, default=False)
    """All are to be compared at once."""
    _connects: int = attrs.field(init=False, default=1)
    """So often had the engine been connected to when all were compared the last time."""

    def attach(self, node: LocalNode) -> None:
        """Count for this supervisor."""
        self._node = node
        self._membership.call(self._session_changed)

    def _session_changed(self, session: Session | None) -> None:
        """The slots of a session that is over count nowhere; where they are kept, they do again soon."""
        if session is not None:
            self._hurry = bool(self._held)
        elif not self._membership.keeps:
            self._held.clear()
            self._leaving.clear()
            self._recent.clear()

    def _turn(self, user: str) -> trio.Lock:
        return self._turns.setdefault(user, trio.Lock())

    def __len__(self) -> int:
        """How many count, or are about to."""
        return len(self._held)

    def counts(self, claim: Claim) -> bool:
        held, now = self._held.get(claim.slot), self._membership.now
        if held is None:
            return False
        if self._membership.keeps:
            return True
        return now is not None and now.id == held.session and self._membership.holds

    # Admission

    async def admit(self, claim: Claim) -> None:
        """As `Backend.admit`."""
        if self.counts(claim):
            return
        _check_text(user=claim.user, key=claim.key)
        until = trio.current_time() + self._spec.admission_deadline
        try:
            async with self._turn_by(claim.user, until):
                await self._admit(claim, until)
        except ClusterUnavailable:
            if not self._membership.keeps:
                raise
            self._held[claim.slot] = UNCOUNTED
            self._left(claim.user, (claim.slot,))

    async def _admit(self, claim: Claim, until: float) -> None:
        """Whatever comes of it but an admission: nothing of it counts, or will for long."""
        settled = False
        try:
            while not settled:
                settled = await self._try(claim, until)
        except (QuotaRefused, LivesElsewhere):
            settled = claim.slot not in self._doubtful  # else an earlier try may be executed yet
            raise
        finally:
            self._doubtful.discard(claim.slot)
            if not settled:
                self._give_back(claim.user, claim.slot)

    @asynccontextmanager
    async def _turn_by(self, user: str, until: float) -> AsyncGenerator[None]:
        """The user's turn, if it comes until then. Raises ClusterUnavailable."""
        turn = self._turn(user)
        with trio.move_on_at(until) as scope:
            await turn.acquire()
        if scope.cancelled_caught:
            raise ClusterUnavailable(
                "the engine is slow, and others of this user wait as well", self._spec.beat
            )
        try:
            yield
        finally:
            turn.release()

    async def _try(self, claim: Claim, until: float) -> bool:
        """One try, and a rest if it told nothing. Raises as `admit`."""
        session = await self._ready(until)
        try:
            answer = await self._ask(claim, session)
        except ClusterError as error:
            if isinstance(error, EngineUnknown):
                self._doubtful.add(claim.slot)
            left = until - trio.current_time()
            if left <= 0 or isinstance(error, EngineRefused):
                raise ClusterUnavailable(str(error), self._spec.beat) from error
            await trio.sleep(min(self._spec.retry, left))
            return False
        if self._settled(claim, session, answer):
            return True
        if isinstance(answer, Dead):
            if trio.current_time() >= until:
                raise ClusterUnavailable("the engine counts this node as dead", self._spec.beat)
            await trio.sleep(self._spec.retry)  # the beat learns so too
        return False

    async def _ready(self, until: float) -> Session:
        """The session, when something may be admitted under it. Raises ClusterUnavailable."""
        session = await self._membership.joined(until)
        now = trio.current_time()
        if session.warm_at > now:
            left = session.warm_at - now
            if session.warm_at > until:
                why = "the engine's data is new, and other nodes may hold slots that it has forgotten"
                raise ClusterUnavailable(why, left)
            await trio.sleep(left)
        return session

    async def _ask(self, claim: Claim, session: Session) -> Admitted | Taken | Full | Warming | Dead:
        gone = self._gone(claim.user)
        slot = Slot(claim.slot, claim.key, session.id, 0)
        answer = await self._engine.admit(claim.user, slot, limit=claim.limit, gone=gone)
        if not isinstance(answer, Dead):
            self._left(claim.user, gone)
        return answer

    def _settled(
        self, claim: Claim, session: Session, answer: Admitted | Taken | Full | Warming | Dead
    ) -> bool:
        """Is it admitted? Else it is worth another try, unless that is raised which speaks against it."""
        match answer:
            case Admitted(slot):
                if self._membership.now is not session:
                    return False  # it was, under a lease that is over
                self._held[claim.slot] = Counted(session.id, slot.fence)
                return True
            case Taken(by):
                raise LivesElsewhere(claim.user, claim.key, node=by.session, address="")
            case Full(holders):
                raise QuotaRefused(claim.limit, reason=RefusalReason.CLUSTER_LIMIT, live=len(holders))
            case Warming(seconds):
                session.warm_at = trio.current_time() + seconds
                return False
            case Dead():
                return False

    # Giving back

    def release(self, user: str, slot: str) -> None:
        """As `Backend.release`."""
        if self._held.pop(slot, None) is not None:
            self._give_back(user, slot)

    def _give_back(self, user: str, slot: str) -> None:
        if self._membership.now is None:
            return  # its lease is over, and with it the slot
        self._leaving.setdefault(user, set()).add(slot)
        self._recent[user] = trio.current_time() + 2 * self._spec.reconcile_period
        self._wake.set()

    def _gone(self, user: str) -> tuple[str, ...]:
        """What is to count no more."""
        return tuple(slot for slot in self._leaving.get(user, ()) if slot not in self._held)

    def _left(self, user: str, slots: tuple[str, ...]) -> None:
        leaving = self._leaving.get(user)
        if leaving is not None:
            leaving.difference_update(slots)
            if not leaving:
                del self._leaving[user]

    async def settle(self, user: str) -> None:
        """Have the engine count no more what this user has given back. Raises as the engine does."""
        async with self._turn(user):
            slots = self._gone(user)
            if slots:
                await self._engine.release(user, slots)
                self._left(user, slots)

    async def clear(self, user: str) -> None:
        """Have the engine count no more of this user than is here, before somebody is told who is.

        An admission that came late may be counted, and nobody would ever hold it. Raises as the engine does.
        """
        async with self._turn(user):
            session = self._membership.now
            if session is None:
                return
            counted = [slot.slot for slot in await self._engine.slots(user) if slot.session == session.id]
            gone = tuple(slot for slot in counted if slot not in self._held)
            if gone:
                await self._engine.release(user, gone)
                self._left(user, gone)

    async def give_back_for_ever(self) -> None:
        """Whenever there is something to give back, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            for user in list(self._leaving):
                try:
                    await self.settle(user)
                except ClusterError:
                    self._wake.set()
                    await trio.sleep(self._spec.retry)
                except Exception as error:  # noqa: BLE001  # one user's trouble is nobody else's
                    self._leaving.pop(user, None)
                    self._tell_failed(user, error)

    # Comparing

    async def reconcile_for_ever(self) -> None:
        """Compare every user in each period, and all at once when the connection was made anew."""
        while True:
            users, period = self._users(), self._spec.reconcile_period
            hurried, self._hurry = self._hurry, False
            pace = 1 / RECONCILED_A_SECOND if hurried else period / max(1, len(users))
            for user in users:
                if await self._is_reconciled(user) and not hurried:
                    self._forget(user)
                await self._rest(pace)
                if self._hurry:
                    break
            if not users:
                await self._rest(period)

    async def _rest(self, seconds: float) -> None:
        """Until it is time for the next one, or for all."""
        until = trio.current_time() + seconds
        while not self._hurry and (left := until - trio.current_time()) > 0:
            await trio.sleep(min(left, self._spec.retry))
            connects = self._engine.wire.statistics().connects
            if connects != self._connects:
                self._connects, self._hurry = connects, True

    def _users(self) -> list[str]:
        here = () if self._node is None else self._node.users()
        return list(dict.fromkeys((*here, *self._recent)))

    async def _is_reconciled(self, user: str) -> bool:
        try:
            return await self.reconcile(user)
        except ClusterError:
            await trio.sleep(self._spec.retry)
            return False
        except Exception as error:  # noqa: BLE001  # one user's trouble is nobody else's
            self._tell_failed(user, error)
            return True  # as far as it ever will be

    def _forget(self, user: str) -> None:
        """Where nobody is left, comparing ends some time after the last slot was given back.

        Not with a comparison in a hurry: that one knows nothing of what was counted in an outage's last beat.
        """
        if self._recent.get(user, math.inf) <= trio.current_time():
            del self._recent[user]

    def _tell_failed(self, user: str, error: Exception) -> None:
        if self._node is not None:
            self._node.tell(ChoreFailed, user, error)

    async def reconcile(self, user: str) -> bool:
        """Have the engine count what is here of this user. Raises as the engine does. False: no lease."""
        async with self._turn(user):
            session, node = self._membership.now, self._node
            if session is None or node is None:
                return False
            claims = [claim for claim in node.claims_of(user) if claim.slot in self._held]
            leaving = tuple(self._leaving.get(user, ()))
            held = [Slot(c.slot, c.key, session.id, self._held[c.slot].fence) for c in claims]
            limit = claims[0].limit if claims else 0
            found = await self._engine.reconcile(
                user,
                session.id,
                held,
                limit=limit,
                over_limit=self._membership.keeps,
                as_of=session.fence,
            )
            if isinstance(found, Dead) or self._membership.now is not session:
                return False
            self._left(user, tuple(set(leaving) & set(found.dropped)))
            for slot in found.lost:
                self._held.pop(slot, None)
            keys = node.give_up(user, found.lost, "its slot in the cluster was lost, and is another's now")
            orphans = len(set(found.dropped) - set(leaving))
            if orphans or found.added or keys:
                node.tell(ReconciledEvent, user, orphans, len(found.added), keys)
            return True


def _check_text(**names: str) -> None:
    """Raise ValueError: what no UTF-8 can say cannot be told to an engine."""
    for what, name in names.items():
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{what} must be text that UTF-8 can hold, in a cluster, not {name!r}") from None
