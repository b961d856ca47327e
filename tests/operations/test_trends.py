"""How the numbers went: series, rates and quantiles, against a naive recount."""

from __future__ import annotations

import math
import random
from collections import deque
from itertools import pairwise

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor import BOUNDS, Counts, Histogram
from supervisor._counts import Tally
from supervisor.operations._trends import KEPT, RATES, RECENT, Sample, Trends, quantile
from tests.supervisor.harness import dice

NOTHING = Tally().counts()


def numbers(**given: object) -> Counts:
    return attrs.evolve(NOTHING, **given)  # type: ignore[arg-type]  # names of counts


def histogram(seconds: list[float]) -> Histogram:
    counted = Histogram()
    for each in seconds:
        counted = counted.plus(each)
    return counted


def test_of_nothing_there_are_no_rates() -> None:
    trends = Trends()
    assert trends.rates() == dict.fromkeys(RATES, 0.0)
    assert trends.spawns() == {"p50": None, "p99": None}
    assert trends.lag() == {"now": 0.0, "worst": 0.0}
    assert set(map(len, trends.series().values())) == {0}
    trends.add(Sample(1.0, numbers(managers_created=7), 0.5))
    assert trends.rates() == dict.fromkeys(RATES, 0.0), "what was before is not of this minute"
    assert trends.series()["created"] == [0.0]
    assert trends.lag() == {"now": 0.5, "worst": 0.5}


def test_of_less_than_a_minute_nothing_is_foretold() -> None:
    trends = Trends()
    for second in range(11):
        trends.add(Sample(float(second), numbers(managers_created=2 * second), 0.0))
    assert trends.rates()["managers_created"] == 20.0


def test_a_loop_that_was_late_does_not_raise_the_rates() -> None:
    trends = Trends()
    for number in range(11):
        trends.add(Sample(6.0 * number, numbers(managers_created=number), 5.0))
    assert trends.rates()["managers_created"] == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("seconds", "part", "bound"),
    [
        ([], 0.5, None),
        ([0.0001], 0.5, 0.0001),
        ([0.0001] * 99 + [3.0], 0.5, 0.0001),
        ([0.0001] * 99 + [3.0], 0.99, 0.0001),
        ([0.0001] * 98 + [3.0] * 2, 0.99, 5.0),
        ([1000.0], 0.5, BOUNDS[-1]),
        ([0.0001, 0.0001, 0.3], 0.5, 0.0001),
        ([0.0001, 0.3, 0.3], 0.5, 0.5),
    ],
)
def test_a_quantile_is_the_bound_that_so_many_keep(
    seconds: list[float], part: float, bound: float | None
) -> None:
    assert quantile(histogram(seconds).counts, part) == bound


@settings(deadline=None)
@given(st.lists(st.floats(0, 20), max_size=50), st.floats(0.01, 1))
def test_a_quantile_is_the_naive_one_rounded_up_to_a_bound(seconds: list[float], part: float) -> None:
    expected = None
    if seconds:
        naive = sorted(seconds)[math.ceil(part * len(seconds) - 1e-9) - 1]
        expected = next((bound for bound in BOUNDS if bound >= naive), BOUNDS[-1])
    assert quantile(histogram(seconds).counts, part) == expected


@attrs.define
class Recount:
    """The same, the slow way: everything is kept."""

    samples: list[Sample] = attrs.field(factory=list[Sample])
    spawned: list[list[float]] = attrs.field(factory=list[list[float]])
    """What took how long, by sample."""

    def step(self, roll: random.Random) -> Sample:
        """What may have happened in one more second."""
        before = self.samples[-1] if self.samples else Sample(0.0, NOTHING, 0.0)
        took = [roll.choice([0.00005, 0.002, 0.2, 4.0, 99.0]) for _ in range(roll.randrange(4))]
        late = roll.choice([0.0, 0.0, 0.5, 3.0])
        at_once, counts = roll.randrange(len(took) + 1), before.counts
        for seconds in took[:at_once]:
            counts = attrs.evolve(counts, spawned=counts.spawned.plus(seconds))
        for seconds in took[at_once:]:
            counts = attrs.evolve(counts, spawned_after_cleanup=counts.spawned_after_cleanup.plus(seconds))
        grown = {name: getattr(counts, name) + roll.randrange(5) for name in RATES}
        counts = attrs.evolve(counts, managers=roll.randrange(9), zombies=roll.randrange(9), **grown)
        self.samples.append(Sample(before.at + 1 + late, counts, late))
        self.spawned.append(took)
        return self.samples[-1]

    def rates(self) -> dict[str, float]:
        recent = self.samples[-RECENT - 1 :]
        minutes = max(1.0, (recent[-1].at - recent[0].at) / 60)
        grown = {name: getattr(recent[-1].counts, name) - getattr(recent[0].counts, name) for name in RATES}
        return {name: number / minutes for name, number in grown.items()}

    def slowest_of_the_last_minute(self) -> float | None:
        steps = min(RECENT, len(self.samples) - 1)
        return slowest([each for several in self.spawned[-steps:] for each in several] if steps else [])


def slowest(took: list[float]) -> float | None:
    """The bound that all of them keep."""
    return next((bound for bound in BOUNDS if bound >= max(took)), BOUNDS[-1]) if took else None


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 200))
def test_series_rates_and_lag_equal_their_recount(seed: int, steps: int) -> None:
    roll, trends, recount = dice(seed), Trends(), Recount()
    for _ in range(steps):
        trends.add(recount.step(roll))
    samples = recount.samples
    series = trends.series()
    assert series["managers"] == [sample.counts.managers for sample in samples]
    assert series["zombies"] == [sample.counts.zombies for sample in samples]
    assert series["lag"] == [sample.lag for sample in samples]
    created = [sample.counts.managers_created for sample in samples]
    assert series["created"] == [
        0,
        *(late - early for early, late in pairwise(created)),
    ]
    assert series["spawn_p99"] == [None, *map(slowest, recount.spawned[1:])], "not of before"
    assert trends.rates() == pytest.approx(recount.rates())
    assert trends.spawns()["p99"] == recount.slowest_of_the_last_minute()
    recent = deque(samples, maxlen=RECENT + 1)
    assert trends.lag() == {"now": samples[-1].lag, "worst": max(sample.lag for sample in recent)}


def test_only_the_last_ten_minutes_are_kept() -> None:
    trends = Trends()
    for second in range(KEPT + 50):
        trends.add(Sample(float(second), numbers(managers=second), 0.0))
    assert trends.series()["managers"] == list(range(50, KEPT + 50))
