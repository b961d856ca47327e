"""Whether one that ended begins anew, and when: the pure decision."""

from __future__ import annotations

import random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Exit, ExitReason
from supervisor import Restart, RestartPolicy
from supervisor._restart import Again, GivenUp, History, NotAgain, backoff, wants

from .harness import dice

CRASH = Exit(ExitReason.CRASHED)

POLICY = RestartPolicy(
    when=Restart.ON_FAILURE, intensity=100, backoff=0.5, backoff_limit=6.0, healthy_after=10.0
)


class Highest(random.Random):
    """Dice that fall as high as they can."""

    def random(self) -> float:
        return 1.0


def again(history: History, now: float, policy: RestartPolicy = POLICY) -> Again:
    decision = history.decide(policy, CRASH, now, Highest(), well_until=now)
    assert isinstance(decision, Again)
    return decision


def test_the_bound_of_the_back_off_doubles_up_to_its_limit_and_starts_over_after_a_healthy_while() -> None:
    history, now = History(), 0.0
    delays: list[float] = []
    for lived in (1, 1, 1, 1, 1, 1, 10, 1, 9.99, 1):
        history.began_at = now
        now += lived
        delays.append(again(history, now).delay)
    assert delays == [0.5, 1.0, 2.0, 4.0, 6.0, 6.0, 0.5, 1.0, 2.0, 4.0]


def test_one_that_did_not_come_to_begin_was_not_healthy_meanwhile() -> None:
    history = History()
    history.began_at = 0.0
    assert [again(history, now).attempt for now in (1.0, 100.0, 200.0)] == [1, 2, 3]


@given(st.integers(1, 5000), st.integers(0, 2**32))
def test_a_back_off_is_anything_up_to_its_bound(attempt: int, seed: int) -> None:
    bound = backoff(POLICY, attempt, Highest())
    assert bound == min(6.0, 0.5 * 2 ** min(attempt - 1, 10))
    delays = [backoff(POLICY, attempt, roll) for roll in [dice(seed)] for _ in range(200)]
    assert all(0 <= delay <= bound for delay in delays)
    assert min(delays) < 0.2 * bound
    assert max(delays) > 0.8 * bound


# Sums of these are exact: at the very end of a window it counts on which side one is.
def parts(least: int, most: int) -> st.SearchStrategy[float]:
    return st.integers(64 * least, 64 * most).map(lambda number: number / 64)


@given(st.lists(parts(0, 3), max_size=60), st.integers(0, 4), parts(1, 10))
def test_within_any_period_there_are_as_many_restarts_as_allowed(
    waits: list[float], intensity: int, period: float
) -> None:
    policy = attrs.evolve(POLICY, intensity=intensity, period=period)
    history, now = History(), 0.0
    at: list[float] = []
    for wait in waits:
        now += wait
        history.began_at = now - wait
        within = [each for each in at if now - each < period]
        decision = history.decide(policy, CRASH, now, Highest(), well_until=now)
        assert isinstance(decision, GivenUp if len(within) >= intensity else Again)
        if isinstance(decision, GivenUp):
            return
        at.append(now)


FAILURES = {ExitReason.CRASHED, ExitReason.START_FAILED, ExitReason.UNRESPONSIVE, ExitReason.FENCED}


@pytest.mark.parametrize("reason", ExitReason)
def test_what_a_supervisor_removed_stays_removed(reason: ExitReason) -> None:
    assert not wants(Restart.NEVER, reason)
    assert wants(Restart.ON_FAILURE, reason) == (reason in FAILURES)
    assert wants(Restart.ALWAYS, reason) == (reason in FAILURES | {ExitReason.STOPPED})
    if not wants(Restart.ON_FAILURE, reason):
        assert History().decide(POLICY, Exit(reason), 0.0, Highest(), well_until=0.0) == NotAgain()


def test_of_many_ends_the_last_ten_are_told() -> None:
    history = History()
    for now in range(25):
        again(history, float(now))
    assert [at for at, _ in history.exits] == [float(now) for now in range(15, 25)]


def test_a_history_keeps_the_words_of_an_error_and_not_what_it_holds_on_to() -> None:
    history = History()
    crash = Exit(ExitReason.CRASHED, error=ValueError("no"))
    history.decide(POLICY, crash, 0.0, Highest(), well_until=0.0)
    [(_, told)] = history.exits
    assert (told.reason, told.detail, told.error) == (ExitReason.CRASHED, "ValueError('no')", None)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"intensity": -1}, "intensity must be 0 or more"),
        ({"period": 0.0}, "period must be more than 0 seconds"),
        ({"backoff": 0.0}, "backoff must be more than 0 seconds"),
        ({"backoff_limit": float("inf")}, "backoff_limit must be more than 0 seconds, and finite"),
        ({"healthy_after": -1.0}, "healthy_after must be more than 0 seconds"),
    ],
)
def test_what_is_no_policy_is_refused(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RestartPolicy(**wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
