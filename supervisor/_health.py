"""Is this actor alive? Pure: evidence in, verdict out; nothing here imports Trio."""

from __future__ import annotations

import attrs

from actors import Phase, Pulse, State

from ._report import Health, Verdict
from ._spec import HealthPolicy

# Exactly at the end of its allowance nobody is late; so much past it he is, in seconds.
PAST = 0.01


@attrs.frozen
class Lag:
    """When the event loop last came back from a stall: no timeout may span that moment."""

    resumed_at: float = float("-inf")
    duration: float = 0.0


def judge(pulse: Pulse, policy: HealthPolicy, now: float, lag: Lag) -> Verdict:
    """The verdict on one actor. Costs microseconds, asks nobody, changes nothing."""
    match pulse.state:
        case State.STARTING if pulse.since > now:
            evidence = f"is to begin within {pulse.since - now:.3g} s"
            return Verdict(Health.STARTING, evidence, pulse.since + policy.start_grace)
        case State.STARTING:
            return _within(
                Health.STARTING,
                f"{pulse.phase.value} for {now - pulse.since:.3g} s",
                now,
                lag,
                (pulse.since, policy.start_grace),
            )
        case State.STOPPING:
            return _judge_stopping(pulse, policy, now, lag)
        case State.CANCELLING:
            assert pulse.cancelled_at is not None
            return _within(
                Health.STOPPING,
                f"cancelled {now - pulse.cancelled_at:.3g} s ago, {pulse.phase.value}",
                now,
                lag,
                (_last_measure(pulse), policy.cancel_grace),
            )
        case State.CONDEMNED:
            return Verdict(Health.CONDEMNED, f"cancelled and still running, {pulse.phase.value}")
        case State.ENDED:
            return Verdict(Health.STOPPING, "has ended")
        case State.RUNNING:
            return _judge_running(pulse, policy, now, lag)


def is_well(pulse: Pulse, policy: HealthPolicy, now: float) -> bool:
    """Is it plainly well? That takes a tenth of the time that a verdict does.

    True: the verdict is HEALTHY or BUSY, whatever the lag. False says nothing: judge it.
    """
    if pulse.state is not State.RUNNING or pulse.probe_failure is not None or pulse.connections == 0:
        return False
    if pulse.phase is Phase.HANDLE or pulse.phase is Phase.PROBE:
        spent = now - pulse.stamp - pulse.ahead
        if spent > policy.budget or spent > policy.ceiling:
            return False
    return policy.idle_limit is None or now - pulse.active_at <= policy.idle_limit


def due(pulse: Pulse, policy: HealthPolicy) -> float:
    """When the reaper has to look at one that starts, stops or is cancelled."""
    if pulse.state is State.STARTING:
        return pulse.since + policy.start_grace + PAST
    if pulse.state is State.STOPPING:
        assert pulse.stop_by is not None
        return pulse.stop_by
    return _last_measure(pulse) + policy.cancel_grace


def _last_measure(pulse: Pulse) -> float:
    """When something was last done, or granted, that should end a cancelled actor."""
    measures = (pulse.cancelled_at, pulse.cleanup_by, pulse.forced_at)
    return max(at for at in measures if at is not None)


def _judge_stopping(pulse: Pulse, policy: HealthPolicy, now: float, lag: Lag) -> Verdict:
    assert pulse.stop_by is not None
    return _within(
        Health.STOPPING,
        f"asked to stop, {pulse.phase.value} for {now - pulse.since:.3g} s",
        now,
        lag,
        (pulse.stop_by, policy.cancel_grace),
    )


def _judge_running(pulse: Pulse, policy: HealthPolicy, now: float, lag: Lag) -> Verdict:
    work = _judge_work(pulse, policy, now, lag)
    if work is not None and work.health is not Health.BUSY:
        return work
    # Evidence ages: an old failure convicts nobody whom nobody has asked since.
    if pulse.probe_failure is not None and now - pulse.probed_at <= policy.budget:
        return Verdict(Health.UNRESPONSIVE, f"its probe raised {pulse.probe_failure}")
    connection = _judge_connections(pulse, policy, now, lag)
    if connection is not None and connection.until is None:
        return connection
    if work is not None:
        return work
    if connection is not None:
        return connection
    return _judge_activity(pulse, policy, now, lag)


def _judge_work(pulse: Pulse, policy: HealthPolicy, now: float, lag: Lag) -> Verdict | None:
    """Is it in a hook, and for how long? Parked, or about to run, it is alive by construction."""
    if pulse.phase is not Phase.HANDLE and pulse.phase is not Phase.PROBE:
        return None
    renewed = max(pulse.since, pulse.progressed_at)
    what = f"({type(pulse.hand).__name__})" if pulse.phase is Phase.HANDLE else ""
    evidence = f"{pulse.phase.value}{what} for {now - pulse.since:.3g} s, budget {policy.budget:g} s"
    if pulse.has_progressed:
        evidence += f", progress {now - pulse.progressed_at:.3g} s ago"
    if pulse.has_progressed or policy.ceiling < policy.budget:
        evidence += f", ceiling {policy.ceiling:g} s"
    bounds = (renewed, policy.budget), (pulse.since, policy.ceiling)
    return _within(Health.BUSY, evidence, now, lag, *bounds)


def _judge_connections(pulse: Pulse, policy: HealthPolicy, now: float, lag: Lag) -> Verdict | None:
    """None while it has a connection, or is of a kind that has none."""
    if pulse.connections is None or pulse.connections > 0:
        return None
    since = pulse.unconnected_since
    what = "its last connection closed" if pulse.ever_connected else "no connection since it began"
    evidence = f"{what} {now - since:.3g} s ago" if pulse.ever_connected else what
    verdict = _within(
        Health.DISCONNECTED if pulse.ever_connected else Health.STARTING,
        f"{evidence}, attach grace {policy.attach_grace:g} s",
        now,
        lag,
        (since, policy.attach_grace),
    )
    if verdict.health is Health.UNRESPONSIVE:
        return Verdict(Health.DISCONNECTED, f"abandoned: {verdict.evidence}")
    return verdict


def _judge_activity(pulse: Pulse, policy: HealthPolicy, now: float, lag: Lag) -> Verdict:
    """Is it used? While the loop stalled nothing could come in: that time is not quiet time."""
    stalled = min(lag.duration, max(lag.resumed_at - pulse.active_at, 0.0))
    quiet = now - pulse.active_at - stalled
    if policy.idle_limit is not None and quiet > policy.idle_limit:
        return Verdict(
            Health.IDLE, f"no traffic and no work for {quiet:.3g} s, limit {policy.idle_limit:g} s"
        )
    if pulse.connections is None:
        return Verdict(Health.HEALTHY, "{.value}, active {:.3g} s ago", None, (pulse.phase, quiet))
    facts = (pulse.phase, quiet, pulse.connections)
    return Verdict(Health.HEALTHY, "{.value}, active {:.3g} s ago, connections: {}", None, facts)


def _within(health: Health, evidence: str, now: float, lag: Lag, *bounds: tuple[float, float]) -> Verdict:
    """`health` until an allowance is used up, then UNRESPONSIVE; UNKNOWN if a stall ate it up.

    A bound is since when time runs, and how much of it is allowed. Exactly at its end an allowance
    still holds: only what is past it is late.
    """
    due = min(since + allowance for since, allowance in bounds)
    if now <= due:
        return Verdict(health, evidence, due)
    fair_due = min(max(since, lag.resumed_at) + allowance for since, allowance in bounds)
    if now <= fair_due:
        stall = f"the event loop stalled for {lag.duration:.3g} s meanwhile"
        return Verdict(Health.UNKNOWN, f"{evidence}; {stall}", fair_due)
    return Verdict(Health.UNRESPONSIVE, evidence)
