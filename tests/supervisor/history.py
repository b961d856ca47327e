"""Histories of concurrent calls, and the search for one sequence of instants that explains them.

That is linearizability (Herlihy and Wing, 1990). The search is Wing and Gong's ("Testing and verifying
concurrent objects", 1993) with Lowe's memory of what was tried ("Testing for linearizability", 2017), as
in Knossos and Porcupine. Since a spawn takes its time and actors end by themselves, the model also has
steps of its own between the instants of the calls: a slot is reserved, an actor starts, dies, is gone.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import trio

from actors import ActorRef, ActorStopped, State
from supervisor import ChildSpec, SpawnFailed, SpawnRefused, Supervisor
from supervisor.testing import Work


class Did(enum.Enum):
    """What a call did, or learned, by what it returned."""

    CREATED = "created"
    FOUND = "found"
    REFUSED = "was refused"
    FAILED = "failed to start"
    GAVE_UP = "gave up asking"
    LOOKED_UP = "looked up"
    MISSED = "looked up in vain"
    STOPPED = "stopped"
    UPSET = "upset"
    """Sent what makes it end by itself, whenever it comes to that."""
    SAW_ALIVE = "saw alive"
    SAW_ENDING = "saw ending"
    """Or ended: from now on nobody may be given it."""


ASKED = {Did.CREATED, Did.FOUND, Did.REFUSED, Did.FAILED, Did.GAVE_UP}
"""By `get_or_spawn`."""


@attrs.frozen
class Call:
    """One call, from its invocation to its return; instants are numbered through the whole history."""

    did: Did
    key: str
    who: int | None
    """The incarnation it is about."""
    invoked: int
    returned: int

    def __str__(self) -> str:
        who = "" if self.who is None else f"#{self.who}"
        return f"{self.invoked}-{self.returned} {self.did.value} {self.key}{who}"


@attrs.define(eq=False)
class Recorder:
    """Calls a supervisor for one user, and writes down what each call did and when."""

    supervisor: Supervisor
    user: str = "ann"
    calls: list[Call] = attrs.field(init=False, factory=list[Call])
    refs: list[ActorRef[Any]] = attrs.field(init=False, factory=list[ActorRef[Any]])
    """All that anybody was ever given, in order."""
    _instant: int = attrs.field(init=False, default=0)

    def _tick(self) -> int:
        self._instant += 1
        return self._instant

    def _note(self, did: Did, about: ActorRef[Any] | str, invoked: int) -> None:
        if isinstance(about, str):
            self.calls.append(Call(did, about, None, invoked, self._tick()))
        else:
            key, _, incarnation = about.name.removeprefix(f"{self.user}/").rpartition("#")
            self.calls.append(Call(did, key, int(incarnation), invoked, self._tick()))

    async def get(self, key: str, spec: ChildSpec[Any], *, patience: float) -> None:
        """Ask, and give up after so many seconds."""
        invoked = self._tick()
        with trio.move_on_after(patience) as scope:
            await self._get(key, spec, invoked)
        if scope.cancelled_caught:
            self._note(Did.GAVE_UP, key, invoked)

    async def _get(self, key: str, spec: ChildSpec[Any], invoked: int) -> None:
        try:
            got = await self.supervisor.get_or_spawn(self.user, key, spec)
        except SpawnRefused:
            self._note(Did.REFUSED, key, invoked)
        except SpawnFailed:
            self._note(Did.FAILED, key, invoked)
        else:
            self.refs.append(got.ref)
            self._note(Did.CREATED if got.created else Did.FOUND, got.ref, invoked)

    def lookup(self, key: str) -> None:
        invoked = self._tick()
        ref = self.supervisor.lookup(self.user, key)
        if ref is None:
            self._note(Did.MISSED, key, invoked)
        else:
            self.refs.append(ref)
            self._note(Did.LOOKED_UP, ref, invoked)

    def stop(self, ref: ActorRef[Any]) -> None:
        invoked = self._tick()
        ref.stop()
        self._note(Did.STOPPED, ref, invoked)

    async def upset(self, ref: ActorRef[Any]) -> None:
        invoked = self._tick()
        try:
            await ref.tell(Work())
        except ActorStopped:
            self._note(Did.SAW_ENDING, ref, invoked)
        else:
            self._note(Did.UPSET, ref, invoked)

    def see(self, ref: ActorRef[Any]) -> None:
        invoked = self._tick()
        alive = ref.state is State.RUNNING
        self._note(Did.SAW_ALIVE if alive else Did.SAW_ENDING, ref, invoked)

    async def wait_stopped(self, ref: ActorRef[Any]) -> None:
        """A wait that is cancelled has learned nothing and is not written down."""
        invoked = self._tick()
        await ref.wait_stopped()
        self._note(Did.SAW_ENDING, ref, invoked)


class Phase(enum.Enum):
    """Of the one that holds a slot."""

    RESERVED = "reserved"
    LIVE = "live"
    DYING = "dying"


@attrs.frozen
class Slot:
    phase: Phase
    who: int | None = None


@attrs.frozen
class World:
    """The model at one instant: who holds the slots, by key, and what cannot happen a second time."""

    slots: frozenset[tuple[str, Slot]] = frozenset()
    started: frozenset[int] = frozenset()
    claimed: frozenset[int] = frozenset()
    """Those of whom somebody was told to have created them."""

    def under(self, key: str) -> Slot | None:
        return dict(self.slots).get(key)

    def with_slot(self, key: str, slot: Slot | None) -> World:
        others = frozenset(held for held in self.slots if held[0] != key)
        return attrs.evolve(self, slots=others if slot is None else others | {(key, slot)})

    def allows(self, call: Call, limit: int) -> bool:
        """Can this be the instant at which the call did what it did?"""
        slot = self.under(call.key)
        lives = slot == Slot(Phase.LIVE, call.who)
        anybody_lives = slot is not None and slot.phase is Phase.LIVE
        return {
            Did.CREATED: lives and call.who not in self.claimed,
            Did.FOUND: lives,
            Did.REFUSED: slot is None and len(self.slots) >= limit,
            Did.FAILED: slot is not None and not anybody_lives,
            Did.GAVE_UP: True,
            Did.LOOKED_UP: lives,
            Did.MISSED: not anybody_lives,
            Did.STOPPED: call.who in self.started,
            Did.UPSET: lives,
            Did.SAW_ALIVE: lives,
            Did.SAW_ENDING: not lives and call.who in self.started,
        }[call.did]

    def after(self, call: Call) -> World:
        """The world after the call's instant."""
        slot = self.under(call.key)
        match call.did:
            case Did.CREATED:
                assert call.who is not None
                return attrs.evolve(self, claimed=self.claimed | {call.who})
            case Did.FAILED if slot is not None:
                return self.with_slot(call.key, Slot(Phase.DYING, slot.who))
            case Did.STOPPED if slot == Slot(Phase.LIVE, call.who):
                return self.with_slot(call.key, Slot(Phase.DYING, call.who))
            case _:
                return self


Step = tuple[str, World]
"""One of the model's own: what happened, and the world after it."""


@attrs.frozen
class Search:
    """For an order of all calls, and steps of the model between them, in which each did what it did."""

    calls: tuple[Call, ...]
    limit: int

    def order(self) -> list[str] | None:
        """One that explains the history, in words; None: there is none."""
        todo: list[tuple[frozenset[Call], World, tuple[str, ...]]] = [(frozenset(), World(), ())]
        tried: set[tuple[frozenset[Call], World]] = set()
        while todo:
            done, world, path = todo.pop()
            if len(done) == len(self.calls):
                return list(path)
            if (done, world) in tried:
                continue
            tried.add((done, world))
            now = self._may_happen_now(done)
            todo += [(done, next_, (*path, said)) for said, next_ in self._own_steps(done, now, world)]
            for call in now:
                if world.allows(call, self.limit):
                    todo.append((done | {call}, world.after(call), (*path, str(call))))
        return None

    def _may_happen_now(self, done: frozenset[Call]) -> list[Call]:
        """Those that were invoked before any other of those left had returned."""
        left = [call for call in self.calls if call not in done]
        first_return = min(call.returned for call in left)
        return [call for call in left if call.invoked < first_return]

    def _own_steps(self, done: frozenset[Call], now: Sequence[Call], world: World) -> Iterator[Step]:
        """What may happen between two calls, on behalf of those under way or by itself."""
        yield from self._reservations(now, world)
        for key, slot in world.slots:
            match slot.phase:
                case Phase.RESERVED:
                    yield from self._starts(key, now, world)
                    if any(call.did is Did.GAVE_UP and call.key == key for call in done):
                        yield f"given up {key}", world.with_slot(key, Slot(Phase.DYING))
                case Phase.LIVE:
                    if any(call.did is Did.UPSET and call.who == slot.who for call in (*done, *now)):
                        yield f"dies {key}#{slot.who}", world.with_slot(key, Slot(Phase.DYING, slot.who))
                case Phase.DYING:
                    yield f"gone {key}", world.with_slot(key, None)

    def _reservations(self, now: Sequence[Call], world: World) -> Iterator[Step]:
        if len(world.slots) < self.limit:
            for key in {call.key for call in now if call.did in ASKED}:
                if world.under(key) is None:
                    yield f"reserved {key}", world.with_slot(key, Slot(Phase.RESERVED))

    def _starts(self, key: str, now: Sequence[Call], world: World) -> Iterator[Step]:
        for who in self._may_start(key, now) - world.started:
            started = world.with_slot(key, Slot(Phase.LIVE, who))
            yield f"started {key}#{who}", attrs.evolve(started, started=world.started | {who})

    def _may_start(self, key: str, now: Sequence[Call]) -> set[int]:
        """Whom a call under way creates; or whom nobody did, since whoever asked for it never had it."""
        asked = [call for call in now if call.key == key]
        wanted = {call.who for call in asked if call.did is Did.CREATED}
        if any(call.did in {Did.FAILED, Did.GAVE_UP} for call in asked):
            made = {call.who for call in self.calls if call.did is Did.CREATED}
            wanted |= {call.who for call in self.calls if call.key == key} - made
        return {who for who in wanted if who is not None}


def explained(calls: Sequence[Call], *, limit: int) -> list[str] | None:
    """An order of instants in which a correct supervisor would have answered like this, or None."""
    return Search(tuple(calls), limit).order()
