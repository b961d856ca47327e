"""Whatever nodes do, in whatever order, at whatever time: the engine answers as a plain model does."""

from __future__ import annotations

import math
from functools import partial

import attrs
import trio
import trio.testing
from hypothesis import example, given, settings
from hypothesis import strategies as st

from supervisor.cluster._engine import (
    Admitted,
    Beat,
    Dead,
    Engine,
    Full,
    Opened,
    Reconciled,
    Slot,
    Taken,
    Warming,
)
from supervisor.cluster._redis import open_redis

from .conftest import World
from .simulated import BEGINNING, SimulatedEngine, open_simulated_engine

LEASE = 4.0
SESSIONS = ("s", "t", "x")
USERS = ("u", "v")
SLOTS = ("1", "2", "3", "4")
KEYS = ("k", "j")


# What a script is made of: plain data.


@attrs.frozen
class Open:
    session: str


@attrs.frozen
class Renew:
    session: str


@attrs.frozen
class Close:
    session: str


@attrs.frozen
class Admit:
    session: str
    user: str
    slot: str
    key: str
    limit: int
    gone: tuple[str, ...]


@attrs.frozen
class Release:
    user: str
    slots: tuple[str, ...]


@attrs.frozen
class Reconcile:
    session: str
    user: str
    held: tuple[tuple[str, str], ...]
    """Slots, each with its key; the fence is that which it had last, if any."""
    limit: int
    over_limit: bool


@attrs.frozen
class Sleep:
    seconds: float


@attrs.frozen
class StepClock:
    seconds: float


@attrs.frozen
class Wipe:
    pass


Step = Open | Renew | Close | Admit | Release | Reconcile | Sleep | StepClock | Wipe

sessions, users, slots, keys = map(st.sampled_from, (SESSIONS, USERS, SLOTS, KEYS))
limits = st.integers(0, 3)
some_slots = st.lists(slots, max_size=2, unique=True).map(tuple)
holdings = st.lists(st.tuples(slots, keys), max_size=3, unique_by=lambda pair: pair[0]).map(tuple)
quarters = st.integers(1, 18).map(lambda number: number / 4)
calls: st.SearchStrategy[Step] = st.one_of(
    st.builds(Admit, sessions, users, slots, keys, limits, some_slots),
    st.builds(Admit, sessions, st.just("u"), slots, keys, limits, st.just(())),
    st.builds(Reconcile, sessions, users, holdings, limits, st.booleans()),
    st.builds(Release, users, some_slots),
    st.builds(Open, sessions),
    st.builds(Renew, sessions),
    st.builds(Close, sessions),
)
steps: st.SearchStrategy[Step] = st.one_of(
    calls,
    calls,
    st.builds(Sleep, quarters),
    st.builds(StepClock, st.one_of(quarters, quarters.map(lambda number: -number))),
    st.builds(Wipe),
)
BEGUN = [Open(session) for session in SESSIONS]
# However long nobody asked, the engine's clock is not further ahead than this: see `clock.lua`.
LONGEST_STEP = 0.3 * LEASE

scripts = st.lists(steps, max_size=40).map(lambda rest: [*BEGUN, *rest])
# All live, and warm: for what needs no time.
scripts_at_once = st.lists(calls, max_size=30).map(lambda rest: [*BEGUN, *rest])


@attrs.define
class Model:
    """What the engine should know, as simply as it can be said: time in seconds, a list of slots per user."""

    now: float = 0.0
    back: float = 0.0
    """By how much its clock was set back in all, less what it was set ahead by."""
    raw: float = 0.0
    """What its clock says."""
    ends: dict[str, float] = attrs.field(factory=dict[str, float])
    """When each lease ends or has ended."""
    warm: float | None = None
    counted: dict[tuple[str, str], Slot] = attrs.field(factory=dict[tuple[str, str], Slot])
    """By user and slot, the oldest first."""
    owner: dict[tuple[str, str], str] = attrs.field(factory=dict[tuple[str, str], str])
    """By user and key, the slot that has it."""

    def tick(self, raw: float) -> None:
        """Called by each step that writes the time."""
        latest = math.inf if self.warm is None else self.now + LONGEST_STEP
        told = round(min(max(raw + self.back, self.now), latest), 6)
        self.raw, self.now, self.back = raw, told, told - raw

    def wipe(self) -> None:
        self.now = self.back = 0.0
        self.ends.clear()
        self.counted.clear()
        self.owner.clear()
        self.warm = None

    def lives(self, session: str) -> bool:
        return self.warm is not None and self.ends.get(session, -1.0) > self.now

    def live(self) -> tuple[str, ...]:
        return tuple(sorted(session for session in self.ends if self.lives(session)))

    def of(self, user: str) -> list[Slot]:
        return [slot for (whose, _), slot in self.counted.items() if whose == user]

    def live_of(self, user: str) -> tuple[Slot, ...]:
        alive = (slot for slot in self.of(user) if self.lives(slot.session))
        return tuple(sorted(alive, key=lambda slot: slot.fence))

    def drop(self, user: str, name: str) -> None:
        slot = self.counted.pop((user, name), None)
        if slot is not None and self.owner.get((user, slot.key)) == name:
            del self.owner[user, slot.key]

    def holder(self, user: str, key: str) -> Slot | None:
        name = self.owner.get((user, key))
        return None if name is None else self.counted[user, name]

    def is_anothers(self, slot: Slot | None, session: str) -> bool:
        return slot is not None and slot.session != session and self.lives(slot.session)

    def drop_if_dead(self, user: str, slot: Slot | None) -> None:
        if slot is not None and not self.lives(slot.session):
            self.drop(user, slot.slot)

    def has_room(self, user: str, limit: int) -> bool:
        if len(self.of(user)) >= limit:
            for slot in self.of(user):
                self.drop_if_dead(user, slot)
        return len(self.of(user)) < limit

    def count(self, user: str, slot: Slot) -> None:
        self.counted[user, slot.slot] = slot

    def claim(self, user: str, slot: Slot) -> None:
        holder = self.holder(user, slot.key)
        if holder is None or holder.session != slot.session or holder.fence < slot.fence:
            self.owner[user, slot.key] = slot.slot

    # Steps: what should be answered.

    def open(self, session: str) -> Opened | Dead:
        if session in self.ends and self.ends[session] <= self.now:
            return Dead()
        if self.warm is None:
            self.warm = self.now + LEASE
        self.ends[session] = self.now + LEASE
        return Opened(max(0.0, round(self.warm - self.now, 6)))

    def renew(self, session: str) -> tuple[str, ...] | Dead:
        if not self.lives(session):
            return Dead()
        self.ends[session] = self.now + LEASE
        return self.live()

    def close(self, session: str) -> None:
        self.ends[session] = min(self.ends.get(session, self.now), self.now)

    def admit(self, step: Admit) -> Slot | Taken | Full | Warming | Dead:
        """A slot: it is to be admitted, with a new fence if this one is 0."""
        if not self.lives(step.session):
            return Dead()
        for name in step.gone:
            self.drop(step.user, name)
        same = self.counted.get((step.user, step.slot))
        if same is not None and same.session == step.session:
            return same
        if same is not None and self.lives(same.session):
            return Taken(same)
        self.drop_if_dead(step.user, same)
        assert self.warm is not None
        if self.warm > self.now:
            return Warming(round(self.warm - self.now, 6))
        holder = self.holder(step.user, step.key)
        if self.is_anothers(holder, step.session):
            assert holder is not None
            return Taken(holder)
        self.drop_if_dead(step.user, holder)
        if not self.has_room(step.user, step.limit):
            return Full(self.live_of(step.user))
        return Slot(step.slot, step.key, step.session, 0)

    def reconcile(self, step: Reconcile, held: list[Slot]) -> Reconciled | Dead:
        if not self.lives(step.session):
            return Dead()
        names = {slot.slot for slot in held}
        mine = [slot.slot for slot in self.of(step.user) if slot.session == step.session]
        dropped = tuple(name for name in mine if name not in names)
        for name in dropped:
            self.drop(step.user, name)
        added, lost = list[str](), list[str]()
        for slot in sorted(held, key=lambda slot: slot.fence):
            counted = self.counted.get((step.user, slot.slot))
            if counted is not None and counted.session == step.session:
                if not self.is_anothers(self.holder(step.user, counted.key), step.session):
                    self.claim(step.user, counted)
            elif self.add(step, slot):
                added.append(slot.slot)
            else:
                lost.append(slot.slot)
        return Reconciled(tuple(sorted(dropped)), tuple(added), tuple(lost))

    def add(self, step: Reconcile, slot: Slot) -> bool:
        holder = self.holder(step.user, slot.key)
        same = self.counted.get((step.user, slot.slot))
        if self.is_anothers(holder, step.session) or self.is_anothers(same, step.session):
            return False
        self.drop_if_dead(step.user, holder)
        self.drop_if_dead(step.user, same)
        if not self.has_room(step.user, step.limit) and not step.over_limit:
            return False
        self.count(step.user, slot)
        self.claim(step.user, slot)
        return True


@attrs.define
class Judge:
    """Takes each step in both, and compares."""

    engine: Engine
    simulated: SimulatedEngine | None
    lease: float = LEASE
    model: Model = attrs.field(factory=Model)
    fence: int = 0
    """The greatest that was given."""
    fences: dict[tuple[str, str], int] = attrs.field(factory=dict[tuple[str, str], int])
    """The last of each slot."""

    async def take(self, step: Step) -> None:
        match step:
            case Sleep(seconds):
                for _ in range(int(seconds)):
                    await trio.sleep(1.0)
                    await self.keep_time()
                await trio.sleep(seconds % 1.0)
            case StepClock(seconds):
                assert self.simulated is not None
                self.simulated.step_clock(seconds)
            case Wipe():
                assert self.simulated is not None
                self.simulated.wipe()
                self.model.wipe()
                self.fence = 0
            case Release(user, slots):
                await self.engine.release(user, slots)
                for name in slots:
                    self.model.drop(user, name)
            case _:
                self.tick()
                await self.ask(step)

    def tick(self) -> None:
        if self.simulated is not None:
            # No steps of the clock take the model's time below zero.
            self.model.tick(self.simulated.now() - BEGINNING + 1000)

    async def ask(self, step: Open | Renew | Close | Admit | Reconcile) -> None:
        match step:
            case Open(session):
                expected, answer = self.model.open(session), await self.engine.open(session, self.lease, "")
                assert answer == expected or self.simulated is None
            case Renew(session):
                beat = await self.engine.beat(session, self.lease, "")
                assert (beat.live if isinstance(beat, Beat) else beat) == self.model.renew(session)
                if isinstance(beat, Beat):
                    assert beat.fence > self.fence
                    self.fence = beat.fence
            case Close(session):
                await self.engine.close(session)
                self.model.close(session)
            case Admit():
                await self.admit(step)
            case Reconcile():
                await self.reconcile(step)

    async def admit(self, step: Admit) -> None:
        expected = self.model.admit(step)
        wanted = Slot(step.slot, step.key, step.session, 0)
        answer = await self.engine.admit(step.user, wanted, limit=step.limit, gone=step.gone)
        if isinstance(expected, Slot) and not expected.fence:
            assert isinstance(answer, Admitted), (answer, expected)
            assert answer.slot.fence > self.fence
            self.fence = answer.slot.fence
            expected = attrs.evolve(expected, fence=self.fence)
            self.fences[step.user, step.slot] = self.fence
            self.model.count(step.user, expected)
            self.model.owner[step.user, step.key] = step.slot
        assert answer == (Admitted(expected) if isinstance(expected, Slot) else expected)

    async def reconcile(self, step: Reconcile) -> None:
        held = list[Slot]()
        for name, key in step.held:
            counted = self.model.counted.get((step.user, name))
            is_mine = counted is not None and counted.session == step.session
            if is_mine and counted is not None:
                key = counted.key  # noqa: PLW2901 -- a slot has one key for life
            fence = self.fences.setdefault((step.user, name), len(self.fences) + 1)
            held.append(Slot(name, key, step.session, fence))
        expected = self.model.reconcile(step, held)
        answer = await self.engine.reconcile(
            step.user, step.session, held, limit=step.limit, over_limit=step.over_limit
        )
        if isinstance(answer, Reconciled):
            answer = attrs.evolve(answer, dropped=tuple(sorted(answer.dropped)))
            self.fence = max([self.fence, *(slot.fence for slot in held if slot.slot in answer.added)])
        assert answer == expected

    async def keep_time(self) -> None:
        """As somebody's beat does: readers do not."""
        self.tick()
        await self.engine.close("nobody")
        self.model.close("nobody")

    async def compare(self) -> None:
        """What readers see is what the model knows."""
        await self.keep_time()
        for user in USERS:
            assert await self.engine.slots(user) == self.model.live_of(user)
        if self.model.warm is not None:
            assert tuple(node.session for node in await self.engine.nodes()) == self.model.live()


async def _simulated(script: list[Step]) -> None:
    async with open_simulated_engine() as engine:
        judge = Judge(Engine(engine.wire(delays=(0, 0)), "test"), engine)
        for step in script:
            await judge.take(step)
            await judge.compare()


@settings(max_examples=150)
@example(script=[*BEGUN, Sleep(4.0), Renew("s")])
@example(script=[*BEGUN, StepClock(4.0), Renew("s"), StepClock(1.0), Sleep(2.0), Renew("t")])
@example(script=[*BEGUN, StepClock(-4.0), Sleep(3.75), Renew("s"), Sleep(0.25), Renew("t")])
@example(script=[*BEGUN, Wipe(), Close("s"), StepClock(-0.25), Open("s")])
@given(script=scripts)
def test_the_simulated_engine_answers_as_the_model(script: list[Step]) -> None:
    trio.run(_simulated, script, clock=trio.testing.MockClock(autojump_threshold=0))


async def _real(port: int, script: list[Step]) -> None:
    async with open_redis(f"redis://127.0.0.1:{port}", call_timeout=10.0) as wire:
        world = World(wire, Engine(wire, "test"), lease=LEASE, simulated=None)
        await world.raw("FLUSHALL")
        judge = Judge(world.engine, None, lease=1000.0)  # nothing expires here, however busy the machine
        judge.model.now = 1.0
        with trio.fail_after(60):
            for number, step in enumerate(script):
                await judge.take(step)
                if number == 0:
                    await world.raw("HSET", "{test}:epoch", "warm", 0)
                    judge.model.warm = 0.0
                await judge.compare()


@given(script=scripts_at_once)
def test_a_real_engine_answers_as_the_model(port: int, script: list[Step]) -> None:
    trio.run(partial(_real, port), script)
