"""A token bucket lets through a burst, and then so much a second; never more, and no less."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import TokenBucket


def taken(bucket: TokenBucket, times: list[float]) -> list[float]:
    """The times at which it let one through."""
    return [now for now in times if bucket.take(now)]


def test_it_is_full_at_first() -> None:
    assert len(taken(TokenBucket(rate=1, burst=5), [100.0] * 9)) == 5


def test_it_refills_at_its_rate() -> None:
    bucket = TokenBucket(rate=2, burst=5)
    assert len(taken(bucket, [100.0] * 5)) == 5
    assert taken(bucket, [100.25, 100.5, 100.75, 101.0, 101.0]) == [100.5, 101.0]


def test_it_holds_no_more_than_its_burst() -> None:
    bucket = TokenBucket(rate=2, burst=5)
    assert bucket.take(0)
    assert len(taken(bucket, [1000.0] * 9)) == 5


def test_what_is_refused_costs_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    assert taken(bucket, [0.0, 0.25, 0.5, 0.75, 1.0]) == [0.0, 1.0]


def test_several_are_taken_together_or_not_at_all() -> None:
    bucket = TokenBucket(rate=1, burst=5)
    assert bucket.take(0, 4)
    assert not bucket.take(0, 2)
    assert bucket.take(0)
    assert not bucket.take(0, 0.5)
    assert bucket.take(0.5, 0.5)


def test_a_clock_that_goes_back_gains_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    assert taken(bucket, [10.0, 5.0, 10.5, 5.0, 10.9]) == [10.0]


def test_it_says_when_it_is_full_again() -> None:
    bucket = TokenBucket(rate=2, burst=5)
    assert bucket.full_at() < 0  # it always was
    assert bucket.take(100, 3)
    assert bucket.full_at() == 101.5
    assert bucket.take(101, 1)
    assert bucket.full_at() == 102
    assert len(taken(bucket, [102.0] * 9)) == 5


@pytest.mark.parametrize(("rate", "burst"), [(0, 5), (-1, 5), (float("nan"), 5), (1, 0.5), (1, float("nan"))])
def test_one_that_would_never_let_anything_through_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="rate > 0 and burst >= 1"):
        TokenBucket(rate, burst)


rates = st.sampled_from([0.1, 1.0, 5.0, 1000.0])
bursts = st.sampled_from([1.0, 2.5, 20.0])
gaps = st.lists(st.one_of(st.just(0.0), st.floats(0, 0.5), st.floats(0, 100)), min_size=1, max_size=80)


@given(rates, bursts, gaps)
def test_no_window_lets_through_more_than_the_burst_and_the_rate(
    rate: float, burst: float, gaps: list[float]
) -> None:
    let_through = taken(TokenBucket(rate, burst), list(accumulate(gaps)))
    for first, start in enumerate(let_through):
        for count, end in enumerate(let_through[first:], start=1):
            assert count <= burst + rate * (end - start) + 1e-6


@given(rates, bursts, gaps)
def test_who_keeps_to_the_rate_is_never_refused(rate: float, burst: float, gaps: list[float]) -> None:
    times = list(accumulate(1.0001 / rate + gap for gap in gaps))
    assert taken(TokenBucket(rate, burst), times) == times


@given(rates, bursts, gaps)
def test_once_it_is_full_it_is_as_good_as_new(rate: float, burst: float, gaps: list[float]) -> None:
    bucket = TokenBucket(rate, burst)
    times = list(accumulate(gaps))
    taken(bucket, times)
    later = max(times[-1], bucket.full_at()) + 1e-6
    assert len(taken(bucket, [later] * 30)) == len(taken(TokenBucket(rate, burst), [later] * 30))
