"""Ours: a thousand users of twenty managers each, swept every second: what the loop and a neighbour feel.

Three times the same in one process: nobody sweeps and nobody is stuck; then 2 % are stuck for good, of so
many users that the sweep holds still, and looks at them all again each time; then 2 % get stuck every
second, are reaped by the sweep, and are replaced by their users.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter, process_time
from typing import Any

import attrs
import trio

from actors import ActorRef
from supervisor import ChildSpec, HealthPolicy, Supervisor, SupervisorSpec, Terminal, open_supervisor
from supervisor.testing import WedgedForever, Work

from .latency import in_short
from .ours import LIMIT, Idle
from .ours_growth import NEVER, sweep_every
from .work import EACH, names

# One manager in so many is stuck.
ONE_IN = 50

# So many of one user get stuck together: were it one of each, 40 % of the users had one, which is an alarm.
TOGETHER = 4

# What they do may take so long, in seconds; and then it is known of everybody that he hangs.
BUDGET = 0.3
KNOWN = 1.2 * BUDGET

PERIOD = 1.0

# Not all of a second's at the same moment.
SPREAD = 10

# How often the loop is looked at, and how long a neighbour stays away, in seconds.
TICK, AWAY = 0.005, 0.002

NEIGHBOUR = "neighbour"

# Each part lasts a second for so many managers; and so many seconds at least.
PACE = 4_000
SHORTEST = 0.2

SPEC: ChildSpec[Any] = ChildSpec(WedgedForever, health=HealthPolicy(budget=BUDGET))

Trouble = Callable[[], Awaitable[None]]
"""What happens meanwhile; cancelled when it is over."""


def crowd(n: int) -> dict[str, float]:
    return trio.run(live_together, n)


async def live_together(n: int) -> dict[str, float]:
    found: dict[str, float] = {}
    async with open_supervisor(LIMIT, spec=SupervisorSpec(sweep_period=NEVER)) as supervisor:
        here = Crowd(supervisor, names(n))
        await here.come()
        for name, trouble in {"still": here.rest, "held": here.hang, "reaped": here.come_and_hang}.items():
            found |= await felt(here, name, trouble)
            await here.recover()
    return found


@attrs.define(eq=False)
class Crowd:
    """All of them, and what is the matter with them."""

    supervisor: Supervisor
    who: list[tuple[str, str]]

    @property
    def seconds(self) -> float:
        return max(SHORTEST, len(self.who) / PACE)

    @property
    def period(self) -> float:
        """A second; less where there are so few of them that all of it is over before that."""
        return min(PERIOD, self.seconds / 4)

    async def come(self) -> list[ActorRef[Any]]:
        """Whoever is not here."""
        return [(await self.supervisor.get_or_spawn(user, key, SPEC)).ref for user, key in self.who]

    async def rest(self) -> None:
        """Nothing happens."""
        await trio.sleep_forever()

    async def hang(self) -> None:
        """One in fifty hangs, of far more users than by chance: the sweep looks, and ends nobody."""
        await self._hang((await self.come())[::ONE_IN])
        await trio.sleep(KNOWN)  # of all at once: were it but a few, the sweep would end them
        sweep_every(self.supervisor, self.period)
        await trio.sleep_forever()

    async def come_and_hang(self) -> None:
        """Each second one in fifty begins to hang; the sweep ends them, and their users come again."""
        sweep_every(self.supervisor, self.period)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._come_again)
            users, some = len(self.who) // EACH, max(1, len(self.who) // ONE_IN // TOGETHER // SPREAD)
            for turn in itertools.count():
                for number in range(turn * some, (turn + 1) * some):
                    await self._hang([self._one(number % users, key) for key in range(TOGETHER)])
                await trio.sleep(self.period / SPREAD)

    async def _come_again(self) -> None:
        with self.supervisor.events() as events:
            async for event in events:
                if isinstance(event, Terminal) and event.user != NEIGHBOUR:
                    await self.supervisor.get_or_spawn(event.user, event.key, SPEC)

    def _one(self, user: int, key: int) -> ActorRef[Any] | None:
        return self.supervisor.lookup(*self.who[user * EACH + key])

    async def _hang(self, refs: Sequence[ActorRef[Any] | None]) -> None:
        for ref in refs:
            if ref is not None:
                await ref.tell(Work())

    async def recover(self) -> None:
        """Nobody sweeps, and nobody hangs any more: who comes again takes over from who hung."""
        sweep_every(self.supervisor, NEVER)
        await trio.sleep(KNOWN)
        await self.supervisor.stop_user(NEIGHBOUR)
        await self.come()


# What is felt


async def felt(here: Crowd, name: str, trouble: Trouble) -> dict[str, float]:
    """By a neighbour, and by the loop."""
    lags: list[float] = []
    visits: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trouble)
        await trio.sleep(KNOWN)
        nursery.start_soon(watch_loop, lags)
        nursery.start_soon(visit, here.supervisor, visits)
        began, busy = perf_counter(), process_time()
        await trio.sleep(here.seconds)
        processor = (process_time() - busy) / (perf_counter() - began)
        nursery.cancel_scope.cancel()
    short = in_short(lags, f"{name}_lag_") | in_short(visits, f"{name}_spawn_")
    return short | {f"{name}_processor": processor}


async def watch_loop(lags: list[float]) -> None:
    """How late it comes to what is due."""
    while True:
        due = trio.current_time() + TICK
        await trio.sleep_until(due)
        lags.append(trio.current_time() - due)


async def visit(supervisor: Supervisor, waits: list[float]) -> None:
    """Somebody comes, goes, and comes again."""
    spec = ChildSpec(Idle)
    for number in itertools.count():
        asked_at = perf_counter()
        ref = (await supervisor.get_or_spawn(NEIGHBOUR, f"visit {number}", spec)).ref
        waits.append(perf_counter() - asked_at)
        ref.stop()
        await ref.wait_stopped()
        await trio.sleep(AWAY)
