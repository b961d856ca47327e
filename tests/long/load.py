"""The load: users who come and go, and all that can go wrong with them, drawn from dice.

Each of twenty seats is taken by one user after the other: regulars who return, and guests who never
do. A visit is a burst of a few minutes; then the seat is empty for an hour or so. What ignores its
cancellation is released some time after the visit, so that whoever was condemned ends after all.
Every task rolls dice of its own: one that comes late changes nothing for the others.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import attrs
import trio

from actors import Actor, ActorCrashed, ActorRef, ActorStopped, MailboxFull, TooManyConnections
from supervisor import (
    ChildSpec,
    EventsLost,
    SpawnFailed,
    SpawnRefused,
    Supervisor,
    SupervisorSpec,
)
from supervisor.testing import Echo, Work, advance, connection, hold
from supervisor.testing._kinds import BAD, GOOD
from supervisor.testing._machine import crash_next_sweep

LIMIT = 5

# Fewer than the limit, so that some of the condemned come to hold a slot; jitter would be dice of its own.
SPEC = SupervisorSpec(condemned_allowance=2, slot_wait=2.0, process_limit=60, sweep_jitter=0.0)

SEATS = 20
REGULARS = tuple(f"regular {seat}" for seat in range(SEATS))

# More than a user may have: the last ones are refused.
KEYS = tuple(f"tab {number}" for number in range(8))

KINDS = {**GOOD, **BAD}
"""Every specimen but those that live in threads, which know no virtual time."""

# On average, in seconds: how long a seat stays empty, between two steps of a visit, and between two
# things that an operator does. Together some 4000 operations a day.
EMPTY = 6000.0
PAUSE = 4.0
UNDISTURBED = 900.0

STEPS = 16
"""Of one visit, on average."""

# How long a caller waits for room in a mailbox, or for an answer, in seconds.
PATIENCE = 3.0

# The earliest and the latest that what is stuck on purpose is released, in seconds after its visit.
RELEASE = (1.0, 3600.0)


def dice(*seed: object) -> random.Random:
    return random.Random(repr(seed))  # noqa: S311  # dice, not secrets


@attrs.define(eq=False)
class Load:
    """Everything that happens to one supervisor."""

    supervisor: Supervisor
    seed: int
    done: Counter[str] = attrs.field(init=False, factory=Counter[str])
    """How often which operation was done, and which kind was asked for."""
    _guests: Iterator[int] = attrs.field(init=False, factory=itertools.count)

    async def run(self, *, until: float) -> None:
        """Come and go until that time; returns when all have left, and what was stuck is released."""
        async with trio.open_nursery() as nursery:
            for seat in range(SEATS):
                nursery.start_soon(self._come_and_go, seat, until)
            nursery.start_soon(self._operate, until)

    async def _come_and_go(self, seat: int, until: float) -> None:
        rolls = dice(self.seed, seat, until)
        async with trio.open_nursery() as nursery:
            while await rests(rolls.expovariate(1 / EMPTY), until):
                user = REGULARS[seat] if rolls.random() < 0.5 else f"guest {next(self._guests)}"
                visit = Visit(self.supervisor, user, rolls, self.done)
                await visit.run()
                nursery.start_soon(
                    visit.release_at, min(until, trio.current_time() + rolls.uniform(*RELEASE))
                )

    # What concerns everybody

    async def _operate(self, until: float) -> None:
        rolls = dice(self.seed, "operator", until)
        deeds: tuple[Callable[[random.Random], Awaitable[None]], ...] = (
            self._clean_up,
            self._stall,
            self._listen,
            self._listen_slowly,
            self._crash_the_sweeper,
            self._change_limit_of_all,
        )
        while await rests(rolls.expovariate(1 / UNDISTURBED), until):
            deed = rolls.choice(deeds)
            self.done[deed.__name__.strip("_")] += 1
            await deed(rolls)

    async def _clean_up(self, rolls: random.Random) -> None:
        await self.supervisor.cleanup(dry_run=rolls.random() < 0.5)

    async def _stall(self, rolls: random.Random) -> None:
        """The loop does not run for so long; then all is due at once, and a cleanup looks first."""
        advance(rolls.uniform(0.3, 40.0))
        await self.supervisor.cleanup()

    async def _listen(self, rolls: random.Random) -> None:
        """A subscriber comes, keeps up, and is cancelled."""
        with self.supervisor.events() as news, trio.move_on_after(rolls.expovariate(1 / UNDISTURBED)):
            async for event in news:
                assert not isinstance(event, EventsLost)

    async def _listen_slowly(self, rolls: random.Random) -> None:
        """A subscriber comes, reads nothing, and has lost what it had no room for."""
        news = self.supervisor.events(capacity=10)
        await trio.sleep(rolls.expovariate(1 / UNDISTURBED))
        kept = [event for event in news.drain() if not isinstance(event, EventsLost)]
        assert len(kept) <= 10
        news.close()

    async def _crash_the_sweeper(self, rolls: random.Random) -> None:
        crash_next_sweep(self.supervisor)

    async def _change_limit_of_all(self, rolls: random.Random) -> None:
        self.supervisor.set_limit(rolls.randrange(1, 2 * LIMIT))
        await trio.sleep(rolls.uniform(0, 300))
        self.supervisor.set_limit(LIMIT)


@attrs.define(eq=False)
class Visit:
    """One user, for some minutes."""

    supervisor: Supervisor
    user: str
    rolls: random.Random
    done: Counter[str]
    release: trio.Event = attrs.field(init=False, factory=trio.Event)
    """Its specimens wait for it, where they ignore cancellation."""
    _refs: list[ActorRef[Any]] = attrs.field(init=False, factory=list[ActorRef[Any]])

    async def run(self) -> None:
        """Take some steps, and leave: every caller is cancelled, every connection ends."""
        async with trio.open_nursery() as nursery:
            for _ in range(1 + int(self.rolls.expovariate(1 / STEPS))):
                await self._step(nursery)
                await trio.sleep(self.rolls.choice((0.0, self.rolls.expovariate(1 / PAUSE))))
            nursery.cancel_scope.cancel()
        if self.user in REGULARS:
            self.supervisor.set_limit(LIMIT, user=self.user)
        if self.rolls.random() < 0.3:
            await self.supervisor.stop_user(self.user, "signed out")

    async def release_at(self, when: float) -> None:
        await trio.sleep_until(when)
        self.release.set()

    async def _step(self, nursery: trio.Nursery) -> None:
        """Those that wait are done beside the others."""
        (step,) = self.rolls.choices(list(_STEPS), list(_STEPS.values()))
        self.done[step.__name__] += 1
        nursery.start_soon(step, self, nursery)
        await trio.lowlevel.checkpoint()

    def _ref(self) -> ActorRef[Any] | None:
        """One that was obtained some time; it may have ended since."""
        return self.rolls.choice(self._refs) if self._refs else None

    # Obtaining

    async def spawn(self, nursery: trio.Nursery) -> None:
        """Somebody asks for a manager, and gives it work, on which it may misbehave."""
        await self._obtain(self.rolls.choice(KEYS), nursery)
        if self.rolls.random() < 0.7:
            await self.wedge(nursery)

    async def get_or_spawn_at_once(self, nursery: trio.Nursery) -> None:
        """Several ask for the same manager at once."""
        key = self.rolls.choice(KEYS)
        for _ in range(self.rolls.randrange(2, 5)):
            nursery.start_soon(self._obtain, key, nursery)

    async def crowd(self, nursery: trio.Nursery) -> None:
        """One after the other, for more than there is room for."""
        for key in KEYS:
            await self._obtain(key, nursery)

    async def spawn_and_cancel(self, nursery: trio.Nursery) -> None:
        """The caller is cancelled some turns later, or some seconds."""
        with trio.CancelScope() as scope:
            nursery.start_soon(self._cancel, scope, self.rolls.randrange(12), self.rolls.choice((0.0, 1.0)))
            await self._obtain(self.rolls.choice(KEYS), nursery)

    async def _cancel(self, scope: trio.CancelScope, turns: int, seconds: float) -> None:
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        await trio.sleep(seconds)
        scope.cancel()

    async def _obtain(self, key: str, nursery: trio.Nursery) -> None:
        kind = self.rolls.choice(list(KINDS))

        def make() -> Actor[Any]:
            self.done[f"kind: {kind}"] += 1
            return KINDS[kind](self)

        spec = ChildSpec(make, mailbox_capacity=4, force=self.rolls.random() < 0.3)
        try:
            obtained = await self.supervisor.get_or_spawn(self.user, key, spec)
        except (SpawnRefused, SpawnFailed) as error:
            self.done[type(error).__name__] += 1
            return
        self.done["created" if obtained.created else "found"] += 1
        self._refs.append(obtained.ref)
        await self.connect(nursery)

    # Talking

    async def wedge(self, nursery: trio.Nursery) -> None:
        if (ref := self._ref()) is not None:
            with suppress(MailboxFull, ActorStopped):
                ref.tell_nowait(Work())

    async def flood(self, nursery: trio.Nursery) -> None:
        """Its mailbox is filled up, and one more waits for room."""
        if (ref := self._ref()) is not None:
            with suppress(ActorStopped), trio.move_on_after(PATIENCE):
                for _ in range(6):
                    await ref.tell(Echo())

    async def ask(self, nursery: trio.Nursery) -> None:
        if (ref := self._ref()) is not None:
            with suppress(ActorStopped, ActorCrashed), trio.move_on_after(PATIENCE):
                assert await ref.ask(Echo("hello")) == "hello"

    # Connections

    async def connect(self, nursery: trio.Nursery) -> None:
        """A client comes, perhaps a mute one, and stays until the visit ends; or until it is cut off."""
        ref = self._ref()
        if ref is not None and ref.pulse.connections is not None:
            nursery.start_soon(self._hold, ref, self.rolls.random() < 0.2, self.rolls.choice((600.0, 20.0)))

    async def flap(self, nursery: trio.Nursery) -> None:
        """A client that comes and goes, and comes and goes."""
        ref = self._ref()
        while ref is not None and ref.pulse.connections is not None and self.rolls.random() < 0.8:
            await self._hold(ref, mute=False, seconds=self.rolls.choice((0.0, 0.1, 1.0)))

    async def _hold(self, ref: ActorRef[Any], mute: bool, seconds: float) -> None:
        wire = connection(mute=mute)
        with trio.move_on_after(seconds):
            try:
                await hold(ref, wire)
            except* (ActorStopped, TooManyConnections):
                self.done["turned away"] += 1

    # Ending

    async def stop(self, nursery: trio.Nursery) -> None:
        if (ref := self._ref()) is not None:
            ref.stop()

    async def stop_all(self, nursery: trio.Nursery) -> None:
        await self.supervisor.stop_user(self.user)

    async def clean_up(self, nursery: trio.Nursery) -> None:
        await self.supervisor.cleanup(self.user, dry_run=self.rolls.random() < 0.3)

    async def change_limit(self, nursery: trio.Nursery) -> None:
        """Of one that comes again; a limit that is set for a user is kept for ever."""
        if self.user in REGULARS:
            self.supervisor.set_limit(self.rolls.randrange(LIMIT + 2), user=self.user)


_STEPS: dict[Callable[[Visit, trio.Nursery], Awaitable[None]], int] = {
    Visit.spawn: 12,
    Visit.get_or_spawn_at_once: 3,
    Visit.crowd: 1,
    Visit.spawn_and_cancel: 4,
    Visit.wedge: 5,
    Visit.flood: 2,
    Visit.ask: 4,
    Visit.connect: 3,
    Visit.flap: 2,
    Visit.stop: 3,
    Visit.stop_all: 1,
    Visit.clean_up: 2,
    Visit.change_limit: 2,
}
"""And how often each is chosen, relative to the others."""


async def rests(seconds: float, until: float) -> bool:
    """Sleep; False: there is no time left for it, and it is `until`."""
    when = trio.current_time() + seconds
    await trio.sleep_until(min(when, until))
    return when < until
