"""The verdict on one actor, from its pulse alone: by table, and by property."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from actors import Phase, Pulse, State
from supervisor import Health, HealthPolicy, Lag, Verdict, judge
from supervisor._health import is_well

POLICY = HealthPolicy(
    budget=5.0,
    ceiling=60.0,
    start_grace=10.0,
    attach_grace=30.0,
    idle_limit=3600.0,
    cancel_grace=0.05,
)
NO_LAG = Lag()
BORN = 100.0


def pulse(**facts: Any) -> Pulse:
    """A running actor, parked since its birth, with those facts changed."""
    made = Pulse(born_at=BORN, state=State.RUNNING, phase=Phase.PARKED)
    for name, value in facts.items():
        assert hasattr(made, name)
        setattr(made, name, value)
    return made


def verdict(at: float, *, lag: Lag = NO_LAG, policy: HealthPolicy = POLICY, **facts: Any) -> Verdict:
    return judge(pulse(**facts), policy, at, lag)


def health(at: float, **kwargs: Any) -> Health:
    return verdict(at, **kwargs).health


HANDLING: dict[str, Any] = {"phase": Phase.HANDLE, "stamp": 1000.0, "hand": "hello", "active_at": 1000.0}
PROBING: dict[str, Any] = {**HANDLING, "phase": Phase.PROBE}
STARTING: dict[str, Any] = {"state": State.STARTING, "phase": Phase.ON_START, "stamp": 1000.0}
STOPPING: dict[str, Any] = {"state": State.STOPPING, "phase": Phase.ON_STOP, "stop_by": 1000.0}
CANCELLED: dict[str, Any] = {"state": State.CANCELLING, "phase": Phase.HANDLE, "cancelled_at": 1000.0}
NEWBORN: dict[str, Any] = {"connections": 0, "unconnected_since": 1000.0}
GONE: dict[str, Any] = {**NEWBORN, "ever_connected": True}

BOUNDS: dict[str, tuple[dict[str, Any], float, Health, Health]] = {
    "handle": (HANDLING, 1005.0, Health.BUSY, Health.UNRESPONSIVE),
    "probe": (PROBING, 1005.0, Health.BUSY, Health.UNRESPONSIVE),
    "on_start": (STARTING, 1010.0, Health.STARTING, Health.UNRESPONSIVE),
    "on_stop": (STOPPING, 1000.05, Health.STOPPING, Health.UNRESPONSIVE),
    "cancelled": (CANCELLED, 1000.05, Health.STOPPING, Health.UNRESPONSIVE),
    "first connection": (NEWBORN, 1030.0, Health.STARTING, Health.DISCONNECTED),
    "next connection": (GONE, 1030.0, Health.DISCONNECTED, Health.DISCONNECTED),
    "progress": ({**HANDLING, "progressed_at": 1020.0}, 1025.0, Health.BUSY, Health.UNRESPONSIVE),
    "ceiling": ({**HANDLING, "progressed_at": 1058.0}, 1060.0, Health.BUSY, Health.UNRESPONSIVE),
    "idle": ({"active_at": 1000.0}, 4600.0, Health.HEALTHY, Health.IDLE),
}
"""By what is bounded: the facts, the instant, the verdict up to it, and the verdict after it."""


@pytest.mark.parametrize("what", BOUNDS)
def test_exactly_at_its_bound_an_actor_is_well_and_past_it_not(what: str) -> None:  # R07
    facts, due, before, after = BOUNDS[what]
    assert health(due, **facts) is before
    assert health(math.nextafter(due, math.inf), **facts) is after


@pytest.mark.parametrize("what", sorted(set(BOUNDS) - {"idle"}))
def test_a_verdict_on_whose_time_runs_says_until_when(what: str) -> None:
    facts, due, _, _ = BOUNDS[what]
    assert verdict(due - 0.01, **facts).until == due
    assert verdict(due + 0.01, **facts).until is None


@pytest.mark.parametrize("what", sorted(set(BOUNDS) - {"idle"}))
def test_a_stall_makes_the_timeouts_that_it_spans_void_and_their_clocks_start_anew(what: str) -> None:
    facts, due, before, after = BOUNDS[what]
    lag = Lag(resumed_at=due + 5, duration=7.0)
    unsure = verdict(due + 5, lag=lag, **facts)
    assert unsure.health is Health.UNKNOWN
    assert "stalled for 7 s" in unsure.evidence
    assert unsure.until is not None
    assert health(unsure.until, lag=lag, **facts) is Health.UNKNOWN
    assert health(unsure.until + 0.001, lag=lag, **facts) is after
    assert health(due, lag=Lag(resumed_at=900.0, duration=7.0), **facts) is before


def test_the_bound_that_convicts_is_named_also_where_it_is_less_than_the_budget() -> None:
    policy = attrs.evolve(POLICY, budget=200.0)
    convicted = verdict(1091.0, policy=policy, **HANDLING)
    assert convicted.health is Health.UNRESPONSIVE
    assert convicted.evidence.endswith("for 91 s, budget 200 s, ceiling 60 s")
    assert "ceiling" not in verdict(1091.0, **HANDLING).evidence


def test_a_stall_before_it_all_began_excuses_nobody() -> None:
    assert health(1005.01, lag=Lag(resumed_at=999.0, duration=60.0), **HANDLING) is Health.UNRESPONSIVE


def test_the_time_of_a_stall_is_no_quiet_time() -> None:
    lag = Lag(resumed_at=4700.0, duration=3000.0)
    assert health(4700.0, lag=lag, active_at=1000.0) is Health.HEALTHY
    assert health(1000.0 + 3600.0 + 3000.1, lag=lag, active_at=1000.0) is Health.IDLE


def test_only_the_part_of_a_stall_that_was_quiet_counts_for_nothing() -> None:
    lag = Lag(resumed_at=4700.0, duration=3000.0)
    told = verdict(4700.5, lag=lag, active_at=4699.9)  # by what held up the loop itself, at its end
    assert "active 0.5 s ago" in told.evidence
    assert health(4699.9 + 3600.0 + 0.2, lag=lag, active_at=4699.9) is Health.IDLE


def test_a_policy_without_an_idle_limit_lets_be_quiet_for_ever() -> None:
    policy = attrs.evolve(POLICY, idle_limit=None)
    assert health(1e9, policy=policy) is Health.HEALTHY


@pytest.mark.parametrize("phase", [Phase.PARKED, Phase.BETWEEN])
def test_who_is_parked_is_alive_however_long(phase: Phase) -> None:
    assert health(BORN + 3599, phase=phase) is Health.HEALTHY


def test_a_failed_probe_is_unresponsive_with_its_cause() -> None:
    found = verdict(BORN + 1, probe_failure="OSError('no backend')", probed_at=BORN + 1)
    assert found.health is Health.UNRESPONSIVE
    assert "no backend" in found.evidence


def test_abandoned_is_another_word_than_resumable() -> None:
    assert verdict(1030.0, **GONE).until == 1030.0
    abandoned = verdict(1030.01, **GONE)
    assert abandoned.until is None
    assert "abandoned" in abandoned.evidence
    assert "last connection closed 30 s ago" in abandoned.evidence


def test_neither_work_nor_activity_extends_the_grace_for_a_connection() -> None:
    active: dict[str, Any] = {**NEWBORN, "active_at": 1030.0}
    assert health(1030.01, **active) is Health.DISCONNECTED
    busy: dict[str, Any] = {**NEWBORN, "phase": Phase.HANDLE, "stamp": 1030.0, "hand": "hello"}
    assert health(1030.01, **busy) is Health.DISCONNECTED
    busy["stamp"] = 1029.0
    assert health(1029.99, **busy) is Health.BUSY


def test_who_is_stuck_is_unresponsive_whatever_its_connections_say() -> None:
    for connections in (None, 0, 3):
        facts: dict[str, Any] = {**HANDLING, "connections": connections, "unconnected_since": 900.0}
        assert health(1005.01, **facts) is Health.UNRESPONSIVE


def test_the_evidence_names_what_was_in_hand_and_how_long() -> None:
    facts: dict[str, Any] = {**HANDLING, "progressed_at": 1002.0}
    evidence = verdict(1003.25, **facts).evidence
    assert evidence == "in handle(str) for 3.25 s, budget 5 s, progress 1.25 s ago, ceiling 60 s"


def test_the_dead_and_the_condemned_are_neither_healthy_nor_unresponsive() -> None:
    assert health(1e9, state=State.CONDEMNED) is Health.CONDEMNED
    assert health(1e9, state=State.ENDED, phase=Phase.GONE) is Health.STOPPING


times = st.floats(BORN, 5000.0)
optional_connections = st.none() | st.integers(0, 3)


@st.composite
def pulses(draw: st.DrawFn) -> Pulse:
    state = draw(st.sampled_from(State))
    running = st.sampled_from([Phase.PARKED, Phase.HANDLE, Phase.PROBE, Phase.BETWEEN])
    return pulse(
        state=state,
        phase=draw(running if state is State.RUNNING else st.sampled_from(Phase)),
        stamp=draw(times),
        progressed_at=draw(st.just(0.0) | times),
        stop_by=draw(times),
        cancelled_at=draw(times),
        active_at=draw(times),
        connections=draw(optional_connections),
        unconnected_since=draw(times),
        ever_connected=draw(st.booleans()),
        probe_failure=draw(st.none() | st.just("OSError()")),
    )


lags = st.just(NO_LAG) | st.builds(Lag, times, st.floats(0.5, 1000.0))


@given(pulses(), times, lags)
def test_who_is_parked_is_never_unresponsive_unless_its_probe_failed(
    pulse: Pulse, now: float, lag: Lag
) -> None:
    pulse.state, pulse.phase, pulse.probe_failure = State.RUNNING, Phase.PARKED, None
    assert judge(pulse, POLICY, now, lag).health is not Health.UNRESPONSIVE


@given(pulses(), times, lags)
def test_an_actor_is_found_unresponsive_only_while_something_is_overdue(
    pulse: Pulse, now: float, lag: Lag
) -> None:
    found = judge(pulse, POLICY, now, lag)
    if found.health is not Health.UNRESPONSIVE:
        return
    overdue = {
        State.STARTING: now > pulse.since + POLICY.start_grace,
        State.RUNNING: pulse.probe_failure is not None or now > pulse.since + POLICY.budget,
        State.STOPPING: now > (pulse.stop_by or 0) + POLICY.cancel_grace,
        State.CANCELLING: now > (pulse.cancelled_at or 0) + POLICY.cancel_grace,
    }
    assert overdue[pulse.state]


@given(pulses(), times, lags)
def test_every_verdict_has_evidence_and_time_makes_none_better(pulse: Pulse, now: float, lag: Lag) -> None:
    assume(lag.resumed_at <= now)
    found = judge(pulse, POLICY, now, lag)
    assert found.evidence
    if found.until is not None:
        assert found.until >= now
    bad = {Health.UNRESPONSIVE, Health.IDLE, Health.CONDEMNED}
    if found.health in bad:
        assert judge(pulse, POLICY, now + 1000, lag).health in bad | {Health.DISCONNECTED}


@given(pulses(), times)
def test_no_one_is_convicted_in_the_moment_in_which_a_stall_ends(pulse: Pulse, now: float) -> None:
    pulse.probe_failure = None
    found = judge(pulse, POLICY, now, Lag(resumed_at=now, duration=4000.0))
    assert found.health not in {Health.UNRESPONSIVE, Health.IDLE}
    assert not (found.health is Health.DISCONNECTED and found.until is None)


SURELY_WELL = {
    "parked": {},
    "about to run": {"phase": Phase.BETWEEN},
    "at work": HANDLING,
    "in its probe": {**HANDLING, "phase": Phase.PROBE},
    "connected": {"connections": 2, "active_at": 1000.0},
}


@pytest.mark.parametrize("facts", SURELY_WELL.values(), ids=SURELY_WELL)
def test_who_is_well_is_seen_so_at_a_glance(facts: dict[str, Any]) -> None:
    assert is_well(pulse(**{"active_at": 1000.0} | facts), POLICY, 1001.0)


@given(pulses(), times, lags)
def test_a_glance_clears_nobody_of_whom_more_is_to_be_said(pulse: Pulse, now: float, lag: Lag) -> None:
    assume(lag.resumed_at <= now)
    if is_well(pulse, POLICY, now):
        assert judge(pulse, POLICY, now, lag).health in {Health.HEALTHY, Health.BUSY}


def test_a_glance_sees_a_ceiling_below_the_budget() -> None:
    policy = HealthPolicy(budget=5.0, ceiling=2.0)
    assert is_well(pulse(**HANDLING), policy, 1002.0)
    assert not is_well(pulse(**HANDLING), policy, 1002.5)
