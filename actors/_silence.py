"""Is the peer still there? What to do about one that is silent. Pure."""

from __future__ import annotations

import attrs

# An answer that comes exactly when it is due is not late; so much past it, it is, in seconds.
PAST = 0.01


@attrs.frozen
class ConnectionSpec:
    """The durations (seconds) and sizes (bytes) of one connection."""

    outbox_bytes: int = 256 * 1024
    """More than that unsent: the peer is slow and is cut off. A screenful of a busy room, ten times."""
    stall: float = 10.0
    """Nothing can be written for so long: the same. A tunnel, or a phone that changes its cell."""
    rate: float = 5.0
    """Messages a second that may come in, in the long run; more close with 1008. Nobody types so fast."""
    burst: int = 100
    """And so many at once: a page that comes back joins its rooms and sends what was left unsent."""
    quiet: float = 20.0
    """No inbound byte for so long: ping."""
    ping_timeout: float = 2.0
    """No inbound byte so long after the ping: ping again."""
    second_chance: float = 4.0
    """And none so long after the second: dead."""
    close_grace: float = 0.4
    """For flushing and the closing handshake; then the wire is cut. Longer than a slow round trip,
    and short enough that a teardown stays under half a second."""


@attrs.frozen
class Wait:
    until: float


@attrs.frozen
class Ping:
    """Ask the peer for a sign of life."""


@attrs.frozen
class Dead:
    silent_for: float


def next_step(
    *, last_inbound: float, pings: tuple[float, ...], spec: ConnectionSpec, now: float
) -> Wait | Ping | Dead:
    """What to do about a peer heard last at `last_inbound` and pinged at `pings` since. Pure."""
    if not pings:
        due = last_inbound + spec.quiet
        return Ping() if now >= due else Wait(due)
    patience = spec.ping_timeout if len(pings) == 1 else spec.second_chance + PAST
    due = pings[-1] + patience
    if now < due:
        return Wait(due)
    return Ping() if len(pings) == 1 else Dead(now - last_inbound)
