"""A day of virtual time under random load: the tables are true at each hour, and nothing is left."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import attrs
import pytest
import trio

from tests.long.days import BLOCKS, Accounts, Day, Stand, has_grown, run_days
from tests.long.load import KINDS, Load

# Acceptance A21, in seconds of this process' time: a busy machine is not our failure.
LONGEST = 60.0

# As short as a day may be: two hours of load, and the night.
SHORT = 5


def test_a_day_of_random_load_leaves_nothing_behind() -> None:
    days: list[Day] = []
    began = time.process_time()
    run_days(1, days.append, seed=0)
    assert time.process_time() - began < LONGEST
    (day,) = days
    assert day.wrong == ()
    assert day.stand.rows == 0
    assert not KINDS.keys() - {kind.removeprefix("kind: ") for kind in day.done}, "every specimen was there"
    for what in ("Refused", "Condemned", "Stalled", "ended after all", "gone: idle", "gone: disconnected"):
        assert day.seen[what] >= 5, what


@attrs.define(eq=False)
class LeavesATask(Load):
    """Starts a task that nobody ends."""

    async def run(self, *, until: float) -> None:
        await super().run(until=until)
        self.supervisor.handler_nursery.start_soon(trio.sleep_forever)


@attrs.define(eq=False)
class LeavesASubscription(Load):
    """Subscribes, and never closes."""

    async def run(self, *, until: float) -> None:
        await super().run(until=until)
        self.supervisor.events(capacity=1)


@pytest.mark.parametrize(
    ("make", "what"), [(LeavesATask, "9 tasks"), (LeavesASubscription, "2 subscriptions")]
)
def test_what_is_left_behind_is_found_in_the_night(make: type[Load], what: str) -> None:
    days: list[Day] = []
    run_days(1, days.append, hours=SHORT, make=make)
    (wrong,) = days[0].wrong
    assert wrong.startswith(what)


def test_growth_is_found_at_once_and_as_a_trend_and_noise_is_none() -> None:
    assert not has_grown([0, 90, 10, 80, 20, 70, 30, 60, 95], noise=100)
    assert has_grown([0, 0, 0, 101], noise=100)
    assert has_grown([0, 90, 10, 80, 20, 70, 90, 95, 90], noise=70)


def test_a_memory_that_grows_each_day_is_not_well(tmp_path: Path) -> None:
    def verdict(growth: int) -> bool:
        accounts = Accounts(traced=False, folder=tmp_path)
        for number in range(1, 6):
            stand = Stand(6, 0, 1, 0, growth * number, 1000)
            accounts.close_day(Day(number, Counter(), Counter(), stand, ()))
        return accounts.verdict()

    assert verdict(0)
    assert not verdict(BLOCKS)
