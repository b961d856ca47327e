"""Several processes, one limit, a real engine, and trouble: `tests.cluster.contention`, in short."""

from __future__ import annotations

import attrs
import pytest

from .checker import SECOND, Life, back_after, crowd, handover, judge, longest_pause
from .contention import as_json, contend, is_as_expected
from .namespaces import why_not
from .node_process import LIMIT
from .scenarios import NAIVE, ROUND, SCENARIOS

LEASE = 1.5

# A primary that is cut off takes writes until its replicas have been silent for 2 s; it looks once a second.
STILL_WRITES = 3.0


def life(node: int, first: float, acted: float, *, key: int = 0, ended: float = 0, ran: float = 0) -> Life:
    """Moments in seconds."""
    began, last_ran, last, end = (round(moment * SECOND) for moment in (first, max(ran, acted), acted, ended))
    return Life(node, 0, key, began, last_ran, last, ended=end)


# The checker itself


def test_a_manager_acts_from_its_first_step_to_its_last() -> None:
    assert crowd([(1, 5), (6, 9)], 1).beyond == ()
    assert crowd([(1, 6), (5, 9)], 1).beyond == (5,)
    assert crowd([(1, 6), (6, 9)], 1).beyond == (6,), "at one moment, too"
    assert crowd([(1, 9), (2, 2), (3, 8)], 2).peak == 2
    found = crowd([(1, 9), (2, 4), (3, 8)], 2)
    assert (found.peak, found.beyond, found.time_beyond) == (3, (3,), 1)


def test_one_step_on_waking_is_a_violation_and_none_is_not() -> None:
    frozen, newcomer = life(0, 1.0, 2.0, key=1), life(1, 5.0, 7.0, key=2)
    assert judge([frozen, newcomer], 1, late_after=0.3).holds
    woken = life(0, 1.0, 6.0, key=1)
    assert [user for user, _ in judge([woken, newcomer], 1, late_after=0.3).violations] == [0]


def test_a_step_that_got_no_leave_is_told_and_does_not_count() -> None:
    woken, newcomer = life(0, 1.0, 2.0, key=1, ran=6.0), life(1, 5.0, 7.0, key=2)
    judgement = judge([woken, newcomer], 1, late_after=0.3)
    assert judgement.holds
    assert judgement.stopped == 1


def test_a_key_that_acts_twice_at_once_is_a_violation() -> None:
    judgement = judge([life(0, 1.0, 3.0), life(1, 2.0, 4.0)], 20, late_after=0.3)
    assert judgement.doubles == ((0, 0, 2 * SECOND),)
    assert not judgement.holds


def test_a_handover_is_from_the_last_step_to_the_first_slot_given_away() -> None:
    held = [life(0, 0.5, 2.5, key=1), life(0, 0.5, 2.8, key=2)]
    left = life(0, 0.5, 0.9, key=3, ended=0.95)
    others = [life(1, 0.5, 9.0, key=4), life(1, 2.0, 9.0, key=5), life(1, 4.0, 9.0, key=6)]
    found = handover([*held, left, *others], victims=frozenset({0}), cut=SECOND, limit=4)
    assert found.held == 2
    assert found.gap == pytest.approx(1.2)


def test_full_again_is_counted_from_the_fewest() -> None:
    lives = [life(1, 0.0, 2.0), life(1, 0.0, 9.0), life(1, 3.0, 9.0), life(1, 4.0, 9.0)]
    assert back_after(lives, SECOND, 9 * SECOND, 2) == 3 * SECOND
    assert back_after(lives, SECOND, 9 * SECOND, 4) is None
    assert longest_pause(lives, SECOND, 5 * SECOND) == pytest.approx(2.0)


# Several processes


async def test_the_naive_control_is_caught() -> None:
    result = await contend(NAIVE, seconds=2.0, processes=3, lease=LEASE)
    assert result.peak > LIMIT
    assert result.judgement.violations


async def test_the_limit_holds_whatever_happens_to_nodes_and_engine() -> None:
    """One of each in one run, as starting the processes takes longest."""
    scenario = SCENARIOS["everything"]
    seconds = len(scenario.troubles) * (ROUND + 0.25) * LEASE + 1.0
    result = await contend(scenario, seconds=seconds, processes=3, lease=LEASE, seed=1)
    assert result.holds, as_json([result])
    assert result.peak == LIMIT
    assert len(result.recoveries) == len(scenario.troubles)
    assert result.goes_on, as_json([result])
    wiped = next(each for each in result.recoveries if each.trouble.what == "engine wiped")
    assert wiped.pause > LEASE - 0.1, "new data: nobody was admitted for a lease"
    assert all(gap > 0 for gap in result.gaps)


async def test_a_node_whose_link_is_down_acts_no_more_before_its_slots_are_given_away() -> None:
    if why_not():
        pytest.skip(why_not())
    seconds = (ROUND + 0.25) * LEASE + 1.0
    result = await contend(SCENARIOS["link"], seconds=seconds, processes=2, lease=LEASE, seed=1)
    assert result.holds, as_json([result])
    assert all(gap > 0 for gap in result.gaps)


async def test_a_failover_admits_again() -> None:
    """The limit may be exceeded in its window: see the operators' page."""
    scenario = attrs.evolve(SCENARIOS["sentinel"], least_lease=3.0)
    result = await contend(scenario, seconds=12.0, processes=2, lease=LEASE, seed=1)
    assert len(result.recoveries) == 1
    assert is_as_expected(result), as_json([result])
    assert result.goes_on, as_json([result])


async def test_a_primary_that_is_cut_off_lets_in_too_many_for_a_moment_only() -> None:
    """And who is cut off with it acts no longer than its lease after that stopped taking writes."""
    if why_not():
        pytest.skip(why_not())
    scenario = attrs.evolve(SCENARIOS["split"], least_lease=3.0)
    result = await contend(scenario, seconds=12.0, processes=2, lease=LEASE, seed=1)
    assert len(result.recoveries) == 1
    assert is_as_expected(result), as_json([result])
    assert result.goes_on, as_json([result])
    assert all(gap > -STILL_WRITES for gap in result.gaps)
