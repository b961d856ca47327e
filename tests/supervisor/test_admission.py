"""What is tried next and whom each stage removes: plain data in, plain data out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import Health, Refusal, RefusalReason, Stage, StageReport, Verdict
from supervisor._admission import (
    ESCALATION,
    MIN_RETRY_AFTER,
    USUAL_RETRY_AFTER,
    Settle,
    Try,
    crosses_high_water,
    next_move,
    refusal_reason,
    removed_by,
    retry_after,
    stages_until,
    victims,
)

from .harness import dice

RESUMABLE = Verdict(Health.DISCONNECTED, "gone", until=10.0)
ABANDONED = Verdict(Health.DISCONNECTED, "abandoned")
REMOVED = {
    Health.UNRESPONSIVE: Stage.LIVENESS,
    Health.IDLE: Stage.GARBAGE,
    Health.DISCONNECTED: Stage.GARBAGE,
}

verdicts = st.builds(Verdict, st.sampled_from(Health), st.just("evidence"), st.none() | st.floats(0.0, 100.0))
tables = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), verdicts, max_size=20)
stages = st.sampled_from([Stage.GARBAGE, Stage.LIVENESS])


def gone(until: float) -> Verdict:
    return Verdict(Health.DISCONNECTED, "gone", until=until)


def test_the_stages_come_in_their_order_and_then_it_settles() -> None:
    assert next_move([], until=Stage.LIVENESS, removable=lambda: True) == Try(Stage.GARBAGE)
    assert next_move([Stage.GARBAGE], until=Stage.LIVENESS, removable=lambda: False) == Try(Stage.LIVENESS)
    assert next_move(ESCALATION[:2], until=Stage.LIVENESS, removable=lambda: False) == Settle()
    assert next_move(ESCALATION[:2], until=Stage.EVICT, removable=lambda: True) == Try(Stage.EVICT)
    assert next_move(ESCALATION, until=Stage.EVICT, removable=lambda: False) == Settle()


def test_it_starts_again_while_anybody_is_removable() -> None:
    assert next_move(ESCALATION[:2], until=Stage.LIVENESS, removable=lambda: True) == Try(Stage.GARBAGE)


def test_it_goes_no_further_than_it_may() -> None:
    assert stages_until(Stage.GARBAGE) == (Stage.GARBAGE,)
    assert next_move([Stage.GARBAGE], until=Stage.GARBAGE, removable=lambda: False) == Settle()


def test_skipping_a_stage_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        next_move([Stage.LIVENESS], until=Stage.LIVENESS, removable=lambda: False)


@pytest.mark.parametrize("health", Health)
def test_each_verdict_is_removed_by_one_stage_or_by_none(health: Health) -> None:
    assert removed_by(Verdict(health, "evidence")) is REMOVED.get(health)


def test_who_may_come_back_is_removed_by_no_stage() -> None:
    assert removed_by(RESUMABLE) is None
    assert victims(Stage.GARBAGE, {"a": RESUMABLE}, needed=0) == ()


def test_the_longest_gone_give_way_first() -> None:
    table = {"late": gone(30), "early": gone(10), "middle": gone(20)}
    assert victims(Stage.GARBAGE, table, needed=1) == ("early",)
    assert victims(Stage.GARBAGE, table, needed=2) == ("early", "middle")


def test_garbage_counts_before_those_who_may_come_back() -> None:
    table = {"gone": gone(10), "abandoned": ABANDONED, "also": gone(20)}
    assert victims(Stage.GARBAGE, table, needed=1) == ("abandoned",)
    assert victims(Stage.GARBAGE, table, needed=2) == ("abandoned", "gone")


def test_who_may_come_back_stays_where_the_stuck_are_room_enough() -> None:
    table = {"gone": gone(10), "stuck": Verdict(Health.UNRESPONSIVE, "stuck")}
    assert victims(Stage.GARBAGE, table, needed=1) == ()
    assert victims(Stage.LIVENESS, table, needed=1) == ("stuck",)
    assert victims(Stage.GARBAGE, table, needed=2) == ("gone",)


@given(tables, stages, st.integers(-3, 25))
def test_all_the_bad_go_and_of_the_others_as_few_as_will_do(
    table: dict[str, Verdict], stage: Stage, needed: int
) -> None:
    chosen = victims(stage, table, needed=needed)
    assert len(set(chosen)) == len(chosen)
    bad = {key for key, verdict in table.items() if removed_by(verdict) is stage}
    assert bad <= set(chosen)
    extra = set(chosen) - bad
    assert all(table[key].health is Health.DISCONNECTED and table[key].until is not None for key in extra)
    assert not extra or stage is Stage.GARBAGE
    removable = sum(removed_by(verdict) is not None for verdict in table.values())
    assert len(extra) <= max(0, needed - removable)
    spared = [
        verdict.until
        for key, verdict in table.items()
        if verdict.health is Health.DISCONNECTED and verdict.until is not None and key not in extra
    ]
    if extra and spared:
        assert max(table[key].until or 0.0 for key in extra) <= min(spared)
    if stage is Stage.GARBAGE and spared:
        assert len(extra) == max(0, needed - removable)


@given(tables)
def test_no_stage_ever_removes_the_living(table: dict[str, Verdict]) -> None:
    alive = {Health.HEALTHY, Health.BUSY, Health.STARTING, Health.UNKNOWN, Health.STOPPING}
    for stage in ESCALATION:
        for key in victims(stage, table, needed=100):
            assert table[key].health not in alive


@pytest.mark.parametrize("health", Health)
def test_a_refusal_says_whether_a_slot_comes_back_by_itself(health: Health) -> None:
    leaving = {Health.STOPPING, Health.CONDEMNED, Health.UNRESPONSIVE}
    verdict = [Verdict(Health.HEALTHY, "parked"), Verdict(health, "evidence")]
    expected = RefusalReason.REAP_PENDING if health in leaving else RefusalReason.LIMIT
    assert refusal_reason(verdict) is expected


@given(st.lists(verdicts, max_size=20), st.floats(0.0, 100.0), st.integers())
def test_a_retry_hint_is_bounded_and_jittered(holders: list[Verdict], now: float, seed: int) -> None:
    hint = retry_after(holders, now=now, jitter=dice(seed))
    assert MIN_RETRY_AFTER <= hint <= 1.5 * USUAL_RETRY_AFTER
    assert hint == retry_after(holders, now=now, jitter=dice(seed))


def test_a_retry_hint_names_the_first_slot_that_comes_back() -> None:
    holders = [Verdict(Health.BUSY, "busy", until=104.0), Verdict(Health.STOPPING, "stopping", until=102.0)]
    hints = {retry_after(holders, now=100.0, jitter=dice(seed)) for seed in range(50)}
    assert all(2.0 <= hint <= 3.0 for hint in hints)
    assert len(hints) > 40


@pytest.mark.parametrize(
    ("limit", "crossing"), [(0, set[int]()), (1, {1}), (2, {2}), (3, {3}), (5, {4}), (20, {14})]
)
def test_the_high_water_mark_is_crossed_once_on_the_way_up(limit: int, crossing: set[int]) -> None:
    crosses = {held for held in range(1, limit + 1) if crosses_high_water(held, limit=limit, high_water=0.7)}
    assert crosses == crossing


@given(
    st.sampled_from(RefusalReason),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.floats(1.0, 7.5),
    st.text(max_size=500),
)
def test_a_refusal_fits_into_a_close_frame_whoever_is_refused(
    reason: RefusalReason, limit: int, live: int, hint: float, user: str
) -> None:
    tried = tuple(StageReport(stage, 0, 0, (), (), (), 0.0) for stage in Stage)
    refusal = Refusal(user, user, reason, limit, live, (), 0, tried, hint)
    assert len(refusal.sentence.encode()) <= 123
    assert "takeover, garbage, liveness" in refusal.sentence
    assert str(limit) in refusal.sentence
