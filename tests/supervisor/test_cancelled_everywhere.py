"""Whoever is cancelled, at whichever checkpoint or moment: as if the call had been made, or never made."""

from __future__ import annotations

import pytest

from .cancelled_judge import Judge, at_each_step
from .cancelled_spawns import SHARED_SPAWNS, SPAWNS
from .cancelled_talks import TALKS
from .cancelling import CANCELLED, CancelAmid, CancelParked
from .test_cancelled_callers import CancelAt

CASES = {**SPAWNS, **SHARED_SPAWNS, **TALKS}
SEEDS = (0, 1, 2)

# These do not yield here, as their docstrings say: a cancellation comes in time only before the call.
NEVER_WAIT = {"found", "tell"}

# Made in vain, or with the same result for all others: only what the caller himself gets differs.
TRACELESS = {
    "joins another",
    "is joined by another",
    "tell, mailbox full, then it ends",
    "ask, mailbox full, then it ends",
    "wait_stopped",
    "wait_sendable",
}


@pytest.mark.parametrize("name", sorted(CASES.keys() - TRACELESS))
def test_a_call_that_was_made_shows(name: str) -> None:
    judge = Judge.of(CASES[name], seed=0)
    assert judge.made.stands != judge.never.stands
    assert judge.made.outcome != CANCELLED


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", [CancelAt, CancelParked])
@pytest.mark.parametrize("name", CASES)
def test_cancelled_at_every_checkpoint(name: str, kind: type[CancelAt], seed: int) -> None:
    cancelled = Judge.of(CASES[name], seed).exhaust(at_each_step(kind))
    assert cancelled >= (1 if name in NEVER_WAIT else 2)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_cancelled_between_any_two_steps_of_others(name: str, seed: int) -> None:
    cancelled = Judge.of(CASES[name], seed).exhaust(at_each_step(CancelAmid), amid=True)
    assert cancelled >= (1 if name in NEVER_WAIT else 2)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_cancelled_by_a_deadline_that_falls_together_with_something(name: str, seed: int) -> None:
    judge = Judge.of(CASES[name], seed)
    assert judge.exhaust(judge.at_times(), amid=True) >= 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", [CancelAt, CancelParked])
@pytest.mark.parametrize("name", SPAWNS)
def test_who_is_cancelled_and_comes_again_at_once_gets_it(name: str, kind: type[CancelAt], seed: int) -> None:
    assert Judge.of(SPAWNS[name], seed).exhaust_and_come_again(kind) >= 1
