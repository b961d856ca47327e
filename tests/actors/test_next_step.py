"""What to do about a quiet peer is decided by a pure function, which convicts nobody too early."""

from hypothesis import given
from hypothesis import strategies as st

from actors import ConnectionSpec
from actors._silence import Dead, Ping, Wait, next_step

durations = st.floats(0.01, 100)
specs = st.builds(ConnectionSpec, quiet=durations, ping_timeout=durations, second_chance=durations)
gaps = st.lists(st.floats(0, 300), min_size=1, max_size=20)


def steps(spec: ConnectionSpec, gaps: list[float]) -> list[tuple[float, Wait | Ping | Dead]]:
    """Obey the decision at each of these moments, with a peer that never says a thing."""
    now, taken = 0.0, list[tuple[float, Wait | Ping | Dead]]()
    pings: tuple[float, ...] = ()
    for gap in gaps:
        now += gap
        step = next_step(last_inbound=0.0, pings=pings, spec=spec, now=now)
        taken.append((now, step))
        if isinstance(step, Dead):
            break
        if isinstance(step, Ping):
            pings = (*pings, now)
    return taken


@given(specs, gaps)
def test_nobody_is_dead_before_all_three_patiences_have_passed(
    spec: ConnectionSpec, gaps: list[float]
) -> None:
    for now, step in steps(spec, gaps):
        if isinstance(step, Dead):
            assert now >= spec.quiet + spec.ping_timeout + spec.second_chance
            assert step.silent_for == now


@given(specs, gaps)
def test_nobody_is_dead_without_two_unanswered_pings(spec: ConnectionSpec, gaps: list[float]) -> None:
    taken = [step for _, step in steps(spec, gaps)]
    if isinstance(taken[-1], Dead):
        assert taken.count(Ping()) == 2


@given(specs)
def test_one_who_waits_as_told_pings_pings_and_then_gives_up(spec: ConnectionSpec) -> None:
    now, taken = 0.0, list[Wait | Ping | Dead]()
    pings: tuple[float, ...] = ()
    while not taken or not isinstance(taken[-1], Dead):
        step = next_step(last_inbound=0.0, pings=pings, spec=spec, now=now)
        taken.append(step)
        if isinstance(step, Wait):
            assert step.until > now, "waiting for what is over is a busy loop"
            now = step.until
        if isinstance(step, Ping):
            pings = (*pings, now)
    assert [type(step) for step in taken] == [Wait, Ping, Wait, Ping, Wait, Dead]


@given(specs, st.floats(0, 1e4), st.floats(0, 300))
def test_one_who_was_just_heard_is_left_alone_until_he_is_quiet(
    spec: ConnectionSpec, heard: float, later: float
) -> None:
    step = next_step(last_inbound=heard, pings=(), spec=spec, now=heard + later)
    due = heard + spec.quiet
    assert step == (Ping() if heard + later >= due else Wait(due))
