"""The life of one actor as a table: its states, what moves it between them, how it may end. Pure."""

from __future__ import annotations

import enum

import attrs


class State(enum.Enum):
    """Where an actor stands, as everybody else may rely on it."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    """Asked to stop: takes no new mail, works off what it has."""
    CANCELLING = "cancelling"
    """Cancelled: its mail is gone, its connections are closed, its task has yet to end."""
    CONDEMNED = "condemned"
    """Cancelled and still running past its grace: dead to everybody, watched until it ends."""
    ENDED = "ended"

    __hash__ = object.__hash__  # there is one of each; an Enum's own, of its name, takes three times as long


class Signal(enum.Enum):
    """What can happen to an actor."""

    STARTED = "started"
    STOP = "stop"
    CANCEL = "cancel"
    CONDEMN = "condemn"
    END = "end"

    __hash__ = object.__hash__


_TRANSITIONS: dict[State, dict[Signal, State]] = {
    State.STARTING: {
        Signal.STARTED: State.RUNNING,
        Signal.STOP: State.STOPPING,
        Signal.CANCEL: State.CANCELLING,
        Signal.END: State.ENDED,
    },
    State.RUNNING: {
        Signal.STOP: State.STOPPING,
        Signal.CANCEL: State.CANCELLING,
        Signal.END: State.ENDED,
    },
    State.STOPPING: {
        Signal.STARTED: State.STOPPING,
        Signal.STOP: State.STOPPING,
        Signal.CANCEL: State.CANCELLING,
        Signal.END: State.ENDED,
    },
    State.CANCELLING: {
        Signal.STARTED: State.CANCELLING,
        Signal.STOP: State.CANCELLING,
        Signal.CANCEL: State.CANCELLING,
        Signal.CONDEMN: State.CONDEMNED,
        Signal.END: State.ENDED,
    },
    State.CONDEMNED: {
        Signal.STARTED: State.CONDEMNED,
        Signal.STOP: State.CONDEMNED,
        Signal.CANCEL: State.CONDEMNED,
        Signal.CONDEMN: State.CONDEMNED,
        Signal.END: State.ENDED,
    },
    State.ENDED: {
        Signal.STOP: State.ENDED,
        Signal.CANCEL: State.ENDED,
        Signal.CONDEMN: State.ENDED,
    },
}


def next_state(state: State, signal: Signal) -> State:
    """The state after `signal`; a pair that is not in the table is a mistake of ours."""
    row = _TRANSITIONS[state]
    assert signal in row, f"no transition from {state} on {signal}"
    return row[signal]


def accepts_mail(state: State) -> bool:
    """Does an actor in this state take new messages?"""
    return state is State.RUNNING or state is State.STARTING


class ExitReason(enum.Enum):
    """Why an actor ended. The reasons are disjoint."""

    STOPPED = "stopped"
    """Somebody who may do so asked it to stop."""
    CRASHED = "crashed"
    """Its own code raised."""
    START_FAILED = "start failed"
    """It raised before it was running."""
    CANCELLED = "cancelled"
    """The scope around it was cancelled."""
    UNRESPONSIVE = "unresponsive"
    """It missed a liveness deadline: the only reason that says so."""
    DISCONNECTED = "disconnected"
    """No connection was left, or none ever came."""
    IDLE = "idle"
    """Quiet for longer than policy allows; it was alive."""
    EVICTED = "evicted"
    """Policy gave its slot to somebody else; it was alive."""
    DRAINED = "drained"
    """The process is to end, and empties first; its client was told when to come back."""
    FENCED = "fenced"
    """Its process may not act for a cluster any more, or its slot there is another's; it was alive."""
    SHUTDOWN = "shutdown"
    """Everything ended."""


@attrs.frozen
class Exit:
    """How an actor ended, or is about to end."""

    reason: ExitReason
    detail: str = ""
    error: BaseException | None = attrs.field(default=None, eq=False)

    def __str__(self) -> str:
        words = [self.reason.value]
        if self.detail:
            words.append(self.detail)
        if self.error is not None:
            words.append(repr(self.error))
        return ": ".join(words)
