"""What the runtime itself saw of one actor: the only evidence a verdict is made of. Pure."""

from __future__ import annotations

import enum

import attrs

from ._lifecycle import Signal, State, next_state


class Phase(enum.Enum):
    """Where the actor's task is right now. The runtime stamps it; the actor has no say."""

    WAITING_TO_RUN = "waiting to run"
    ON_START = "in on_start"
    PARKED = "parked on its empty mailbox"
    HANDLE = "in handle"
    PROBE = "in probe"
    BETWEEN = "between two messages"
    ON_STOP = "in on_stop"
    GONE = "gone"


@attrs.define(eq=False)
class Pulse:
    """The evidence about one actor. All times are `trio.current_time()`, in seconds.

    Written by the runtime only, read by anybody. Nothing an actor says of itself is in here,
    except `progress()`, and that can stretch a budget only up to a hard ceiling.
    """

    born_at: float
    state: State = State.STARTING
    phase: Phase = Phase.WAITING_TO_RUN
    stamp: float = attrs.field(default=attrs.Factory(lambda self: self.born_at, takes_self=True))
    """When this phase began, by the clock that is quickest to read."""
    ahead: float = 0.0
    """By how much Trio's clock is ahead of that one."""
    hand: object = None
    """The message in hand, or None."""
    progressed_at: float = 0.0
    """The last `progress()`; of this phase if it is later than `since`."""
    stop_by: float | None = None
    """When the grace of a stop ends."""
    cancelled_at: float | None = None
    cleanup_by: float | None = None
    """When the grace of an `on_stop` after a cancellation ends."""
    forced_at: float | None = None
    """When more than a cancellation was last done to end it."""

    active_at: float = attrs.field(default=attrs.Factory(lambda self: self.born_at, takes_self=True))
    """The last inbound traffic or finished work. Pushes to a client and probes do not count."""

    connections: int | None = None
    """Open connections; None for an actor that holds none by nature."""
    unconnected_since: float = attrs.field(default=attrs.Factory(lambda self: self.born_at, takes_self=True))
    ever_connected: bool = False

    has_probe: bool = False
    probe_failure: str | None = None
    """Why the last probe failed; None when it answered or was never asked."""
    probed_at: float = 0.0
    """When the last probe ended."""

    handled: int = 0
    failed: int = 0
    """Requests whose handling raised; their askers were told."""
    returned: int = 0
    """Requests given back to their askers unanswered, because the actor ended."""
    dead_lettered: int = 0

    def signal(self, signal: Signal) -> None:
        self.state = next_state(self.state, signal)

    @property
    def since(self) -> float:
        """When this phase began."""
        return self.stamp + self.ahead

    def enter(self, phase: Phase, now: float) -> None:
        self.phase = phase
        self.stamp = now - self.ahead
        self.hand = None

    @property
    def has_progressed(self) -> bool:
        """Has `progress()` been called in this phase?"""
        return self.progressed_at > self.since

    def progress(self, now: float) -> None:
        self.progressed_at = now

    def heard(self, now: float) -> None:
        """A message came in: activity, whatever becomes of it."""
        self.active_at = now

    def connected(self, now: float) -> None:
        self.connections = (self.connections or 0) + 1
        self.ever_connected = True
        self.active_at = now

    def disconnected(self, now: float) -> None:
        assert self.connections
        self.connections -= 1
        if not self.connections:
            self.unconnected_since = now
