"""10,000 that crash again and again: others get their turn, and back-off keeps the crowd out of step."""

from __future__ import annotations

import logging
from collections import Counter

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors import Actor
from supervisor import ChildSpec, Restart, Restarting, RestartPolicy, Supervisor, open_supervisor
from supervisor.testing import Echo, Healthy

USERS, EACH = 500, 20

# Each lives for so long, and then waits for up to so long, in seconds.
LIFE, LONGEST_WAIT = 0.5, 8.0

# When they have forgotten that all of them began at once, and for how long they are watched after that.
SETTLED, WATCHED = 12, 10

POLICY = RestartPolicy(
    when=Restart.ON_FAILURE, intensity=1_000_000, backoff=1.0, backoff_limit=LONGEST_WAIT, healthy_after=60.0
)


class Doomed(Actor[None]):
    async def on_start(self) -> None:
        self.tell_later(None, LIFE)

    async def handle(self, message: None) -> None:
        raise ValueError(message)


@attrs.define(eq=False)
class Turns(trio.abc.Instrument):
    count: int = 0

    def before_io_wait(self, timeout: float) -> None:  # Trio's signature
        self.count += 1


async def count_beginnings(supervisor: Supervisor, beginnings: Counter[int]) -> None:
    """When each was to begin anew, by the second."""
    with supervisor.events(capacity=1_000_000) as events:
        async for event in events:
            if isinstance(event, Restarting):
                beginnings[int(event.stamp.at + event.delay)] += 1


async def test_10000_crash_loops_starve_nobody_and_fall_out_of_step(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="supervisor")
    beginnings: Counter[int] = Counter()
    turns = Turns()
    async with open_supervisor(EACH + 1) as supervisor, trio.open_nursery() as nursery:
        nursery.start_soon(count_beginnings, supervisor, beginnings)
        spec = ChildSpec(Doomed, restart=POLICY)
        healthy = [(await supervisor.get_or_spawn("user 0", "healthy", ChildSpec(Healthy))).ref]
        healthy += [(await supervisor.get_or_spawn("calm", "healthy", ChildSpec(Healthy))).ref]
        for number in range(USERS * EACH):
            await supervisor.get_or_spawn(f"user {number % USERS}", f"doomed {number // USERS}", spec)
        trio.lowlevel.add_instrument(turns)
        slowest = 0
        while trio.current_time() < SETTLED + WATCHED:
            for ref in healthy:
                before = turns.count
                assert await ref.ask(Echo("there?")) == "there?"
                slowest = max(slowest, turns.count - before)
            await trio.sleep(0.1)
        trio.lowlevel.remove_instrument(turns)
        held = sum(user.slots_held for user in supervisor.snapshot().users)
        assert held == USERS * EACH + len(healthy), "each has kept its slot"
        nursery.cancel_scope.cancel()
    assert slowest <= 3, "an answer takes as many turns of the loop as it does when nobody crashes"
    usual = USERS * EACH / (LIFE + LONGEST_WAIT / 2)
    seconds = [beginnings[second] for second in range(SETTLED, SETTLED + WATCHED - 1)]
    assert max(seconds) < 1.25 * usual
    assert min(seconds) > 0.75 * usual
