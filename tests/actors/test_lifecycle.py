"""The life of an actor is one table: every pair of state and signal is a row or our own mistake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Exit, ExitReason, State
from actors._lifecycle import Signal, accepts_mail, next_state

states = st.sampled_from(State)
signals = st.sampled_from(Signal)

FORBIDDEN = {
    (State.STARTING, Signal.CONDEMN),
    (State.RUNNING, Signal.STARTED),
    (State.RUNNING, Signal.CONDEMN),
    (State.STOPPING, Signal.CONDEMN),
    (State.ENDED, Signal.STARTED),
    (State.ENDED, Signal.END),
}


@given(states, signals)
def test_every_pair_has_a_row_or_an_assertion(state: State, signal: Signal) -> None:
    if (state, signal) in FORBIDDEN:
        with pytest.raises(AssertionError, match="no transition"):
            next_state(state, signal)
    else:
        assert next_state(state, signal) in State


def after(signals: list[Signal]) -> list[State]:
    """All the states of one life; what the table forbids does not happen in it."""
    lived = [State.STARTING]
    for signal in signals:
        if (lived[-1], signal) not in FORBIDDEN:
            lived.append(next_state(lived[-1], signal))
    return lived


lives = st.lists(signals, max_size=12).map(after)


@given(lives)
def test_ended_is_final(life: list[State]) -> None:
    if State.ENDED in life:
        assert set(life[life.index(State.ENDED) :]) == {State.ENDED}


@given(lives)
def test_only_a_cancelled_actor_can_be_condemned(life: list[State]) -> None:
    if State.CONDEMNED in life:
        assert life[life.index(State.CONDEMNED) - 1] is State.CANCELLING


@given(lives)
def test_a_life_goes_only_forward(life: list[State]) -> None:
    order = list(State)
    assert life == sorted(life, key=order.index)


@given(lives)
def test_who_stopped_taking_mail_never_takes_it_again(life: list[State]) -> None:
    open_doors = [accepts_mail(state) for state in life]
    assert open_doors == sorted(open_doors, reverse=True)


def test_only_the_starting_and_the_running_take_mail() -> None:
    assert {state for state in State if accepts_mail(state)} == {State.STARTING, State.RUNNING}


@given(st.sampled_from([state for state in State if state is not State.ENDED]))
def test_every_state_but_the_last_can_end(state: State) -> None:
    assert next_state(state, Signal.END) is State.ENDED


def test_an_exit_says_its_reason_its_detail_and_its_error() -> None:
    crashed = Exit(ExitReason.CRASHED, "while counting", ValueError("no"))
    assert str(crashed) == "crashed: while counting: ValueError('no')"
    assert str(Exit(ExitReason.IDLE)) == "idle"
